"""Weeks of reading: pauses, outages, moves, limits and housekeeping lose nothing and repeat nothing."""

from __future__ import annotations

from functools import partial

from sqlalchemy import func, select

from bot.errors import StoreError
from bot.store import Store
from recommender.keeping import tidy
from recommender.opml import Listed
from recommender.parsing import ParsedEntry, ParsedFeed
from recommender.remembering import Found, Validators
from recommender.settings import FeedSettings
from recommender.subscriptions import add_listed
from recommender.sweeping import _due
from recommender.tables import entries, feeds, room_entries, subscriptions
from tests.clock import ManualClock
from tests.net.local_server import Asked, Write, response
from tests.recommender.feed_house import DAY_S, HOUR_S, FeedHouse, rss

WORDS = " ".join(f"word{number}" for number in range(60))


async def test_nothing_new_during_a_pause_loses_nothing_after_it(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    await room.says("@maodou /feed pause 1")
    await room.says("@maodou /feed resume 1")
    await house.sweep(2 * HOUR_S)
    house.server.page("/feed", rss("two", "one"))
    await house.sweep(2 * HOUR_S)
    await house.digests(DAY_S)
    assert "[two]" in room.shown[-1]


async def test_feeds_that_fail_together_are_one_notice(house: FeedHouse) -> None:
    room = house.room()
    for number in range(8):
        await room.says(f"@maodou /feed add {house.server.page(f'/{number}', rss('one', title=f'Feed {number}'))}")
    for number in range(8):
        house.server.page(f"/{number}", b"", status="500 Internal Server Error")
    before = len(room.shown)
    for _ in range(48):
        await house.sweep(HOUR_S)
        await house.digests()
    told = room.shown[before:]
    assert 1 <= len(told) <= 3, "not one for each"
    assert sum(text.count("could not be read") for text in told) >= 5
    named = sum(text.count("could not be read") for text in told)
    more = sum(int(text.partition("So it is with ")[2].partition(" ")[0] or 0) for text in told)
    assert named + more == 8


async def test_a_move_is_followed_by_a_server_that_says_nothing_has_changed(house: FeedHouse) -> None:
    async def conditional(asked: Asked, write: Write) -> None:
        same = asked.headers.get("if-none-match") == '"1"'
        await write(response(b"", status="304 Not Modified") if same else response(rss("one"), etag='"1"'))

    house.server.pages["/old"] = house.server.pages["/new"] = conditional
    room = house.room()
    await room.says(f"@maodou /feed add {house.server.address('/old')}")
    house.server.page("/old", b"", status="301 Moved Permanently", location="/new")
    await house.sweep(2 * HOUR_S)
    (feed,) = await house.feeds()
    assert feed.address == house.server.address("/new")  # type: ignore[attr-defined]


async def test_who_may_not_add_may_not_import(house: FeedHouse) -> None:
    room = house.room()
    await room.says("@maodou /settings feeds_by admins", by="adam")
    await room.says("@maodou /feed import https://a.example/feed", by="mo")
    room.heard("Adding feeds here is for")
    assert await house.feeds() == []


async def test_the_pace_is_that_of_the_rooms_that_stay(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one"))
    eager, patient = house.room("r1"), house.room("r2")
    for room in (eager, patient):
        await room.says(f"@maodou /feed add {address}")
    await eager.says("@maodou /feed interval 1 10m")
    (feed,) = await house.feeds()
    assert feed.interval_s == 600  # type: ignore[attr-defined]
    await eager.says("@maodou /feed remove 1")
    (feed,) = await house.feeds()
    assert feed.interval_s == HOUR_S  # type: ignore[attr-defined]


async def test_a_quiet_feed_is_still_known_after_a_year(house: FeedHouse) -> None:
    address = house.server.page("/feed", rss("one", "two"))
    room = house.room()
    await room.says(f"@maodou /feed add {address}")
    store, settings = house.core.store, house.reading.settings
    for _ in range(4):
        await house.sweep(100 * DAY_S)
        await store.write(partial(tidy, now=house.clock.now(), settings=settings))
    house.server.page("/feed", rss("three", "one", "two"))
    await house.sweep(2 * HOUR_S)
    waiting = [state for state in await house.states(room) if state[0] == "waiting"]
    assert len(waiting) == 1, "only the third is news"


async def test_what_a_feed_dropped_is_erased_in_time_and_a_flood_sooner(house: FeedHouse) -> None:
    store = house.core.store
    settings = FeedSettings(max_entries_per_feed=1_000)
    await house.room().says(f"@maodou /feed add {house.server.page('/feed', rss('one'))}")
    now = house.clock.now()

    def flood(connection) -> None:  # type: ignore[no-untyped-def]
        own = {"feed_id": 1, "seen_at": now, "hash": "x", "title": "t"}
        dropped = [{**own, "key": f"d{number}", "listed_at": now - 3 * DAY_S} for number in range(1_500)]
        connection.execute(entries.insert(), [*dropped, {**own, "key": "listed", "listed_at": now}])
        connection.execute(feeds.update().values(changed_at=now))

    await store.write(flood)
    erased = await store.write(partial(tidy, now=now, settings=settings))
    count = select(func.count()).select_from(entries)
    assert erased.entries == 500 + 1, "the oldest go, but not the one that is listed"
    assert await store.read(lambda connection: connection.execute(count).scalar()) == 1_001


async def test_a_list_for_a_full_room_leaves_nothing_behind(store: Store) -> None:
    settings = FeedSettings(feeds_per_room=2)
    listed = [(Listed(f"https://{name}.example/"), f"{name}.example") for name in "abcd"]
    add = partial(add_listed, room="paper:r1", who="paper:a", now=0.0, listed=listed, settings=settings)
    assert await store.write(add) == (2, 2)
    assert await store.write(add) == (0, 2)
    for table in (feeds, subscriptions):
        count = select(func.count()).select_from(table)
        assert await store.read(lambda connection, count=count: connection.execute(count).scalar()) == 2


async def test_many_overdue_feeds_of_one_host_keep_no_other_waiting(store: Store) -> None:
    def write(connection) -> None:  # type: ignore[no-untyped-def]
        hosts = ["busy.example"] * 50 + ["other.example"]
        common = {"added_at": 0.0, "interval_s": 3600.0}
        rows = [
            {"id": n, "address": f"https://{host}/{n}", "host": host, "next_check_at": float(n), **common}
            for n, host in enumerate(hosts, start=1)
        ]
        connection.execute(feeds.insert(), rows)
        own = {"room": "paper:r1", "include": [], "exclude": [], "added_by": "paper:a", "added_at": 0.0}
        connection.execute(subscriptions.insert(), [{"feed_id": row["id"], **own} for row in rows])

    await store.write(write)
    due = await store.read(partial(_due, now=100.0, busy=[], per_host=2, limit=4))
    assert [row["host"] for row in due] == ["busy.example", "busy.example", "other.example"]


async def test_the_same_text_that_is_read_at_the_same_moment_is_one(house: FeedHouse, clock: ManualClock) -> None:
    """All three are compared before any is stored, and the index is read on in between."""
    room = house.room()
    for path in ("/a", "/b", "/c"):
        await room.says(f"@maodou /feed add {house.server.page(path, rss('old', title=path))}")
    sweep, store, now = house.reading.sweep, house.core.store, clock.now()

    def parsed(name: str, text: str) -> ParsedFeed:
        entry = ParsedEntry(name, f"https://{name}.example/1", f"From {name}", text, "", "", (), False, None)
        return ParsedFeed(name, "", False, 0.0, (entry,))

    async def commit(feed_id: int, read: ParsedFeed, prepared: list) -> None:  # type: ignore[type-arg]
        found = Found(feed_id, read, Validators(), now + HOUR_S)
        await store.write(sweep.remembering(found, prepared, now))

    first, second = parsed("a", WORDS), parsed("b", WORDS)
    ready = [
        await sweep.prepared(each, number, now, priming=False) for number, each in enumerate((first, second), start=1)
    ]
    await commit(1, first, ready[0])
    other = parsed("c", " ".join(reversed(WORDS.split())))
    await sweep.prepared(other, 3, now, priming=False)
    await commit(2, second, ready[1])
    chosen = select(room_entries.c.state).order_by(room_entries.c.entry_id)
    states = await store.read(lambda connection: list(connection.execute(chosen).scalars()))
    assert states == ["waiting", "filtered"]


async def test_a_job_that_goes_well_hides_no_other_ones_trouble(house: FeedHouse) -> None:
    async def fails() -> None:
        raise StoreError("the disk is full")

    async def goes_well() -> None:
        pass

    await house.reading._if_leading("digests", fails)
    await house.reading._if_leading("sweep", goes_well)
    assert house.reading.trouble == "digests: the disk is full"
    await house.reading._if_leading("digests", goes_well)
    assert house.reading.trouble is None
