"""The models of one installation: in its folder ``models/``, or wherever the operator has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.errors import UsageError
from maodou.command_parts import progress

if TYPE_CHECKING:
    from llm.environments import Environment
    from llm.hub import HubKind
    from maodou.config import Settings

MAX_CALIBRATION_BYTES = 50_000_000


def models_dir(settings: Settings) -> Path:
    return settings.data_dir / "models"


def find_here(settings: Settings, model: str) -> Path:
    """A folder by its path or by the name under which it was fetched. Raises ``UsageError``."""
    from llm.fetch import fetched

    if Path(model).is_dir():
        return Path(model).absolute()
    found = fetched(model, models_dir(settings))
    if found is None:
        raise UsageError(
            f"There is no folder {model} here, and no model of that name was fetched: maodou llm fetch NAME."
        )
    return found


def find_or_fetch(settings: Settings, model: str, hub: HubKind, mirror: str, *, yes: bool) -> Path:
    """As :func:`find_here`; what is not here is fetched, after its size and licence were shown."""
    from llm.fetch import fetch, fetched
    from llm.hub import Hub

    if Path(model).is_dir():
        return Path(model).absolute()
    if (found := fetched(model, models_dir(settings))) is not None:
        return found
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UsageError(f"There is no folder {model}.")
    address = mirror or (os.environ.get("HF_ENDPOINT", "") if hub == "huggingface" else "")
    client = Hub(hub, address, os.environ.get("HF_TOKEN", "") if hub == "huggingface" and not mirror else "")
    try:
        there = client.look(model)
        typer.echo(
            f"{there.name} from {client.address}: {there.bytes / 2**30:.1f} GiB in {len(there.files)} files, "
            f"licence: {there.licence}.",
            err=True,
        )
        if not yes and (not sys.stdin.isatty() or not typer.confirm("Fetch it?", err=True)):
            raise UsageError("Nothing was fetched; --yes fetches without asking.")
        with progress(False) as show:
            return fetch(client, there, models_dir(settings), show)
    finally:
        client.close()


def calibration_texts(settings: Settings, file: Path | None, kb: str) -> list[str]:
    """Paragraphs of a file, or the passages of a knowledge base. Raises ``UsageError``."""
    if file is not None:
        try:
            if file.stat().st_size > MAX_CALIBRATION_BYTES:
                raise UsageError(f"{file} has more than {MAX_CALIBRATION_BYTES // 10**6} MB, far more than is needed.")
            return [part.strip() for part in file.read_text("utf-8").split("\n\n") if part.strip()]
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise UsageError(f"{file} is not UTF-8.") from None
    from sqlalchemy import select

    from maodou.database import open_store
    from rag.tables import bases, chunks, documents

    store = open_store(settings)
    try:
        # The passages' own order: the same base gives the same texts, which fall the same way.
        asked = (
            select(chunks.c.heading, chunks.c.text)
            .join(documents, documents.c.id == chunks.c.document_id)
            .join(bases, bases.c.id == documents.c.base_id)
            .where(bases.c.name == kb)
            .order_by(chunks.c.id)
        )
        rows = store.read_now(lambda connection: connection.execute(asked).all())
    finally:
        store.close()
    if not rows:
        raise UsageError(f"The knowledge base {kb} is empty: maodou kb add FOLDER, or name a text with --calibration.")
    return [text if (last := heading.rpartition(" › ")[2]) in text else f"{last}\n{text}" for heading, text in rows]


def environment(settings: Settings, name: str, quiet: bool) -> Environment:
    """One of :mod:`llm.environments`, made now where it is not yet."""
    from llm.environments import ensure, find, read

    within = settings.data_dir / "environments"
    if (found := find(name, within)) is not None:
        return found
    recipe = read(name)
    typer.echo(f"Making the environment {name}: about {recipe.download_mib:,} MiB to fetch, once.", err=True)
    with progress(quiet) as show:
        return ensure(name, within, show)
