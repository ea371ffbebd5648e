"""Statements that go to the driver's own cursor write and raise what SQLAlchemy would, on both databases."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, Text, bindparam, cast, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.prepared import Prepared
from bot.store import Store, insert_once
from bot.tables import inbox

ROW: dict[str, Any] = {"room": "r", "kind": "said", "at": 0.5, "received_at": 2.0}


def row(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, **ROW, **more}


def keep(values: Mapping[str, Any]) -> Any:
    return lambda connection: insert_once(connection, inbox, values, returning=inbox.c.id)


async def keys(store: Store) -> list[str]:
    return await store.read(lambda connection: list(connection.scalars(select(inbox.c.key).order_by(inbox.c.id))))


@pytest.mark.parametrize(
    "values",
    [
        {"details": None, "addressed": True, "due_at": None, "payload": None},
        {"details": {}, "addressed": False, "due_at": 1e12, "payload": ""},
        {
            "details": {"说": ["毛豆", None, True, 1.5, {"a": "b'c\"d"}]},
            "addressed": True,
            "payload": "'; -- % %s :x ?",
        },
    ],
)
async def test_a_row_is_what_sqlalchemy_would_have_written(store: Store, values: dict[str, Any]) -> None:
    """Also beneath: JSON's null and SQL's NULL read the same, and are not."""
    compared = [column for column in inbox.c if column.name not in ("id", "key", "details")]
    beneath = select(*compared, inbox.c.details, cast(inbox.c.details, Text), inbox.c.details.is_(None))

    def write(connection: Connection) -> None:
        connection.execute(insert(inbox), row("theirs", **values))
        insert_once(connection, inbox, row("ours", **values), returning=inbox.c.id)

    await store.write(write)
    theirs, ours = await store.read(lambda connection: connection.execute(beneath.order_by(inbox.c.id)).all())
    assert tuple(theirs) == tuple(ours)
    assert ours.addressed is values["addressed"]


async def test_a_change_is_what_sqlalchemy_would_have_made(store: Store) -> None:
    prepared = Prepared(lambda dialect: update(inbox).where(inbox.c.key == bindparam("which")))
    changes = {"details": None, "addressed": True, "outcome": "silent", "decided_at": 3.0}

    def write(connection: Connection) -> tuple[int, int]:
        for key in ("theirs", "ours"):
            insert_once(connection, inbox, row(key), returning=inbox.c.id)
        connection.execute(update(inbox).where(inbox.c.key == "theirs").values(changes))
        done = prepared.run(connection, {"which": "ours", **changes}).rowcount
        return done, prepared.run(connection, {"which": "nobody", **changes}).rowcount

    assert await store.write(write) == (1, 0)
    columns = [*(inbox.c[name] for name in changes), cast(inbox.c.details, Text).label("beneath")]
    theirs, ours = await store.read(lambda connection: connection.execute(select(*columns)).all())
    assert tuple(theirs) == tuple(ours)


async def test_a_key_that_is_there_already_changes_nothing(store: Store) -> None:
    assert await store.write(keep(row("once", kind="said"))) is not None
    assert await store.write(keep(row("once", kind="edited"))) is None
    assert await store.read(lambda connection: connection.scalars(select(inbox.c.kind)).all()) == ["said"]


async def test_a_value_that_is_not_given_is_said(store: Store) -> None:
    prepared = Prepared(lambda dialect: select(inbox.c.id).where(inbox.c.key == bindparam("wanted")))
    with pytest.raises(ValueError, match="wanted"):
        await store.write(lambda connection: prepared.run(connection, {}))


async def test_what_the_database_refuses_is_sqlalchemys_error_without_members_words(store: Store) -> None:
    with pytest.raises(IntegrityError) as failed:
        await store.write(keep({**row("x"), "room": None, "payload": "my password is hunter2"}))
    assert "hunter2" not in str(failed.value).split("DETAIL")[0]
    await store.write(keep(row("next")))
    assert await keys(store) == ["next"]


async def test_one_that_is_refused_takes_only_itself_back(store: Store) -> None:
    go = threading.Event()
    held = store.submit(lambda connection: go.wait(5) and None)
    waiting = [store.submit(keep(row(f"{number}"))) for number in range(3)]
    broken = store.submit(keep({**row("x"), "room": None}))
    after = store.submit(keep(row("after")))
    go.set()
    await held
    with pytest.raises(IntegrityError):
        await broken
    assert None not in [await each for each in (*waiting, after)]
    assert await keys(store) == ["0", "1", "2", "after"]


def backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_connection_that_the_server_ended_is_not_used_again(store: Store) -> None:
    before = await store.write(backend)
    assert await store.write(backend) == before
    end = text("SELECT pg_terminate_backend(:pid)").bindparams(pid=before)
    await store.read(lambda connection: connection.execute(end).scalar())
    with pytest.raises(StoreError, match=r"(?i)terminat|closed|lost"):
        await store.write(keep(row("while it is gone")))
    assert await store.write(keep(row("afterwards"))) is not None
    assert await store.write(backend) != before
    assert await keys(store) == ["afterwards"]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_lock_that_is_not_had_in_time_fails_the_batch_and_leaves_the_writer_usable(store: Store) -> None:
    locked, go = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        connection.execute(text("LOCK TABLE inbox IN EXCLUSIVE MODE"))
        locked.set()
        go.wait(5)

    def impatient(connection: Connection) -> Any:
        locked.wait(5)
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        return keep(row("too late"))(connection)

    holding = asyncio.create_task(store.read(hold))
    try:
        with pytest.raises(StoreError, match="lock"):
            await store.write(impatient)
    finally:
        go.set()
        await holding
    assert await store.write(keep(row("afterwards"))) is not None
    assert await keys(store) == ["afterwards"]
