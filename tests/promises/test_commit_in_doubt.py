"""A commit whose outcome nobody heard of: the event is kept all the same, so it must be handled, and once."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from sqlalchemy import Connection, event

from bot.core import Core
from bot.errors import StoreError
from bot.event import Said
from bot.store import Store
from bot.testing import Bot, Echo
from tests.clock import ManualClock


async def a_few_seconds(clock: ManualClock) -> None:
    """Pass on the clock, while the database's threads get their real time."""
    for _ in range(5):
        await clock.advance(1)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("lost", [1, 2, 3], ids=["the event", "the decision", "the mark"])
async def test_a_commit_that_reports_a_failure_after_it_happened(store: Store, clock: ManualClock, lost: int) -> None:
    """A connection may break when the database has committed and before it said so."""
    async with Bot(store, clock) as bot:
        room = bot.room()
        commits = 0

        def lose_the_reply(connection: Connection) -> None:
            nonlocal commits
            commits += 1
            if commits == lost:
                connection.connection.commit()
                raise ConnectionResetError("the server closed the connection unexpectedly")

        event.listen(store.engine, "commit", lose_the_reply)
        question = Said(room.message("@毛豆 怎么安装？"))
        for _ in range(3):  # what is not acknowledged comes again
            with contextlib.suppress(StoreError):
                await bot.core.inbox.accept(question)
            await a_few_seconds(clock)
        await bot.core.idle()
        assert commits > lost
        assert len(room.shown) == 1
        assert len(bot.platform.attempts) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_dead_process_whose_last_commit_is_still_under_way(store: Store, clock: ManualClock) -> None:
    """The server may still be busy with what a killed process sent when the next one recovers."""
    dead = Bot(store, clock)
    room = dead.room()
    reached, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(connection: Connection) -> None:
        if not reached.is_set():
            loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)

    event.listen(store.engine, "commit", hold)
    question = Said(room.message("@毛豆 怎么安装？"))
    dead.core.lanes._closed = True  # it will never decide anything
    last_words = asyncio.create_task(dead.core.inbox.accept(question))
    await reached.wait()

    second = Store.open(store.settings)
    living = Core.build(second, {"paper": dead.platform}, dead.knowledge, Echo(), clock=clock)
    try:
        starting = asyncio.create_task(living.start())
        done, _ = await asyncio.wait([starting], timeout=0.3)
        go_on.set()
        await asyncio.gather(starting, last_words)
        await living.idle()
        assert len(room.shown) == 1
        assert not done, "it waits for the commit that is under way"
    finally:
        await living.close(0)
        await asyncio.to_thread(second.close)
