"""A room that the bot was thrown out of: nothing is read for it any more, and its return finds everything as it was."""

from __future__ import annotations

from sqlalchemy import select

from bot.event import Added, Removed
from bot.testing import BotRoom
from recommender.subscriptions import health
from recommender.tables import schedules, subscriptions
from tests.recommender.feed_house import DAY_S, HOUR_S, FeedHouse, rss


async def leave(house: FeedHouse, room: BotRoom) -> None:
    await room.happens(Removed(room.room, house.clock.now()))
    await house.digests()


async def come_back(house: FeedHouse, room: BotRoom) -> None:
    await room.happens(Added(room.room, house.clock.now(), id=f"again-{house.clock.now()}"))
    await house.digests()


async def subscribed(house: FeedHouse, *rooms: BotRoom) -> None:
    """To one feed, which lists one entry, and whose first digest has gone by."""
    address = house.server.page("/feed", rss("one"))
    for room in rooms:
        await room.says(f"@maodou /feed add {address}")
    await house.digests(DAY_S)


async def test_nothing_is_fetched_or_planned_for_a_room_that_was_left(house: FeedHouse) -> None:
    room = house.room()
    await subscribed(house, room)
    await leave(house, room)
    asked = len(house.server.asked)
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * DAY_S)
    assert len(house.server.asked) == asked
    assert await house.digests(2 * DAY_S) == 0
    assert await house.core.store.read(lambda connection: connection.execute(select(schedules)).all()) == []
    seen = await house.core.store.read(lambda connection: health(connection, house.clock.now()))
    assert (seen.feeds, seen.overdue_s) == (0, 0.0)


async def test_what_was_new_while_the_bot_was_away_is_old_when_it_returns(house: FeedHouse) -> None:
    room = house.room()
    await subscribed(house, room)
    await leave(house, room)
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(3 * DAY_S)
    await come_back(house, room)
    shown = len(room.shown)
    await house.sweep(2 * HOUR_S)
    house.server.page("/feed", rss("three", "two", "one"))
    await house.sweep(2 * HOUR_S)
    assert await house.digests(DAY_S) == 1
    assert "[three]" in room.shown[-1]
    assert "[two]" not in room.shown[-1]
    assert len(room.shown) == shown + 1


async def test_a_return_makes_up_for_no_slot_and_brings_what_waited_in_the_morning(house: FeedHouse) -> None:
    room = house.room()
    await subscribed(house, room)
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    await leave(house, room)
    await house.clock.advance(2 * DAY_S)
    await come_back(house, room)
    shown = len(room.shown)
    assert await house.digests(60) == 0
    assert await house.digests(DAY_S) == 1
    assert len(room.shown) == shown + 1
    assert "[two]" in room.shown[-1]


async def test_a_mistake_that_is_mended_at_once_costs_nothing(house: FeedHouse) -> None:
    room = house.room()
    await subscribed(house, room)
    house.server.page("/feed", rss("two", "one"))
    await room.happens(Removed(room.room, house.clock.now()))
    await come_back(house, room)
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[two]" in room.shown[-1]


async def test_a_word_from_the_room_is_a_return_as_well(house: FeedHouse) -> None:
    room = house.room()
    await subscribed(house, room)
    await leave(house, room)
    await house.clock.advance(DAY_S)
    await room.says("nobody told of the invitation")
    await house.digests()
    await house.sweep(2 * HOUR_S)
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[two]" in room.shown[-1]


async def test_others_read_on_and_the_room_that_was_left_is_told_nothing_of_it(house: FeedHouse) -> None:
    left, other = house.room("left"), house.room("other")
    await subscribed(house, left, other)
    await leave(house, left)
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[two]" in other.shown[-1]
    assert await house.states(left) == []
    await come_back(house, left)
    house.server.page("/feed", rss("three", "two", "one"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[three]" in left.shown[-1]
    assert "[two]" not in left.shown[-1]


async def test_a_room_that_stays_left_loses_its_feeds(house: FeedHouse) -> None:
    room = house.room()
    await subscribed(house, room)
    await leave(house, room)
    await house.clock.advance(29 * DAY_S)
    await house.reading._tidy()
    assert len(await house.feeds()) == 1
    await house.clock.advance(2 * DAY_S)
    for _ in range(2):
        await house.reading._tidy()
        await house.clock.advance(2 * DAY_S)
    assert await house.core.store.read(lambda connection: connection.execute(select(subscriptions)).all()) == []
    assert await house.feeds() == []
