"""What the running process says of itself, for the doctor, who is another process: a small file beside the data."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

WRITE_EVERY_S = 3.0
STALE_AFTER_S = 15.0
"""A process that has not written for so long does not get to it: its event loop is blocked."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """``parts``: by part, None while it is well. ``age_s``: since it was written."""

    parts: Mapping[str, str | None]
    age_s: float


def health_file(data_dir: Path) -> Path:
    return data_dir / "health.json"


@contextlib.asynccontextmanager
async def telling(health: Callable[[], Mapping[str, str | None]], data_dir: Path) -> AsyncIterator[None]:
    """Write it every ``WRITE_EVERY_S`` for as long as this holds; the file goes with an orderly end."""
    file = health_file(data_dir)
    writing = asyncio.create_task(_write(health, file))
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        with contextlib.suppress(OSError):  # the next start writes it anew
            await asyncio.to_thread(file.unlink, missing_ok=True)


async def _write(health: Callable[[], Mapping[str, str | None]], file: Path) -> None:
    while True:
        told = json.dumps({"at": time.time(), "parts": dict(health())}, ensure_ascii=False)
        try:
            await asyncio.to_thread(_replace, file, told)
        except OSError as error:
            log.warning("health.not_written", file=str(file), error=str(error))
        await asyncio.sleep(WRITE_EVERY_S)


def _replace(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text, "utf-8")
    beside.replace(file)


def read_pulse(data_dir: Path) -> Pulse | None:
    """The last that was told; None where nothing was."""
    try:
        told = json.loads(health_file(data_dir).read_text("utf-8"))
        return Pulse(dict(told["parts"]), time.time() - float(told["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
