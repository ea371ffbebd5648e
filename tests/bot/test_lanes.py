"""In order within a room, independent between rooms, and never blocked for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from bot.decision import Outcome, Reason
from bot.event import Pressed, Recalled, Room, Said
from bot.lanes import WATCH_EVERY_S
from bot.ports import Judgement, Question, Sentence
from bot.store import Store
from bot.tables import inbox
from bot.testing import Bot, BotRoom, Echo, PaperPlatform
from tests.clock import ManualClock
from tests.waiting import until


class Gated:
    """Answers one question when it is let; questions that say so wait."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.began = asyncio.Event()

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        if "slow" in question.text:
            self.began.set()
            await self.open.wait()
        yield Sentence(f"echo: {question.text}")


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
async def bot(store: Store, clock: ManualClock, gated: Gated) -> AsyncIterator[Bot]:
    async with Bot(store, clock, answerer=gated, lane_depth=3) as running:
        yield running


async def ask(room: BotRoom, *texts: str) -> list[str]:
    messages = [room.message(f"@maodou {text}") for text in texts]
    for message in messages:
        await room.core.inbox.accept(Said(message))
    return [message.id for message in messages]


async def test_answers_come_in_the_order_of_the_questions(bot: Bot, gated: Gated) -> None:
    room = bot.room()
    await ask(room, "slow", "quick")
    await gated.began.wait()
    await asyncio.sleep(0.05)
    assert room.shown == []
    gated.open.set()
    await bot.core.idle()
    assert room.shown == ["echo: slow", "echo: quick"]


async def test_rooms_do_not_wait_for_each_other(bot: Bot, gated: Gated) -> None:
    slow, quick = bot.room("slow"), bot.room("quick")
    await ask(slow, "slow")
    await gated.began.wait()
    await ask(quick, "quick")
    await until(lambda: quick.shown == ["echo: quick"])
    gated.open.set()


async def test_a_command_overtakes_and_stop_ends_the_answer(bot: Bot, gated: Gated) -> None:
    room = bot.room()
    (slow,) = await ask(room, "slow")
    await gated.began.wait()
    await ask(room, "/stop")
    await bot.core.idle()
    await room.silent(Reason.STOPPED, slow)


async def test_a_button_overtakes_too(bot: Bot, gated: Gated) -> None:
    room = bot.room()
    await ask(room, "slow")
    await gated.began.wait()
    await bot.core.inbox.accept(Pressed(room.room, room.member("anna"), "i1", bot.clock.now(), command="/help"))
    await until(lambda: room.answers("i1"))
    gated.open.set()


async def test_a_recall_ends_the_work_on_its_message(bot: Bot, gated: Gated) -> None:
    room = bot.room()
    slow, queued = await ask(room, "slow", "slow too")
    await gated.began.wait()
    for message_id in (queued, slow):
        await bot.core.inbox.accept(Recalled(room.room, message_id, bot.clock.now()))
    await bot.core.idle()
    assert room.shown == []
    for message_id in (slow, queued):
        await room.silent(Reason.RECALLED, message_id)


async def test_a_full_lane_says_so_once_a_minute_and_only_to_the_addressed(
    bot: Bot, gated: Gated, clock: ManualClock
) -> None:
    room = bot.room()
    await ask(room, "slow")
    await gated.began.wait()
    await ask(room, "2", "3", "4")
    refused = await ask(room, "question five", "question six")
    await bot.core.inbox.accept(Said(room.message("just chat", id="chat")))
    await until(lambda: len(room.answers(refused[0])) == 1)
    gated.open.set()
    await bot.core.idle()
    assert "more questions" in room.answers(refused[0])[0]
    assert room.answers(refused[1]) == []
    await room.silent(Reason.BUSY, "chat")
    assert [text for text in room.shown if text.startswith("echo")] == [f"echo: {each}" for each in ("slow", *"234")]


async def test_a_restart_refuses_nothing_that_was_accepted(store: Store, clock: ManualClock, bot: Bot) -> None:
    room = bot.room()
    await bot.core.lanes.close()
    await ask(room, *(str(number) for number in range(10)))
    async with Bot(store, clock, lane_depth=3) as second:
        await second.core.idle()
        assert len(second.room().shown) == 10


async def test_everything_ends_in_exactly_one_decision(bot: Bot, store: Store, gated: Gated) -> None:
    room = bot.room()
    gated.open.set()
    await ask(room, *(f"question {number}" for number in range(3)))
    await bot.core.idle()
    decided = select(func.count()).select_from(inbox).where(inbox.c.outcome == Outcome.ANSWERED.value)
    assert await store.read(lambda connection: connection.execute(decided).scalar()) == 3


async def test_a_stuck_lane_is_seen(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo("never", delay_s=60), answer_deadline_s=10) as bot:
        await ask(bot.room(), "anything")
        await asyncio.sleep(0.1)
        assert bot.core.lanes.stuck() == []
        await clock.advance(16)
        assert bot.core.lanes.stuck() == ["paper:r1"]


async def test_a_lane_leaves_nothing_behind(bot: Bot, gated: Gated) -> None:
    gated.open.set()
    for name in range(20):
        await ask(bot.room(str(name)), "quick")
    await bot.core.idle()
    assert not bot.core.lanes.busy()


class Signs(PaperPlatform):
    """Notes for which messages it showed that an answer is being made, and for which that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.ended: list[str] = []

    async def thinking(self, room: Room, message_id: str) -> None:
        self.begun.append(message_id)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(message_id)


async def test_an_answer_that_takes_long_is_announced_to_whoever_asked_until_it_is_there(
    store: Store, clock: ManualClock, gated: Gated
) -> None:
    platform = Signs()
    async with Bot(store, clock, platform=platform, answerer=gated) as bot:
        room, quiet = bot.room(), bot.room("quiet")
        await ask(room, "quick")
        await bot.core.idle()
        (slow,) = await ask(room, "slow")
        await bot.core.inbox.accept(Said(quiet.message("slow talk among people")))
        await until(lambda: platform.begun)
        await asyncio.sleep(2 * WATCH_EVERY_S)
        assert (platform.begun, platform.ended) == ([slow], [])
        gated.open.set()
        await bot.core.idle()
        await until(lambda: platform.ended == [slow])
        assert platform.begun == [slow]
