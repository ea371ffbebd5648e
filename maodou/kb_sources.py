"""``maodou kb sources`` and ``maodou kb sync``: folders and repositories that a knowledge base is kept in step with."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from maodou.command_parts import library, print_table

if TYPE_CHECKING:
    from rag.library import Library, SyncReport
    from rag.sources import Source

KbOption = Annotated[str | None, typer.Option("--kb", help="Of this knowledge base alone.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


def kept(shelf: Library, kb: str, address: str, every: str | None) -> SyncReport:
    """Keep the base in step with it from now on, and bring it there. Raises ``UsageError`` when that fails."""
    from bot.durations import parse_duration
    from bot.errors import UsageError
    from bot.ports import SystemClock
    from rag.library import SyncReport
    from rag.sources import Sources

    try:
        every_s = None if every is None else 0.0 if every.strip() in ("0", "never") else parse_duration(every)
    except ValueError:
        raise UsageError(f"{every!r} is no length of time: 6h, 1d, or 0.") from None
    sources = Sources(shelf, SystemClock())
    source = sources.add(kb, address, every_s)
    report = sources.sync(source)
    if report is not None:
        return report
    after = next(each for each in sources.all(kb) if each.id == source.id)
    if after.failed:
        raise UsageError(after.told)
    found = shelf.base(kb)
    return SyncReport(kb, unchanged=found.documents, chunks=found.chunks)


def removed(shelf: Library, kb: str, address: str) -> int | None:
    """Documents taken out with a source; None when ``address`` is none of the base's."""
    from bot.ports import SystemClock
    from rag.sources import Sources

    return Sources(shelf, SystemClock()).remove(kb, address)


def sources(context: typer.Context, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """The folders and repositories that bases are kept in step with, and what the last look at each came to."""
    from bot.ports import SystemClock
    from rag.sources import Sources

    with library(context) as (shelf, _):
        found = Sources(shelf, SystemClock()).all(kb)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
        return
    if not found:
        typer.echo("Nothing is kept in step by itself: maodou kb add FOLDER --every 6h, or a repository.")
        return
    print_table(("base", "address", "every", "next", "last"), [_row(each) for each in found])


def _row(source: Source) -> list[str]:
    from bot.durations import say_duration

    every = say_duration(source.every_s, "en") if source.every_s else "when asked"
    if source.began_at is not None:
        following = f"at work: {source.done} of {source.total}"
    elif source.due_at is None:
        following = "–"
    else:
        following = time.strftime("%Y-%m-%d %H:%M", time.localtime(source.due_at))
    return [source.base, source.address, every, following, f"{'failed: ' if source.failed else ''}{source.told}"]


def sync(
    context: typer.Context,
    address: Annotated[str | None, typer.Argument(help="One of them; without it, all.", show_default=False)] = None,
    kb: KbOption = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="End what is at work, here or in a running room.")] = False,
) -> None:
    """Bring bases in step with their folders and repositories now."""
    from bot.errors import UsageError
    from bot.ports import SystemClock
    from rag.sources import Sources

    with library(context) as (shelf, _):
        kept = Sources(shelf, SystemClock())
        chosen = [each for each in kept.all(kb) if address in (None, each.address)]
        if not chosen:
            raise UsageError("There is no such source: maodou kb sources lists them.")
        for each in chosen:
            if cancel:
                kept.cancel(each.id)
            else:
                kept.sync(each)
        after = {each.id: each for each in kept.all(kb)}
    failed = False
    for each in chosen:
        told = "asked to end." if cancel else after[each.id].told
        failed = failed or (not cancel and after[each.id].failed)
        typer.echo(f"{each.base}: {each.address}: {told}")
    if failed:
        raise typer.Exit(1)
