"""One process at a time works on one installation: a second would answer the same messages again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import text

from bot.errors import UsageError
from bot.store import Store
from maodou.config import Settings

RUNNING_LOCK = 0x6D616F646F7501
"""The number of PostgreSQL's advisory lock: it also keeps away a second machine on the same database."""


def lock_file(settings: Settings) -> Path:
    return settings.data_dir / "running.lock"


@contextmanager
def only_one(settings: Settings, store: Store) -> Iterator[None]:
    """Holds while the process lives, and ends with it, however it ends. Raises ``UsageError`` for a second one."""
    with ExitStack() as held:
        lock = FileLock(lock_file(settings), thread_local=False)
        try:
            held.enter_context(lock.acquire(timeout=0))
        except Timeout:
            raise UsageError(
                f"Another Maodou is running with the data in {settings.data_dir}: stop it, "
                "or give this one a MAODOU_DATA_DIR of its own."
            ) from None
        if store.engine.dialect.name == "postgresql":
            connection = held.enter_context(store.engine.connect())
            mine = connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": RUNNING_LOCK}).scalar()
            connection.commit()
            held.callback(connection.invalidate)  # the lock lives as long as the connection, which must not be pooled
            if not mine:
                raise UsageError("Another Maodou is running on this database: stop it, or name another `database`.")
        yield
