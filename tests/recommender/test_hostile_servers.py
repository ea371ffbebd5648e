"""Servers that mean harm cost their limits, and the feeds of others are read meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import time

from bot.store import Store
from tests.clock import ManualClock
from tests.net.local_server import Asked, Write, response
from tests.recommender.feed_house import HOUR_S, FeedHouse, item, open_feed_house, rss

WITHIN_S = 30.0


async def test_a_hostile_set_keeps_nobody_waiting_and_is_named(store: Store, clock: ManualClock) -> None:
    async with open_feed_house(store, clock) as house:
        await _subscribe(house)
        await _turn_hostile(house)
        await clock.advance(2 * HOUR_S)
        began = time.monotonic()
        async with asyncio.timeout(WITHIN_S):  # one host, so two at a time, in an order that its port decides
            while not house.reading.sweep.counts.new:
                await house.reading.sweep.tick()
                await asyncio.sleep(0.05)
        for _ in range(60):
            await house.reading.sweep.drain(WITHIN_S)
            if not await house.reading.sweep.tick():
                break
        assert time.monotonic() - began < 3 * WITHIN_S
        reasons = {feed.address.rpartition("/")[2]: feed.reason for feed in await house.feeds()}  # type: ignore[attr-defined]
        assert reasons.pop("good") == ""
        assert reasons == {
            "bomb": "too_large",
            "endless": "too_large",
            "drip": "timeout",
            "inward": "inward",
            "nested": "costly",
            "circle": "too_many_redirects",
        }
        due = [feed.next_check_at for feed in await house.feeds()]  # type: ignore[attr-defined]
        assert min(due) > clock.now(), "each is asked again, and none at once"


async def _subscribe(house: FeedHouse) -> None:
    room = house.room()
    for name in ("bomb", "endless", "drip", "inward", "nested", "circle", "good"):
        await room.says(f"@maodou /feed add {house.server.page(f'/{name}', rss('one', title=name))}")
        room.heard("Subscribed")


async def _turn_hostile(house: FeedHouse) -> None:
    server = house.server
    bomb = await asyncio.to_thread(gzip.compress, bytes(200 * 1024 * 1024), 1)
    server.page("/bomb", bomb, content_encoding="gzip")
    server.page("/inward", b"", status="301 Moved", location="http://169.254.169.254/latest/meta-data/")
    server.page("/nested", b"<rss version='2.0'><channel>" + b"<a>" * 1_500_000)
    server.page("/circle", b"", status="302 Found", location="/circle")
    server.page("/good", rss(item("news"), "one", title="good"))

    async def endless(asked: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await write(b"<item>" * 10_000)

    async def drip(asked: Asked, write: Write) -> None:
        await write(response(b"", content_length="1000")[:-4])
        while True:
            await write(b" ")
            await asyncio.sleep(0.05)

    server.pages |= {"/endless": endless, "/drip": drip}
