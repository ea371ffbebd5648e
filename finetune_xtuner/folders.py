"""Results that are there whole or not at all: a folder is written beside its place and put there by its name."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import UsageError


def must_be_new(out: Path) -> None:
    """Raises ``UsageError`` where something lies there already: nothing is written over."""
    if out.exists():
        raise UsageError(f"{out} is there already: name another folder, or remove it first.")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` at the end, and is gone when anything goes wrong."""
    must_be_new(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield part
        part.chmod(0o755)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
