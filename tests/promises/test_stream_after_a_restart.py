"""A stream that a killed process began is completed by the next one, inside the key's window and past it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select

from bot.decision import Decision, Outcome, Reason
from bot.delivery import Content, Delivery, DeliveryState
from bot.errors import CannotLook
from bot.event import Addressed, Member, Message, Room, Said
from bot.inbox import Entry, Inbox
from bot.outbox import Outbox
from bot.settings import CoreSettings
from bot.store import Store
from bot.tables import deliveries
from bot.testing import EVERYTHING, PaperPlatform
from tests.clock import ManualClock

ROOM = Room("paper", "plaza")
ANSWERED = Decision(Outcome.ANSWERED, Reason.FROM_DOCUMENTS)


@dataclass
class Collected:
    """A dispatcher that only remembers."""

    entries: list[Entry] = field(default_factory=list)

    def dispatch(self, entry: Entry, *, recovered: bool = False) -> None:
        self.entries.append(entry)


@dataclass(slots=True)
class DeadlyPlatform(PaperPlatform):
    """Shows what it is sent, and no reply ever comes: the process that waits for it is dead."""

    sent: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, delivery: Delivery) -> str:
        await PaperPlatform.send(self, delivery)
        self.sent.set()
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never


@dataclass(slots=True)
class UnreadablePlatform(PaperPlatform):
    async def find(self, delivery: Delivery) -> str | None:
        raise CannotLook("no history")


async def begun_by_the_dead(store: Store, clock: ManualClock) -> tuple[Entry, PaperPlatform]:
    """What a killed process leaves: the stream is committed and in the room, its message's id is not known."""
    collected, platform = Collected(), DeadlyPlatform()
    message = Message("m1", ROOM, Member("paper", "ada"), "How?", Addressed.MENTION, sent_at=clock.now())
    await Inbox(store, clock, collected).accept(Said(message))
    entry = collected.entries[0]
    dying = outbox(store, clock, platform)
    await dying.open(entry, "First words", "m1")
    await platform.sent.wait()
    await dying.close()
    return replace(entry, recovered=True), platform


def outbox(store: Store, clock: ManualClock, platform: PaperPlatform) -> Outbox:
    return Outbox(store, clock, {platform.name: platform}, CoreSettings())


async def answer(living: Outbox, entry: Entry, *, streams_again: bool) -> None:
    await living.recover()
    if streams_again:
        await living.open(entry, "First words again", "m1")
    await living.decide(entry, ANSWERED, [Content("The whole answer")], reply_to="m1")
    await living.idle()


async def state(store: Store) -> str:
    await store.write(lambda connection: None)  # the mark before it is committed
    found = await store.read(lambda connection: connection.execute(select(deliveries.c.state)).scalar_one())
    return str(found)


both_ways = pytest.mark.parametrize("streams_again", [True, False], ids=["streams again", "answers at once"])


@both_ways
@pytest.mark.parametrize("past_the_window", [False, True])
async def test_the_same_message_is_completed(
    store: Store, clock: ManualClock, past_the_window: bool, streams_again: bool
) -> None:
    entry, room = await begun_by_the_dead(store, clock)
    if past_the_window:
        await clock.advance(EVERYTHING.key_window_s * 2)
        room.forget_keys()
    platform = PaperPlatform(shown=room.shown, _by_key=room._by_key)
    await answer(outbox(store, clock, platform), entry, streams_again=streams_again)

    assert [shown.text for shown in platform.shown.values()] == ["The whole answer"]
    assert await state(store) == DeliveryState.SENT


@both_ways
async def test_where_nobody_can_look_it_is_uncertain_and_not_sent_again(
    store: Store, clock: ManualClock, streams_again: bool
) -> None:
    entry, room = await begun_by_the_dead(store, clock)
    await clock.advance(EVERYTHING.key_window_s * 2)
    room.forget_keys()
    platform = UnreadablePlatform(shown=room.shown)
    await answer(outbox(store, clock, platform), entry, streams_again=streams_again)

    assert [shown.text for shown in platform.shown.values()] == ["First words"]
    assert await state(store) == DeliveryState.UNCERTAIN


async def test_work_that_is_cancelled_while_it_begins_a_stream_still_gets_its_word_out(
    store: Store, clock: ManualClock
) -> None:
    """A deadline or a ``/stop`` may fall between the stream's commit and whoever waits for it."""
    collected, platform = Collected(), PaperPlatform()
    message = Message("m1", ROOM, Member("paper", "ada"), "How?", Addressed.MENTION, sent_at=clock.now())
    await Inbox(store, clock, collected).accept(Said(message))
    living = outbox(store, clock, platform)
    opening = asyncio.create_task(living.open(collected.entries[0], "First words", "m1"))
    await asyncio.sleep(0)  # it has queued its write
    opening.cancel()
    await asyncio.wait([opening])

    apology = Decision(Outcome.FAILED, Reason.TIMEOUT)
    await living.decide(collected.entries[0], apology, [Content("This took too long")], reply_to="m1")
    await living.idle()
    assert [shown.text for shown in platform.shown.values()] == ["This took too long"]
    assert await state(store) == DeliveryState.SENT
