"""Committed before it is acknowledged, and handled once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.event import Removed, Said, dump_event, load_event
from bot.inbox import Entry, Inbox
from bot.store import Store
from bot.tables import inbox as table
from bot.tables import rooms
from bot.testing import Bot, BotRoom
from tests.clock import ManualClock


class Collector:
    """A dispatcher that only remembers."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def dispatch(self, entry: Entry, *, recovered: bool = False) -> None:
        self.entries.append(entry)

    @property
    def texts(self) -> list[str]:
        return [entry.event.message.text for entry in self.entries if isinstance(entry.event, Said)]


@pytest.fixture
def collector() -> Collector:
    return Collector()


async def test_events_are_handed_over_in_the_order_of_arrival(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)
    events = [Said(room.message(str(number))) for number in range(200)]
    assert all(await asyncio.gather(*map(inbox.accept, events)))
    assert collector.texts == [str(number) for number in range(200)]


async def test_a_redelivery_is_recognised_even_beside_its_original(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)
    event = Said(room.message("once"))
    assert await asyncio.gather(inbox.accept(event), inbox.accept(event)) == [True, False]
    assert collector.texts == ["once"]


async def test_a_caller_that_is_cancelled_loses_nothing(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)
    accepting = asyncio.create_task(inbox.accept(Said(room.message("kept"))))
    await asyncio.sleep(0)
    accepting.cancel()
    await store.write(lambda connection: None)
    await asyncio.sleep(0.01)
    assert collector.texts == ["kept"]


async def test_what_was_not_committed_is_not_handed_over(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)

    def break_the_batch(connection: Connection) -> None:
        connection.connection.dbapi_connection.close()  # type: ignore[union-attr]

    broken = store.submit(break_the_batch)
    accepting = asyncio.create_task(inbox.accept(Said(room.message("lost, and said so"))))
    outcomes = await asyncio.gather(broken, accepting, return_exceptions=True)
    if isinstance(outcomes[1], StoreError):
        assert collector.texts == []
    assert await inbox.accept(Said(room.message("afterwards")))
    assert collector.texts[-1] == "afterwards"


async def test_undecided_events_are_taken_up_again_in_order(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)
    for number in range(5):
        await inbox.accept(Said(room.message(str(number))))
    done = collector.entries[1].id
    await store.write(
        lambda c: c.execute(table.update().where(table.c.id == done).values(outcome="silent", reason="empty"))
    )
    collector.entries.clear()
    assert await inbox.recover({"paper"}) == 4
    assert collector.texts == ["0", "2", "3", "4"]


async def test_a_new_life_answers_what_the_last_one_accepted(store: Store, clock: ManualClock) -> None:
    first = Bot(store, clock)
    collector = Collector()
    room = first.room()
    await Inbox(store, clock, collector).accept(Said(room.message("@毛豆 还在吗", id="m1")))
    async with Bot(store, clock) as second:
        await second.core.idle()
        second.room().heard("还在吗", "m1")


def test_every_event_survives_the_way_through_the_database(room: BotRoom) -> None:
    event = Said(room.message('引号 " 和 \\ 和 \u200b 和 😀', reply_to="m0"))
    assert load_event(dump_event(event)) == event
    assert load_event(dump_event(event)).key == event.key
    assert replace(event).key == event.key


async def test_what_this_version_cannot_read_keeps_nothing_else_from_being_decided(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)
    for text in ("from the future", "plain"):
        await inbox.accept(Said(room.message(text)))
    first = collector.entries[0].id
    await store.write(lambda c: c.execute(table.update().where(table.c.id == first).values(payload='{"kind":"sung"}')))
    collector.entries.clear()
    assert await inbox.recover({"paper"}) == 1
    assert collector.texts == ["plain"]


async def test_events_of_a_platform_that_is_not_configured_wait(
    store: Store, clock: ManualClock, collector: Collector, room: BotRoom
) -> None:
    inbox = Inbox(store, clock, collector)
    await inbox.accept(Said(room.message("here")))
    assert await inbox.recover({"elsewhere"}) == 0
    assert await inbox.recover({"paper"}) == 1


async def test_a_failed_write_says_nothing_of_what_was_written(store: Store) -> None:
    row = {"key": None, "room": "r", "kind": "said", "payload": "my password is hunter2", "at": 0, "received_at": 0}
    with pytest.raises(IntegrityError) as failed:
        await store.write(lambda connection: connection.execute(table.insert(), row))
    assert "hunter2" not in str(failed.value).split("DETAIL")[0]


async def test_a_room_that_we_hear_from_again_is_one_that_we_are_in(room: BotRoom, store: Store) -> None:
    async def is_left() -> bool:
        chosen = select(rooms.c.removed_at).where(rooms.c.key == room.room.key)
        return await store.read(lambda connection: connection.execute(chosen).scalar_one()) is not None

    said = room.message("@maodou hello")
    await room.happens(Said(said))
    await room.happens(Removed(room.room, 1.0, id="out"))
    assert await is_left()
    await room.happens(Said(said))  # a redelivery is of the past
    assert await is_left()
    await room.says("@maodou are you back?")
    assert not await is_left()
    await room.happens(Removed(room.room, 2.0, id="out again"))
    assert await is_left()
