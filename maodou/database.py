"""Brings a database to this version's tables, or says why that cannot be.

All of an upgrade is one transaction of the store's writer: it happens whole or not at all, and two processes
that start at once do it one after the other.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bot.errors import StoreTooNew
from bot.store import Store
from maodou.schema import all_tables

UPGRADE_LOCK = 0x6D616F646F75  # "maodou": the number of PostgreSQL's advisory lock


@dataclass(frozen=True, slots=True)
class Revision:
    """``current``: where the database stands, None for an empty one. ``head``: where this version wants it."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def revision(store: Store) -> Revision:
    """Where the database stands. Raises ``StoreTooNew`` for a revision that this version does not know."""
    return store.read_now(_revision)


def upgrade(store: Store) -> Revision:
    """Bring the database to this version; returns where it stood before.

    Raises ``StoreTooNew`` for a revision that this version does not know, ``StoreError`` when the database
    takes no write. Blocks: for the start and for commands.
    """
    return store.write_now(_upgrade)


def differences(connection: Connection) -> list[object]:
    """What a database lacks or has too much, compared with the tables as they are declared; for tests."""
    # SQLite gives a default back in another spelling than it got, so defaults are compared on PostgreSQL alone.
    opts = {"compare_type": True, "compare_server_default": connection.dialect.name != "sqlite"}
    context = MigrationContext.configure(connection, opts=opts)
    return list(compare_metadata(context, all_tables()))


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
