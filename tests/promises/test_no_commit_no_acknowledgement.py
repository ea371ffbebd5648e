"""A database that takes no write: the event is not acknowledged, and its redelivery is handled once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from bot.errors import StoreError
from bot.event import Addressed, Member, Message, Room, Said
from bot.inbox import Entry, Inbox
from bot.lanes import STORE_PAUSE_S
from bot.ports import Judgement, Question, SystemClock
from bot.store import Store, StoreSettings, make_engine, metadata
from bot.tables import inbox
from bot.testing import Bot, KnowsEverything
from tests.clock import ManualClock

ROOM = Room("web", "plaza")


def question(number: int = 1, text: str = "怎么安装？") -> Said:
    return Said(Message(f"m{number}", ROOM, Member("web", "ada", "Ada"), text, Addressed.MENTION, sent_at=1.0))


@dataclass
class Collected:
    """A dispatcher that only remembers."""

    entries: list[Entry] = field(default_factory=list)

    def dispatch(self, entry: Entry, *, recovered: bool = False) -> None:
        self.entries.append(entry)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "maodou.db"
    engine = make_engine(StoreSettings(url=f"sqlite:///{path}"))
    metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture
def impatient_store(database: Path) -> Iterator[Store]:
    opened = Store.open(StoreSettings(url=f"sqlite:///{database}", busy_timeout_s=0.05))
    yield opened
    opened.close()


async def kept(store: Store) -> int:
    return await store.read(lambda connection: connection.execute(select(func.count()).select_from(inbox)).scalar_one())


def lock(database: Path) -> Callable[[], None]:
    """Another process holds the write lock until the returned function is called."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection.close


async def test_a_locked_database_acknowledges_nothing_and_the_redelivery_is_answered_once(
    database: Path, impatient_store: Store, clock: ManualClock
) -> None:
    async with Bot(impatient_store, clock) as bot:
        room = bot.room()
        asked = Said(room.message("@毛豆 怎么安装？"))
        release = await asyncio.to_thread(lock, database)
        with pytest.raises(StoreError, match="locked"):
            await bot.core.inbox.accept(asked)
        assert await kept(impatient_store) == 0

        await asyncio.to_thread(release)
        assert await bot.core.inbox.accept(asked) is True
        assert await bot.core.inbox.accept(asked) is False
        await bot.core.idle()
        assert len(room.shown) == 1


async def test_a_database_that_is_locked_while_we_think_delays_the_answer_and_does_not_lose_it(
    database: Path, impatient_store: Store
) -> None:
    class WatchedClock(ManualClock):
        waits_for_the_database = asyncio.Event()

        async def sleep(self, seconds: float) -> None:
            if seconds == STORE_PAUSE_S:
                self.waits_for_the_database.set()
            await super().sleep(seconds)

    class LockedMeanwhile(KnowsEverything):
        async def judge(self, question: Question) -> Judgement:
            self.release = await asyncio.to_thread(lock, database)
            return await super().judge(question)

    knowledge, clock = LockedMeanwhile(), WatchedClock()
    async with Bot(impatient_store, clock, knowledge=knowledge) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 怎么安装？")))
        await clock.waits_for_the_database.wait()
        assert room.shown == []

        await asyncio.to_thread(knowledge.release)
        knowledge.judge = KnowsEverything().judge  # type: ignore[method-assign]
        await clock.advance(STORE_PAUSE_S)
        await bot.core.idle()
        assert len(room.shown) == 1


async def test_a_full_disk_acknowledges_nothing_and_the_redelivery_is_handled_once(
    database: Path, impatient_store: Store
) -> None:
    pages = 0  # no bound

    @event.listens_for(impatient_store.engine, "begin")
    def bound(connection: object) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages or 2**30}")  # type: ignore[attr-defined]

    handed_over = Collected()
    entrance = Inbox(impatient_store, SystemClock(), handed_over)
    assert await entrance.accept(question(1)) is True
    pages = (await asyncio.to_thread(database.stat)).st_size // 4096 + 1  # .st_size // 4096 + 1
    long = question(2, "长" * 100_000)
    with pytest.raises(StoreError, match="full"):
        await entrance.accept(long)
    assert [entry.event for entry in handed_over.entries] == [question(1)]

    pages = 0
    assert await entrance.accept(long) is True
    assert await entrance.accept(long) is False
    assert [entry.event for entry in handed_over.entries] == [question(1), long]
    assert await kept(impatient_store) == 2


async def test_a_caller_who_goes_away_takes_nothing_along(impatient_store: Store) -> None:
    """A connection may close while its event is being committed; the event is kept, so it must be handled."""
    handed_over = Collected()
    entrance = Inbox(impatient_store, SystemClock(), handed_over)
    caller = asyncio.create_task(entrance.accept(question()))
    await asyncio.sleep(0)  # it has queued its write, and waits
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await impatient_store.write(lambda connection: None)
    await asyncio.sleep(0)
    assert await kept(impatient_store) == len(handed_over.entries) == 1
