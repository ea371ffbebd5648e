"""Links that members pass around: what a room learns from them, without anybody having to say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Table, select

from bot.event import Attachment, AttachmentKind, Role
from bot.store import Store
from bot.tables import buttons
from net.fetching import Fetcher
from net.settings import FetchSettings
from recommender.pages import Pages, SitePage
from recommender.parsing import Parser
from recommender.sharing import LINKS_OF_A_ROOM_AT_ONCE, LINKS_OF_A_ROOM_WAITING, MOST_ATTEMPTS, Sharing, links_in
from recommender.tables import opinions, shared_links, suggestions
from tests.clock import ManualClock
from tests.net.local_server import LocalServer, local_server
from tests.recommender.shelves import SUBJECTS, Shelves, open_shelves

PAGE = """<html><head><title>How a telescope finds planets</title>
<meta property="og:description" content="Astronomers wait until an exoplanet dims its star.">
<link rel="alternate" type="application/rss+xml" href="/feed.xml"></head><body>…</body></html>"""
FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Sky &amp; Stars</title>{items}</channel></rss>"""
ENTRY = "<item><title>{title}</title><link>{link}</link><description>{text}</description></item>"


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    async with local_server() as opened:
        yield opened


@pytest.fixture
async def house(store: Store, clock: ManualClock) -> AsyncIterator[Shelves]:
    async with open_shelves(store, clock) as opened:
        yield opened


@pytest.fixture
async def sharing(house: Shelves, server: LocalServer) -> AsyncIterator[Sharing]:
    fetcher, parser = Fetcher(FetchSettings(allow_hosts=(server.host,))), Parser()
    sharing = Sharing(house.store, house.clock, house.scopes, Pages(fetcher, parser))
    await sharing.tick()  # what was said before nobody is asked about
    yield sharing
    await parser.aclose()


async def rows(house: Shelves, table: Table) -> list[Any]:
    return list(await house.store.read(lambda connection: connection.execute(select(table)).mappings().all()))


def a_site(server: LocalServer) -> str:
    texts = (*SUBJECTS["telescopes"][:3], *SUBJECTS["football"][:1])
    items = "".join(
        ENTRY.format(title=title, text=text, link=f"https://sky.example/{number}")
        for number, (title, text) in enumerate(texts)
    )
    server.page("/feed.xml", FEED.format(items=items).encode(), content_type="application/rss+xml")
    return server.page("/planets", PAGE.encode(), content_type="text/html; charset=utf-8")


