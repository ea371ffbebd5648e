"""A room subscribes, is told nothing old, and reads what is new once, on its time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from bot.event import Attachment, AttachmentKind
from bot.store import Store
from recommender.subscriptions import SUBSCRIBERS
from tests.clock import ManualClock
from tests.net.local_server import Asked, Write, response
from tests.recommender.feed_house import DAY_S, HOUR_S, FeedHouse, item, open_feed_house, rss
from tests.waiting import until


async def test_a_subscription_previews_and_sends_nothing_old(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one", "two", "three", "four"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    told = room.heard("Subscribed to **News**")
    assert [name in told for name in ("[one]", "[two]", "[three]", "[four]")] == [True, True, True, False]
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert len(room.shown) == 1, "only the reply"
    house.server.page("/feed", rss("five", "one", "two", "three", "four"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[five](<https://news.example/id-five>)" in room.shown[-1]
    assert "one" not in room.shown[-1].replace("none", "")
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert len(room.shown) == 2, "told once"


async def test_a_page_leads_to_its_feed(house: FeedHouse) -> None:
    house.server.page("/blog/atom.xml", rss("one", title="The blog"))
    page = (
        b'<html><head><title>x</title><link rel="alternate" type="application/rss+xml" href="atom.xml"></head></html>'
    )
    house.server.page("/blog/", page, content_type="text/html")
    room = house.room()
    await room.says(f"@maodou /feed add 127.0.0.1:{house.server.port}/blog/".replace("127", "http://127", 1))
    room.heard("The blog")


async def test_a_site_without_a_word_about_it_is_asked_where_feeds_lie(house: FeedHouse) -> None:
    house.server.page("/", b"<html><body>hello</body></html>", content_type="text/html")
    house.server.page("/index.xml", rss("one", title="Hidden away"))
    room = house.room()
    await room.says(f"@maodou /feed add {house.server.address('/')}")
    room.heard("Hidden away")
    assert len(house.server.asked) <= 11


async def test_what_is_no_feed_is_said_with_its_reason(house: FeedHouse) -> None:
    room = house.room()
    house.server.page("/", b"<html></html>", content_type="text/html")
    for typed, why in (
        (house.server.address("/nothing"), "404"),
        (house.server.address("/"), "it is no feed"),
        ("http://10.0.0.1/feed", "private network"),
        ("http://10.0.0.1:1200/feed", '`feeds: {fetch: {allow_hosts: ["10.0.0.1:1200"]}}` in config.yaml'),
        ("ftp://example.com/", "no http(s) address"),
        ("rsshub://bilibili/user/1", "no http(s) address"),
    ):
        await room.says(f"@maodou /feed add {typed}")
        assert why in room.heard("I found no feed")


async def test_one_fetch_serves_all_rooms_and_validators_are_kept(house: FeedHouse) -> None:
    version = 1

    async def conditional(asked: Asked, write: Write) -> None:
        same = asked.headers.get("if-none-match") == f'"{version}"'
        names = [f"e{number}" for number in range(version)]
        await write(response(b"", status="304 Not Modified") if same else response(rss(*names), etag=f'"{version}"'))

    house.server.pages["/feed"] = conditional
    rooms = [house.room(f"r{number}") for number in range(3)]
    for room in rooms:
        await room.says(f"@maodou /feed add {house.server.address('/feed')}")
    house.server.asked.clear()
    await house.sweep(2 * HOUR_S)
    await house.sweep(HOUR_S)
    assert 1 <= len(house.server.asked) <= 3
    assert house.reading.sweep.counts.unchanged == len(house.server.asked)
    version = 2
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    for room in rooms:
        assert "[e1]" in room.shown[-1]


async def test_the_same_news_from_two_feeds_is_told_once(house: FeedHouse) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    for path in ("/a", "/b"):
        house.server.page(path, rss("old", title=path))
    room = house.room()
    for path in ("/a", "/b"):
        await room.says(f"@maodou /feed add {house.server.address(path)}")
    same_link = "https://paper.example/story?id=7"
    house.server.page("/a", rss(item("A story", guid="a1", link=same_link), item("Another", guid="a2", text=words)))
    house.server.page(
        "/b",
        rss(
            item("The story, told differently", guid="b1", link=f"{same_link}&utm_source=rss"),
            item("Anothr", guid="b2", text=f"{words}"),
            item("Only here", guid="b3"),
        ),
    )
    await house.sweep(2 * HOUR_S)
    states = await house.states(room)
    assert [state for state in states if state[0] == "filtered"] == [("filtered", "duplicate", "duplicate")] * 2
    await house.digests(DAY_S)
    assert room.shown[-1].count("- [") == 3


async def test_an_edit_and_a_new_id_are_no_news(house: FeedHouse) -> None:
    address = house.server.page(
        "/feed", rss(item("A long enough title of an entry", guid="g1", link="https://n.example/1"))
    )
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    for body in (
        item("A long enough title of an entry", guid="g1", link="https://n.example/1", text="corrected"),
        item("A long enough title of an entry", guid="g1?v=2", link="https://n.example/1", text="corrected"),
        item("A better title", guid="g1", link="https://n.example/1", text="corrected again"),
    ):
        house.server.page("/feed", rss(body))
        await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert len(room.shown) == 1


async def test_a_broken_feed_is_asked_less_and_less_and_its_room_is_told_once(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    house.server.page("/feed", b"", status="500 Internal Server Error")
    house.server.asked.clear()
    for _ in range(48):
        await house.sweep(HOUR_S)
        await house.digests()
    assert len(house.server.asked) <= 7
    notices = [text for text in room.shown if "could not be read 5 times" in text]
    assert len(notices) == 1
    assert "5xx" in notices[0]
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * DAY_S)
    await house.digests(DAY_S)
    assert "[two]" in room.shown[-1], "it was never given up"


async def test_a_body_that_is_too_large_is_not_asked_at_every_tick(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    await house.room().says(f"@maodou /feed add {address}")
    house.server.page("/feed", b"x" * (6 * 1024 * 1024))
    house.server.asked.clear()
    for _ in range(20):
        await house.sweep(360)
    assert len(house.server.asked) <= 2


async def test_a_permanent_move_is_followed_and_two_addresses_become_one(house: FeedHouse) -> None:
    old = house.server.page("/old", rss("one"))
    new = house.server.page("/new", rss("one"))
    first, second = house.room("r1"), house.room("r2")
    await first.says(f"@maodou /feed add {old}")
    await second.says(f"@maodou /feed add {new}")
    assert len(await house.feeds()) == 2
    house.server.page("/old", b"", status="301 Moved Permanently", location="/new")
    house.server.page("/new", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    (feed,) = await house.feeds()
    assert feed.address == new  # type: ignore[attr-defined]
    await house.digests(DAY_S)
    for room in (first, second):
        assert "[two]" in room.shown[-1]
        assert sum("[two]" in text for text in room.shown) == 1


async def test_rules_are_tried_before_they_are_saved_and_hold_from_then_on(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("芯片 涨价", "天气 晴", "Advert: buy"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}", by="mo")
    await room.says("@maodou /feed rules 1 +芯片 +/^rain \\d+/ -advert", by="mo")
    told = room.heard("Tried on the last 3 entries: 1 would be kept")
    assert "✗ (`advert`)" in told
    await room.says("@maodou /feed rules 1 +/(a+)+$/ -/[/", by="mo")
    room.heard("cannot be read")
    names = ("芯片 降价", "weather", "Rain 12 mm", "芯片 advert")
    house.server.page("/feed", rss(*names))
    await house.sweep(2 * HOUR_S)
    assert sorted(await house.states(room)) == [
        ("filtered", "rules", "excluded"),
        ("filtered", "rules", "not_included"),
        ("waiting", "wait", ""),
        ("waiting", "wait", ""),
    ]


async def test_a_sign_without_a_word_is_told_that_a_word_must_follow(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}", by="mo")
    await room.says("@maodou /feed rules 1 +", by="mo")
    assert "a word must follow the +" in room.heard("cannot be read")
    await room.says("@maodou /feed rules 1 +chips －", by="mo")
    assert "a word must follow the -" in room.heard("“－”")
    await room.says("@maodou /feed rules 1 chips", by="mo")
    assert "a rule begins with + or -" in room.heard("“chips”")


async def test_a_pause_is_not_made_up_for(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    await room.says("@maodou /feed pause 1")
    house.server.asked.clear()
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(5 * HOUR_S)
    assert house.server.asked == [], "nobody reads it"
    await room.says("@maodou /feed resume news")
    await house.sweep(2 * HOUR_S)
    house.server.page("/feed", rss("three", "two", "one"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[three]" in room.shown[-1]
    assert "[two]" not in room.shown[-1]


async def test_who_may_change_what(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}", by="anna")
    await room.says("@maodou /feed remove 1", by="ben")
    room.heard("Only the member who added this feed, or a moderator")
    await room.says("@maodou /feed import https://a.example/feed", by="ben")
    room.heard("moderator")
    await room.says("@maodou /feed remove 1", by="anna")
    room.heard("no longer read here")
    await room.says("@maodou /settings feeds_by moderators", by="adam")
    await room.says(f"@maodou /feed add {address}", by="ben")
    room.heard("Adding feeds here is for")


async def test_opml_goes_in_and_out(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one", title='A "good" <feed> & more'))
    room, other = house.room("r1"), house.room("r2")
    await room.says(f"@maodou /feed add {address}")
    await room.says("@maodou /feed export")
    exported = room.heard("<opml").removeprefix("```xml\n").removesuffix("```")
    house.platform.files["list"] = exported.encode()
    file = Attachment(AttachmentKind.FILE, "list", "feeds.opml", "text/x-opml", len(exported))
    await other.says("@maodou /feed import", by="mo", attachments=(file,))
    other.heard("Took in 1 feeds; 0 were here already, 0 had no usable address")
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[two]" in other.shown[-1]
    await other.says(f"@maodou /feed import {address}\nhttps://two.example/feed file:///etc/passwd", by="mo")
    other.heard("Took in 1 feeds; 1 were here already")


async def test_an_outage_of_a_week_gives_one_digest(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    await house.digests()
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    assert await house.digests(7 * DAY_S) == 1
    assert await house.digests(60) == 0
    assert len(room.shown) == 2


async def test_digests_wait_for_the_end_of_the_quiet_hours(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    await room.says("@maodou /settings digest_at live", by="mo")
    await room.says("@maodou /settings quiet_hours 22:00-08:00", by="mo")
    shown = len(room.shown)
    today = datetime.fromtimestamp(house.clock.now(), UTC).replace(hour=23, minute=0, second=0)
    await house.clock.advance(today.timestamp() - house.clock.now())
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    for _ in range(6):
        await house.digests(HOUR_S)
    assert len(room.shown) == shown
    await house.digests(HOUR_S)
    assert "[two]" in room.shown[-1]


async def test_a_feed_that_drips_keeps_no_other_waiting(store: Store, clock: ManualClock) -> None:
    async with open_feed_house(store, clock, at_once=4) as house:
        slow = house.server.page("/slow", rss("one"))
        quick = house.server.page("/quick", rss("one", title="Quick")).replace("127.0.0.1", "localhost")
        room = house.room()
        for address in (slow, quick):
            await room.says(f"@maodou /feed add {address}")

        async def never(asked: Asked, write: Write) -> None:
            await asyncio.Event().wait()

        house.server.pages["/slow"] = never
        house.server.page("/quick", rss("two", "one", title="Quick"))
        await clock.advance(2 * HOUR_S)
        await house.reading.sweep.tick()
        await until(lambda: house.reading.sweep.counts.new == 1)
        assert house.reading.sweep.busy == 1


async def test_a_member_who_is_forgotten_leaves_the_feed_and_not_the_name(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}", by="anna")
    forget = SUBSCRIBERS.of_member
    assert forget is not None
    assert await house.core.store.write(lambda connection: forget(connection, "paper:anna")) == 1
    await room.says("@maodou /feed remove 1", by="anna")
    room.heard("Only the member who added this feed, or a moderator")
