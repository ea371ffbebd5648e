"""The real core with reading in it, over feeds on a local server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape

from sqlalchemy import select

from bot.commands import Commands
from bot.core import Core
from bot.event import Role, Room
from bot.ports import OpenScreen, Screen
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store
from bot.testing import BotRoom, Echo, KnowsEverything, PaperPlatform
from net.settings import FetchSettings
from recommender.commands import FeedCommands
from recommender.reading import Reading
from recommender.settings import FEED_ROOM_SETTINGS, FeedSettings
from recommender.tables import feeds, room_entries
from tests.clock import ManualClock
from tests.net.local_server import LocalServer, local_server
from tests.recommender.latest import Latest

HOUR_S = 3_600.0
DAY_S = 86_400.0


def rss(*items: str, title: str = "News", extra: str = "") -> bytes:
    """A feed; each item is the name of an entry, or its XML."""
    told = "".join(each if each.startswith("<item>") else item(each) for each in items)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>{escape(title)}</title>'
        f"<link>https://news.example/</link>{extra}{told}</channel></rss>"
    ).encode()


def item(name: str, *, guid: str = "", link: str = "", text: str = "", extra: str = "") -> str:
    guid = guid or f"id-{name}"
    link = link or f"https://news.example/{escape(guid)}"
    return (
        f'<item><title>{escape(name)}</title><guid isPermaLink="false">{escape(guid)}</guid>'
        f"<link>{escape(link)}</link><description>{escape(text or name)}</description>{extra}</item>"
    )


@dataclass
class FeedHouse:
    core: Core
    platform: PaperPlatform
    reading: Reading
    server: LocalServer
    clock: ManualClock

    def room(self, id: str = "r1") -> BotRoom:
        return BotRoom(self.core, self.platform, Room(self.platform.name, id), self.clock)

    async def sweep(self, after_s: float = 0.0) -> None:
        """Let time pass, and read every feed that is due by then."""
        await self.clock.advance(after_s)
        while await self.reading.sweep.tick():
            await self.reading.sweep.drain(10)

    async def digests(self, after_s: float = 0.0) -> int:
        """How many slots were served after ``after_s``; what was set meanwhile is reckoned with first."""
        await self.reading.schedule.tick()
        await self.clock.advance(after_s)
        served = await self.reading.schedule.tick()
        await self.reading.notices.tick()
        await self.core.idle()
        return served

    async def states(self, room: BotRoom) -> list[tuple[str, str, str]]:
        chosen = select(room_entries.c.state, room_entries.c.stage, room_entries.c.reason)
        chosen = chosen.where(room_entries.c.room == room.room.key).order_by(room_entries.c.entry_id)
        return await self.core.store.read(lambda connection: [tuple(row) for row in connection.execute(chosen)])

    async def feeds(self) -> Sequence[object]:
        return await self.core.store.read(lambda connection: connection.execute(select(feeds)).all())


@asynccontextmanager
async def open_feed_house(
    store: Store, clock: ManualClock, screen: Screen | None = None, **settings: object
) -> AsyncIterator[FeedHouse]:
    async with local_server() as server:
        paper = PaperPlatform(roles={"mo": Role.MODERATOR, "adam": Role.ADMIN})
        screen = screen or OpenScreen()
        configured = {"language": "en", "time_zone": "UTC"}
        scopes = Scopes(store, clock, (*CORE_SETTINGS, *FEED_ROOM_SETTINGS), configured=configured, cache_s=0)
        core = Core.build(
            store,
            {paper.name: paper},
            KnowsEverything(),
            Echo(),
            settings=CoreSettings(),
            clock=clock,
            scopes=scopes,
            screen=screen,
            commands=Commands(),
        )
        fetch = FetchSettings(allow_hosts=("127.0.0.1", "localhost"), step_timeout_s=5, total_timeout_s=10)
        chosen = FeedSettings(fetch=fetch, **settings)
        reading = Reading(store, clock, core.outbox, scopes, Latest(store, screen), chosen, core.platforms)
        core.commands.add(FeedCommands(store, reading, screen, core.platforms).command)
        await core.start()
        try:
            yield FeedHouse(core, paper, reading, server, clock)
        finally:
            await reading.aclose()
            await core.close(0)
