"""The store's group commit: many operations, one transaction, each of them whole or not at all."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, select

from bot.errors import StoreError
from bot.store import Store
from bot.tables import audit, feedback

WHO = "web:ada"


def note(what: str) -> Any:
    def write(connection: Connection) -> str:
        connection.execute(insert(audit).values(at=0, who=WHO, scope="global", what=what))
        return what

    return write


async def notes(store: Store) -> list[str]:
    return await store.read(lambda connection: list(connection.scalars(select(audit.c.what).order_by(audit.c.id))))


class HeldWriter:
    """Keeps the writer busy, so that whatever is submitted meanwhile shares the next transaction."""

    def __init__(self, store: Store) -> None:
        self._go = threading.Event()
        self._busy = threading.Event()
        self._held = store.submit(self._hold)

    def _hold(self, connection: Connection) -> None:
        self._busy.set()
        self._go.wait(5)

    async def started(self) -> None:
        await asyncio.to_thread(self._busy.wait, 5)

    def release(self) -> None:
        self._go.set()


async def test_what_waits_shares_one_commit_and_keeps_its_order(store: Store) -> None:
    commits: list[Engine] = []
    event.listen(store.engine, "commit", commits.append)
    writer = HeldWriter(store)
    await writer.started()
    waiting = [store.submit(note(f"{number}")) for number in range(50)]
    writer.release()

    assert await asyncio.gather(*waiting) == [f"{number}" for number in range(50)]
    assert await notes(store) == [f"{number}" for number in range(50)]
    assert len(commits) == 2, "one for the writer that was held, one for all that waited"


async def test_an_operation_that_fails_takes_only_itself_back(store: Store) -> None:
    def half_done(connection: Connection) -> None:
        connection.execute(insert(audit).values(at=0, who=WHO, scope="global", what="half done"))
        connection.execute(insert(feedback).values(room="r", message_id="m", member="x", value=None, at=0))

    writer = HeldWriter(store)
    await writer.started()
    before, broken, after = store.submit(note("before")), store.submit(half_done), store.submit(note("after"))
    writer.release()

    with pytest.raises(Exception, match=r"(?i)null"):
        await broken
    assert (await before, await after) == ("before", "after")
    assert await notes(store) == ["before", "after"]


async def test_an_operation_that_fails_alone_leaves_the_writer_usable(store: Store) -> None:
    def half_done(connection: Connection) -> None:
        connection.execute(insert(audit).values(at=0, who=WHO, scope="global", what="half done"))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await store.write(half_done)
    await store.write(note("next"))
    assert await notes(store) == ["next"]


async def test_a_commit_that_fails_fails_all_that_shared_it(store: Store) -> None:
    """Nobody may acknowledge what only looked written."""
    writer = HeldWriter(store)
    await writer.started()
    waiting = [store.submit(note(f"{number}")) for number in range(5)]
    failing = iter([None, RuntimeError("the disk said no")])

    def fail(connection: Connection) -> None:
        if (error := next(failing, None)) is not None:
            raise error

    event.listen(store.engine, "commit", fail)
    writer.release()

    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError] * 5
    assert await notes(store) == []
    await store.write(note("afterwards"))
    assert await notes(store) == ["afterwards"]
