"""After an outage of three hours a room gets one late word, not a burst of answers that nobody waits for."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from sqlalchemy import select

from bot.decision import Outcome, Reason
from bot.event import Said
from bot.inbox import Entry, Inbox
from bot.replies import LATE_WORD
from bot.store import Store
from bot.tables import inbox
from bot.testing import Bot, BotRoom
from tests.clock import ManualClock

OUTAGE_S = 3 * 3600
ROOMS, MESSAGES = 5, 200
LATE_WORDS = {LATE_WORD.zh, LATE_WORD.en}


def queued(rooms: list[BotRoom], *, sent_ago_s: float) -> list[Said]:
    """200 messages over the rooms, every second one addressed; the last room talks among itself."""
    said = []
    for number in range(MESSAGES):
        room = rooms[number % len(rooms)]
        addressed = room is not rooms[-1] and number // len(rooms) % 2 == 0
        ago_s = sent_ago_s - number  # a second apart
        said.append(Said(room.message(f"{'@毛豆 ' if addressed else ''}怎么安装 {number}？", sent_ago_s=ago_s)))
    return said


async def decisions(store: Store) -> Counter[tuple[str, str]]:
    rows = await store.read(lambda connection: connection.execute(select(inbox.c.outcome, inbox.c.reason)).all())
    return Counter((row.outcome, row.reason) for row in rows)


async def one_late_word_each(store: Store, rooms: list[BotRoom]) -> None:
    for room in rooms[:-1]:
        assert len(room.shown) == 1
        assert room.shown[0] in LATE_WORDS
    assert rooms[-1].shown == [], "nobody there addressed us"
    assert await decisions(store) == {
        (Outcome.DONE, Reason.LATE_WORD): ROOMS - 1,
        (Outcome.SILENT, Reason.STALE): MESSAGES - (ROOMS - 1),
    }


async def test_what_the_platform_kept_for_us(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, lane_depth=MESSAGES) as bot:
        rooms = [bot.room(f"r{number}") for number in range(ROOMS)]
        await rooms[0].happens(*queued(rooms, sent_ago_s=OUTAGE_S))
        await one_late_word_each(store, rooms)

        await rooms[0].says("@毛豆 现在呢？")
        rooms[0].heard("现在呢")


async def test_what_a_killed_process_left_undecided(store: Store, clock: ManualClock) -> None:
    bot = Bot(store, clock)
    rooms = [bot.room(f"r{number}") for number in range(ROOMS)]
    entrance = Inbox(store, clock, Nobody())
    for event in queued(rooms, sent_ago_s=MESSAGES):
        await entrance.accept(event)
    await clock.advance(OUTAGE_S)

    async with bot:
        await bot.core.idle()
        await one_late_word_each(store, rooms)


async def test_two_hundred_in_one_room_are_more_than_its_lane_holds(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        room = bot.room()
        assert bot.core.settings.lane_depth < MESSAGES
        said = [Said(room.message(f"@毛豆 怎么安装 {number}？", sent_ago_s=OUTAGE_S)) for number in range(MESSAGES)]
        await asyncio.gather(*map(bot.core.inbox.accept, said))
        await bot.core.idle()
        assert len(room.shown) == 1
        assert room.shown[0] in LATE_WORDS


async def test_without_its_memory_it_would_be_a_burst(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.planning._was_said", lambda *asked: False)
    async with Bot(store, clock, lane_depth=MESSAGES) as bot:
        rooms = [bot.room(f"r{number}") for number in range(ROOMS)]
        await rooms[0].happens(*queued(rooms, sent_ago_s=OUTAGE_S))
        assert len(rooms[0].shown) == MESSAGES // ROOMS // 2


class Nobody:
    """The dispatcher of a process that dies before it decides anything."""

    def dispatch(self, entry: Entry, *, recovered: bool = False) -> None:
        return
