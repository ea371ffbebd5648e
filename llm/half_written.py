"""What is being written: by one process at a time, and never left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import UsageError


@contextmanager
def only_one(half: Path, taken: str) -> Iterator[None]:
    """For the writing of ``half``, a file or a folder that is moved to its place when it is whole.

    What a killed process left there is taken away first, what is left at the end as well. Raises ``UsageError`` with
    the sentence ``taken`` where another process writes.
    """
    lock = FileLock(half.with_name(f"{half.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(taken) from None
    try:
        _away(half)
        yield
    finally:
        _away(half)
        Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: one who waits for it looks again
        lock.release()


def _away(half: Path) -> None:
    if half.is_dir():
        shutil.rmtree(half, ignore_errors=True)
    else:
        half.unlink(missing_ok=True)
