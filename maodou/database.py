"""Brings a database to this version's tables, or says why that cannot be.

All of an upgrade is one transaction of the store's writer: it happens whole or not at all, and two processes
that start at once do it one after the other.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bot.errors import StoreTooNew, UsageError
from bot.store import Store
from maodou.config import Settings

log = structlog.get_logger(__name__)

UPGRADE_LOCK = 0x6D616F646F75  # "maodou": the number of PostgreSQL's advisory lock


@dataclass(frozen=True, slots=True)
class Revision:
    """``current``: where the database stands, None for an empty one. ``head``: where this version wants it."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def open_store(settings: Settings) -> Store:
    """The installation's store, on this version's tables.

    Raises ``UsageError`` when there is no place for it, ``StoreTooNew`` for a newer version's database, and
    ``StoreError`` when it takes no write. Blocks: for the start and for commands.
    """
    return open_and_upgrade(settings)[0]


def open_and_upgrade(settings: Settings) -> tuple[Store, Revision]:
    """:func:`open_store`, and where the database stood before."""
    make_data_dir(settings.data_dir)
    check_driver(settings)
    store = Store.open(settings.store)
    try:
        before = upgrade(store)
    except BaseException:
        store.close()
        raise
    if not before.is_current:
        log.info("database.upgraded", before=before.current, now=before.head)
    return store, before


def make_data_dir(data_dir: Path) -> None:
    """Raises ``UsageError`` when it is not there and cannot be made, or cannot be written to."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The data folder {data_dir} cannot be made: {error.strerror}. Set MAODOU_DATA_DIR."
        ) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise UsageError(f"The data folder {data_dir} cannot be written to: change its rights, or set MAODOU_DATA_DIR.")


def check_driver(settings: Settings) -> None:
    """Raises ``UsageError`` when the configured database's driver is not installed."""
    if settings.database_url.startswith("postgresql") and importlib.util.find_spec("psycopg") is None:
        raise UsageError(
            "`database` is PostgreSQL, and its driver is missing: make setup ALL=1, or pip install -e '.[postgres]'."
        )


def revision(store: Store) -> Revision:
    """Where the database stands. Raises ``StoreTooNew`` for a revision that this version does not know."""
    return store.read_now(_revision)


def upgrade(store: Store) -> Revision:
    """Bring the database to this version; returns where it stood before.

    Raises ``StoreTooNew`` for a revision that this version does not know, ``StoreError`` when the database
    takes no write. Blocks: for the start and for commands.
    """
    return store.write_now(_upgrade)


def write_revision(store: Store, message: str) -> None:
    """For developers: a new file in ``migrations/versions``, from the tables as they are declared now."""

    def write(connection: Connection) -> None:
        command.revision(_config(connection), message, autogenerate=True, rev_id=_next_id())

    store.write_now(write)


def _revision(connection: Connection) -> Revision:
    script = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {each.revision for each in script.walk_revisions()}:
        raise StoreTooNew(current)
    return Revision(current, script.get_current_head() or "")


def _upgrade(connection: Connection) -> Revision:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": UPGRADE_LOCK})
    before = _revision(connection)
    if not before.is_current:
        command.upgrade(_config(connection), "head")
    return before


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "maodou:migrations")
    config.attributes["connection"] = connection
    for name, value in {
        "hooks": "ruff",
        "ruff.type": "exec",
        "ruff.executable": str(Path(sys.executable).with_name("ruff")),
        "ruff.options": "format --quiet REVISION_SCRIPT_FILENAME",
    }.items():
        config.set_section_option("post_write_hooks", name, value)
    return config


def _next_id() -> str:
    """Revisions are numbered, so that a folder of them reads as a story."""
    count = len(list(ScriptDirectory.from_config(_config()).walk_revisions()))
    return f"{count + 1:04d}"
