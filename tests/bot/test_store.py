"""What follows a commit, and a batch that is run a second time because one operation of it failed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import OperationalError

from bot.store import Store, StoreSettings, make_engine
from bot.tables import audit


class Batch:
    """Operations that share a transaction; ``runs``: how often each was run."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runs: Counter[str] = Counter()
        self._go, self._busy = threading.Event(), threading.Event()
        self._held = store.submit(self._hold)

    def _hold(self, connection: Connection) -> None:
        self._busy.set()
        self._go.wait(5)

    async def __aenter__(self) -> Batch:
        await asyncio.to_thread(self._busy.wait, 5)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._go.set()
        await self._held

    def note(self, what: str, *, fails: bool = False) -> Any:
        def write(connection: Connection) -> tuple[str, int]:
            self.runs[what] += 1
            made = insert(audit).values(at=0, who="x", scope="global", what=what).returning(audit.c.id)
            number = int(connection.execute(made).scalar_one())
            if fails:
                raise LookupError(what)
            return what, number

        return write


async def noted(store: Store) -> list[tuple[str, int]]:
    query = select(audit.c.what, audit.c.id).order_by(audit.c.id)
    return [tuple(row) for row in await store.read(lambda connection: connection.execute(query).all())]


async def test_results_are_those_of_the_run_that_was_committed(store: Store) -> None:
    order: list[str] = []
    async with Batch(store) as batch:
        futures = {
            name: store.submit(batch.note(name, fails=name == "broken"), lambda made: order.append(made[0]))
            for name in ("a", "b", "broken", "c")
        }
    results = await asyncio.gather(*futures.values(), return_exceptions=True)
    assert [type(each) for each in results] == [tuple, tuple, LookupError, tuple]
    assert [each for each in results if isinstance(each, tuple)] == await noted(store)
    assert order == ["a", "b", "c"], "what follows a commit follows it once, and no failure"
    assert batch.runs == {"a": 2, "b": 2, "broken": 2, "c": 1}


async def test_two_that_fail_are_told_each_their_own(store: Store) -> None:
    async with Batch(store) as batch:
        futures = [store.submit(batch.note(name, fails=name != "b")) for name in ("a", "b", "c")]
    a, b, c = await asyncio.gather(*futures, return_exceptions=True)
    assert (str(a), str(c)) == (str(LookupError("a")), str(LookupError("c")))
    assert await noted(store) == [b]


async def test_without_a_failure_each_is_run_once(store: Store) -> None:
    async with Batch(store) as batch:
        futures = [store.submit(batch.note(f"{number}")) for number in range(20)]
    await asyncio.gather(*futures)
    assert set(batch.runs.values()) == {1}


async def test_what_follows_comes_in_order_and_before_anybody_goes_on(store: Store) -> None:
    told: list[str] = []

    async def waits(name: str, future: asyncio.Future[Any]) -> None:
        await future
        told.append(f"{name} goes on")

    async with Batch(store) as batch:
        waiting = [
            asyncio.create_task(waits(name, store.submit(batch.note(name), lambda made: told.append(made[0]))))
            for name in ("a", "b")
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert told == ["a", "b", "a goes on", "b goes on"]


async def test_what_follows_comes_although_nobody_waits_any_more(store: Store) -> None:
    told: list[str] = []
    async with Batch(store) as batch:
        future = store.submit(batch.note("kept"), lambda made: told.append(made[0]))
        future.cancel()
    await store.write(lambda connection: None)
    assert told == ["kept"]
    assert [what for what, _ in await noted(store)] == ["kept"]


async def test_a_defect_in_what_follows_leaves_nobody_waiting(store: Store) -> None:
    def fail(made: object) -> None:
        raise RuntimeError("a defect")

    told: list[str] = []
    async with Batch(store) as batch:
        first = store.submit(batch.note("a"), fail)
        second = store.submit(batch.note("b"), lambda made: told.append(made[0]))
    async with asyncio.timeout(5):
        assert [(await first)[0], (await second)[0]] == ["a", "b"]
    assert told == ["b"]


@pytest.mark.sqlite_alone  # PostgreSQL's transactions begin with their first statement
def test_a_transaction_that_cannot_begin_fails_as_a_statement_does(store_settings: StoreSettings) -> None:
    engine = make_engine(store_settings)
    with engine.connect() as connection:
        connection.connection.cursor().execute("BEGIN")  # as if another had been left open
        with pytest.raises(OperationalError, match="within a transaction"):
            connection.begin()
    engine.dispose()
