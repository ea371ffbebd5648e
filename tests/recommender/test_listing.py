"""``/feed list`` in a room that reads much: a page at a time, and what cannot be read is not far down."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from bot.event import Added
from bot.room_settings import LANGUAGE
from bot.tables import buttons
from recommender.opml import Listed
from recommender.settings import FeedSettings
from recommender.subscriptions import add_listed, of_room, pause
from recommender.tables import feeds
from tests.recommender.feed_house import FeedHouse

FAILING = {59: 7, 40: 2}
"""Feeds by their number, and how often in a row they could not be read."""

PAUSED = 12


@pytest.fixture
async def full(house: FeedHouse) -> FeedHouse:
    """A room with sixty feeds, of which two fail and one is paused."""
    listed = [(Listed(f"https://site{n}.example/feed", f"Site {n}"), f"site{n}.example") for n in range(1, 61)]
    room = house.room()
    await room.happens(Added(room.room, house.clock.now(), id="first"))

    def write(connection) -> None:  # type: ignore[no-untyped-def]
        add_listed(connection, room.room.key, "paper:anna", house.clock.now(), listed, FeedSettings())
        connection.execute(update(feeds).values(checked_at=house.clock.now()))
        here = {each.number: each.feed_id for each in of_room(connection, room.room.key)}
        for number, times in FAILING.items():
            trouble = {"failures": times, "failing_since": house.clock.now(), "reason": "not_found"}
            connection.execute(update(feeds).where(feeds.c.id == here[number]).values(trouble))
        pause(connection, room.room.key, here[PAUSED], house.clock.now())

    await house.core.store.write(write)
    return house


def numbers(text: str) -> list[int]:
    return [int(line.split("**")[1].rstrip(".")) for line in text.splitlines() if line.startswith("- **")]


async def test_those_that_cannot_be_read_stand_first_under_their_own_numbers(full: FeedHouse) -> None:
    room = full.room()
    await room.says("@maodou /feed list")
    told = room.heard("60 feeds are read here; 2 of them cannot be read (they stand first), 1 are paused. Page 1 of 4")
    assert numbers(told) == [59, 40, *range(1, 14)]
    assert "- **59.** Site 59 — https://site59.example/feed (not readable 7 times in a row" in told
    assert len(told) < 2_000
    assert "Digests at 09:00" in told
    await room.says("@maodou /feed remove 59", by="mo")
    room.heard("**Site 59** is no longer read here.")


async def test_pages_show_each_feed_once_and_lead_to_one_another(full: FeedHouse) -> None:
    room = full.room()
    shown, beside = [], []
    for number in range(1, 5):
        await room.says(f"@maodou /feed list {number}")
        shown += numbers(room.heard(f"Page {number} of 4"))
        beside.append(list(full.platform.shown.values())[-1].buttons)
    assert sorted(shown) == list(range(1, 61))
    rows = await full.core.store.read(lambda connection: connection.execute(select(buttons)).all())
    commands = {row.id: row.command for row in rows}
    assert [[commands[id] for id in ids] for ids in beside] == [
        ["/feed list 2"],
        ["/feed list 1", "/feed list 3"],
        ["/feed list 2", "/feed list 4"],
        ["/feed list 3"],
    ]


async def test_a_page_that_is_none_is_said_so(full: FeedHouse) -> None:
    room = full.room()
    for typed in ("0", "5", "-1", "two", "９"):
        await room.says(f"@maodou /feed list {typed}")
        room.heard("Pages are numbered from 1 to 4.")


async def test_a_paused_feed_is_no_trouble_and_a_long_title_takes_one_line(full: FeedHouse) -> None:
    room = full.room()

    def write(connection) -> None:  # type: ignore[no-untyped-def]
        there = feeds.c.address == f"https://site{PAUSED}.example/feed"
        connection.execute(update(feeds).where(there).values(failures=99, reason="gone", title="Long " * 100))

    await full.core.store.write(write)
    await room.says("@maodou /feed list")
    told = room.heard("2 of them cannot be read")
    assert numbers(told)[:2] == [59, 40]
    (line,) = [each for each in told.splitlines() if each.startswith(f"- **{PAUSED}.**")]
    assert "(paused; not readable 99 times" in line
    assert len(line) < 250


async def test_a_short_list_is_one_page_without_a_head(house: FeedHouse) -> None:
    room = house.room()
    address = house.server.page("/feed", b'<rss version="2.0"><channel><title>One</title></channel></rss>')
    await room.says(f"@maodou /feed add {address}")
    await room.says("@maodou /feed list")
    told = room.heard("- **1.** One — ")
    assert "Page" not in told
    assert list(house.platform.shown.values())[-1].buttons == ()


async def test_it_is_told_in_chinese_as_well(full: FeedHouse) -> None:
    room = full.room()
    scope = f"room:{room.room.key}"
    await full.core.store.write(full.core.scopes.change(scope, LANGUAGE.name, "zh", who="operator:test"))
    await room.says("@maodou /feed list 4")
    room.heard("这里订阅了 60 个，其中 2 个读不到（排在最前），1 个暂停着。第 4/4 页：")