async def test_a_shared_page_is_liked_a_little_and_brings_its_kind_up(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    for subject in ("bread", "football"):
        await house.publish(await house.subscribe(room, subject), SUBJECTS[subject])
    stars = await house.subscribe(room, "stars")
    await house.publish(stars, SUBJECTS["telescopes"][3:4], hours_ago=20)
    await room.says(f"看看这个 {a_site(server)}。很有意思")
    assert await sharing.tick() == 1
    (opinion,) = await rows(house, opinions)
    assert (opinion["kind"], opinion["title"]) == ("shared", "How a telescope finds planets")
    assert opinion["text"] == "Astronomers wait until an exoplanet dims its star."
    shown = await house.send_digest(room, "monday")
    assert shown is not None
    assert "because “How a telescope finds planets” was shared here" in shown.split("**2.**")[0]


async def test_more_like_it_comes_from_the_sites_own_feed_with_a_button_to_subscribe(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    await house.subscribe(room, "bread")
    await room.says(a_site(server))
    await sharing.tick()
    shown = await house.send_digest(room, "monday")
    assert shown is not None
    assert "Sky & Stars" in shown
    assert "because “How a telescope finds planets” was shared here" in shown
    assert "](https://sky.example/0)" in shown or "](https://sky.example/1)" in shown
    assert f"/feed add {server.address('/feed.xml')}" in {row["command"] for row in await rows(house, buttons)}
    first = {row["link"] for row in await rows(house, suggestions) if row["origin"]}
    again = await house.send_digest(room, "tuesday") or ""
    assert not any(f"]({link})" in again for link in first)


async def test_what_is_in_a_feed_of_the_room_is_not_asked_for(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    link = server.address("/loaf")
    await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:1], link=link)
    await room.says(f"{link}")
    assert await sharing.tick() == 1
    assert server.asked == []
    assert (await rows(house, opinions))[0]["title"] == "Sourdough bread for beginners"


async def test_a_room_that_reads_nothing_is_not_listened_to(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    await room.says(a_site(server))
    await sharing.tick()
    assert server.asked == []
    assert await rows(house, shared_links) == []


async def test_a_room_can_switch_it_off(house: Shelves, sharing: Sharing, server: LocalServer) -> None:
    room = house.room()
    house.platform.roles["anna"] = Role.ADMIN
    await house.subscribe(room, "bread")
    await room.says("/settings learn_from_links off")
    await room.says(a_site(server))
    assert await sharing.tick() == 0
    assert server.asked == []
    assert await rows(house, shared_links) == []


async def test_what_one_room_shares_no_other_room_is_told(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    here, there = house.room("here"), house.room("there")
    for room in (here, there):
        await house.subscribe(room, "bread")
    await here.says(a_site(server))
    await sharing.tick()
    assert await house.send_digest(there, "monday") is None
    assert {row["room"] for row in await rows(house, opinions)} == {"paper:here"}


async def test_a_message_that_is_taken_back_takes_with_it_what_was_learned(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    await house.subscribe(room, "bread")
    message = await room.says(a_site(server))
    await sharing.tick()
    assert await rows(house, suggestions)
    await room.recalls(message)
    for table in (opinions, suggestions, shared_links):
        assert await rows(house, table) == []


async def test_a_page_that_cannot_be_read_is_tried_again_a_few_times(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    await house.subscribe(room, "bread")
    await room.says(server.page("/down", b"", status="503 Service Unavailable"))
    for attempt in range(1, MOST_ATTEMPTS + 2):
        assert await sharing.tick() == 0
        assert len(server.asked) == min(attempt, MOST_ATTEMPTS)
    assert await rows(house, shared_links) == []


async def test_an_inward_link_opens_no_connection(house: Shelves, clock: ManualClock, server: LocalServer) -> None:
    fetcher, parser = Fetcher(FetchSettings()), Parser()
    sharing = Sharing(house.store, clock, house.scopes, Pages(fetcher, parser))
    await sharing.tick()
    room = house.room()
    await house.subscribe(room, "bread")
    await room.says(a_site(server))
    assert await sharing.tick() == 0
    assert server.connections == 0
    assert await rows(house, shared_links) == []


async def test_links_are_found_beside_the_text_and_in_chinese_sentences(house: Shelves) -> None:
    room = house.room()
    beside = Attachment(AttachmentKind.LINK, "https://video.example/v/1")
    picture = Attachment(AttachmentKind.IMAGE, "https://pictures.example/1.png")
    message = room.message(
        "看https://a.example/x?utm_source=chat，还有(https://b.example/y_(z)).", attachments=(beside, picture)
    )
    assert links_in(message) == ["https://a.example/x", "https://b.example/y_(z)", "https://video.example/v/1"]
    assert links_in(room.message("/feed add https://a.example/")) == []
    assert links_in(room.message("https://a.example/", is_bot=True)) == []


async def test_a_member_who_posts_a_thousand_links_neither_fills_the_table_nor_makes_others_wait(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    loud, quiet = house.room("loud"), house.room("quiet")
    for room in (loud, quiet):
        await house.subscribe(room, "bread")
    address = a_site(server)
    pages = [server.page(f"/planets?n={number}", PAGE.encode(), content_type="text/html") for number in range(60)]
    for number in range(0, 60, 3):
        await loud.says(" ".join(pages[number : number + 3]))
    await quiet.says(address)
    assert await sharing.tick() == LINKS_OF_A_ROOM_AT_ONCE + 1
    asked = [each.path for each in server.asked if each.path.startswith("/planets")]
    assert len(asked) == LINKS_OF_A_ROOM_AT_ONCE + 1
    left = await rows(house, shared_links)
    assert {row["room"] for row in left} == {"paper:loud"}
    assert len(left) == LINKS_OF_A_ROOM_WAITING - LINKS_OF_A_ROOM_AT_ONCE


async def test_a_page_that_was_shared_here_before_is_not_asked_for_again(
    house: Shelves, sharing: Sharing, server: LocalServer
) -> None:
    room = house.room()
    await house.subscribe(room, "bread")
    await room.says(a_site(server))
    await sharing.tick()
    asked = list(server.asked)
    await room.says(server.address("/planets"), by="ben")
    assert await sharing.tick() == 1
    assert server.asked == asked
    assert len({row["member"] for row in await rows(house, opinions)}) == 2


async def test_a_link_that_nobody_foresaw_does_not_stop_the_others(
    house: Shelves, sharing: Sharing, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = house.room()
    await house.subscribe(room, "bread")
    good, look_at = a_site(server), Pages.look_at

    async def looking(self: Pages, link: str) -> SitePage | None:
        if "odd" in link:
            raise RuntimeError("a defect")
        return await look_at(self, link)

    monkeypatch.setattr(Pages, "look_at", looking)
    await room.says(f"https://odd.example/ {good}")
    assert await sharing.tick() == 1
    for _ in range(MOST_ATTEMPTS):
        await sharing.tick()
    assert await rows(house, shared_links) == []


async def test_a_link_with_a_character_that_no_database_takes_is_none(house: Shelves, sharing: Sharing) -> None:
    room = house.room()
    await house.subscribe(room, "bread")
    await room.says("https://a.example/\x00x https://b.example/")
    assert links_in(room.message("https://a.example/\x00x")) == []
    await sharing.tick()  # PostgreSQL would refuse the row, and the inbox would never be read on
