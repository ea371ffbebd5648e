"""How far back a catch-up reaches, from what both kinds of database have committed."""

from __future__ import annotations

from adapters.discord.catch_up import Watermark, Watermarks, read_watermarks, snowflake_at
from bot.event import Member, Message, Room, RoomKind, Said
from bot.inbox import Inbox
from bot.store import Store
from tests.clock import ManualClock


class Nowhere:
    """A dispatcher that lets everything lie."""

    def dispatch(self, entry: object, *, recovered: bool = False) -> None:
        return


async def commit(store: Store, clock: ManualClock, room: Room, *ids: int) -> None:
    inbox = Inbox(store, clock, Nowhere())
    for number in ids:
        message = Message(str(number), room, Member(room.platform, "ann"), "hi", sent_at=clock.now())
        await inbox.accept(Said(message))


async def test_the_marks_are_those_of_each_room(store: Store, clock: ManualClock) -> None:
    help_room = Room("discord", "1", space="9")
    direct = Room("discord", "2", RoomKind.DIRECT)
    await commit(store, clock, help_room, *range(100, 110))
    await commit(store, clock, direct, 95, 203)
    await commit(store, clock, Room("web", "1"), 999)
    marks = await store.read(lambda connection: read_watermarks(connection, since=0, overlap=3))
    assert marks.of_rooms == {"discord:1": Watermark(109, 106), "discord:2": Watermark(203, 95)}
    assert marks.direct == (direct,)
    assert marks.overall == Watermark(203, 107)
    assert marks.of(Room("discord", "unheard of")) == marks.overall


async def test_what_came_before_counts_no_more(store: Store, clock: ManualClock) -> None:
    await commit(store, clock, Room("discord", "1"), 100)
    marks = await store.read(lambda connection: read_watermarks(connection, since=clock.now() + 1, overlap=3))
    assert marks == Watermarks()
    assert marks.of(Room("discord", "1")) is None


def test_an_unfinished_reading_is_taken_up_where_it_began() -> None:
    earlier = Watermarks({"a": Watermark(10, 8)}, overall=Watermark(10, 8))
    later = Watermarks({"a": Watermark(50, 48), "b": Watermark(40, 38)}, overall=Watermark(50, 40))
    merged = later.after(earlier)
    assert merged.of_rooms == {"a": Watermark(10, 8), "b": Watermark(10, 8)}
    assert merged.overall == Watermark(10, 8)
    assert later.after(None) is later


def test_an_id_tells_its_time() -> None:
    # Discord's reference: 175928847299117063 was made at 1462015105.796.
    assert snowflake_at(1462015105.796) <= 175928847299117063 < snowflake_at(1462015105.797)
