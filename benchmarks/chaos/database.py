"""A database of the run's own: a file, or a schema on the PostgreSQL server it was given."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, make_url, select

from bot.errors import UsageError
from bot.store import Store, StoreSettings
from bot.tables import inbox
from maodou.database import upgrade


@contextlib.contextmanager
def fresh_database(url: str | None, folder: Path) -> Iterator[str]:
    """The URL of an empty database at its newest revision; a PostgreSQL schema is dropped in the end.

    Raises ``UsageError`` for a SQLite file that has seen messages: what it holds would be answered too.
    """
    if url is None:
        url = f"sqlite:///{folder / 'chaos.db'}"
    if make_url(url).get_backend_name() == "sqlite":
        _create_tables(url)
        yield url
        return
    schema = f"maodou_chaos_{secrets.token_hex(4)}"
    server = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        inside = make_url(url).update_query_dict({"options": f"-csearch_path={schema}"})
        inside_url = inside.render_as_string(hide_password=False)
        _create_tables(inside_url)
        yield inside_url
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        server.dispose()


def _create_tables(url: str) -> None:
    store = Store.open(StoreSettings(url=url))
    try:
        upgrade(store)
        if store.read_now(lambda connection: connection.execute(select(inbox.c.id).limit(1)).first()):
            raise UsageError(f"The database {make_url(url).database} is in use: name a new one.")
    finally:
        store.close()
