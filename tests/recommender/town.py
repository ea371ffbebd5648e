"""Where stories of reading happen: the whole app in one group on one platform, and a feed on a local server.

Days pass by a clock that is put forward; the schedule's jobs are called by hand, as the scheduler would.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from bot.ports import Clock, Platform
from bot.store import Store
from maodou.app import App
from maodou.config import Settings
from net.settings import FetchSettings
from recommender.settings import FeedSettings
from tests.net.local_server import LocalServer, local_server

ZONE = "Asia/Shanghai"
HEARD_WITHIN_S = 10.0
OPEN_WITHIN_S = 60.0
"""The web room reads all of Gradio first."""

TITLE = "The Daily"


class ForwardClock:
    """The machine's time, put forward: clients count their timeouts in real seconds meanwhile."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def forward(self, seconds: float) -> None:
        self._ahead_s += seconds

    def forward_to(self, hour: int) -> None:
        """To the next time that the clocks in the room's zone show this hour."""
        here = datetime.fromtimestamp(self.now(), ZoneInfo(ZONE))
        at = here.replace(hour=hour, minute=0, second=5, microsecond=0)
        at += timedelta(days=1) if at <= here else timedelta()
        self.forward(at.timestamp() - self.now())


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of ours as members see it; ``labels``: of its buttons, in their order."""

    id: str
    text: str
    labels: tuple[str, ...]


class Town(ABC):
    """``entries``: what the feed lists, the newest first; each has its subject in its path. ``switcher``: who may
    switch the filter off on this platform, as a refusal names them."""

    switcher: ClassVar[str]
    ann: Any
    owner: Any

    def __init__(self, app: App, server: LocalServer, clock: ForwardClock) -> None:
        self.app = app
        self.server = server
        self.clock = clock
        self.entries: list[tuple[str, str, str, float]] = []

    @classmethod
    @abstractmethod
    def running(cls, folder: Path) -> AbstractAsyncContextManager[Town]: ...

    # ── the platform ─────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    async def say(self, person: Any, text: str) -> None: ...

    @abstractmethod
    async def press(self, person: Any, message: Ours, label: str) -> None: ...

    @abstractmethod
    async def shown(self) -> Sequence[Ours]:
        """Our messages in the group, the oldest first."""

    # ── the feed ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def feed(self) -> str:
        return self.server.address("/feed.xml")

    def publish(self, subject: str, texts: Sequence[tuple[str, str]]) -> None:
        for title, text in texts:
            self.entries.insert(0, (subject, title, text, self.clock.now()))
        items = "".join(
            f"<item><title>{title}</title><link>{self.link(title)}</link>"
            f"<guid>{title}</guid><description>{text}</description>"
            f"<pubDate>{datetime.fromtimestamp(at, ZoneInfo('UTC')):%a, %d %b %Y %H:%M:%S GMT}</pubDate></item>"
            for _, title, text, at in self.entries
        )
        feed = f'<rss version="2.0"><channel><title>{TITLE}</title>{items}</channel></rss>'
        self.server.page("/feed.xml", feed.encode(), content_type="application/rss+xml")

    def link(self, title: str) -> str:
        return next(f"https://news.example/{each[0]}/{abs(hash(title))}" for each in self.entries if each[1] == title)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────

    async def says(self, person: Any, text: str) -> Ours:
        """What a member says, and the one answer to it."""
        before = len(await self.shown())
        await self.say(person, text)
        return await self._next_after(before)

    async def presses(self, person: Any, message: Ours, label: str) -> Ours:
        before = len(await self.shown())
        await self.press(person, message, label)
        return await self._next_after(before)

    async def _next_after(self, before: int) -> Ours:
        async with asyncio.timeout(HEARD_WITHIN_S):
            while len(await self.shown()) <= before:  # noqa: ASYNC110 – it happens in other threads and processes
                await asyncio.sleep(0.01)
        await self.app.core.idle()
        shown = await self.shown()
        assert len(shown) == before + 1, [each.text for each in shown[before:]]
        return shown[-1]

    async def read_feeds(self) -> None:
        """An hour or two later every feed was asked again."""
        self.clock.forward(7_300)
        while await self.app.reading.sweep.tick():
            await self.app.reading.sweep.drain(HEARD_WITHIN_S)

    async def morning(self) -> Ours | None:
        """The room's next nine o'clock; the digest, if one came."""
        await self.app.reading.schedule.tick()  # what was set meanwhile is reckoned with
        self.clock.forward_to(9)
        before = len(await self.shown())
        assert await self.app.reading.schedule.tick() == 1
        await self.app.core.idle()
        after = await self.shown()
        assert len(after) <= before + 1
        return after[-1] if len(after) > before else None


@asynccontextmanager
async def living(
    folder: Path, make: Callable[[Store, Clock], Platform], **sections: Any
) -> AsyncIterator[tuple[App, LocalServer]]:
    """The app at work on one platform, without its scheduler, and the server of its feeds. ``sections``: more of the
    settings; ``clock`` among them is its clock."""
    clock = sections.pop("clock")
    async with local_server() as server:
        settings = Settings(
            data_dir=folder,
            sample=False,
            durability="normal",
            rooms={"language": "en", "time_zone": ZONE, "digest_at": "09:00", "digest_picks": 2},
            feeds=FeedSettings(fetch=FetchSettings(allow_hosts=(server.host,))),
            **sections,
        )
        opening = App.open(settings, lambda _, store, clock: [make(store, clock)], clock)
        app = await asyncio.to_thread(opening.__enter__)
        await app.core.start()
        (platform,) = app.platforms.values()
        running = asyncio.create_task(platform.run(app.core.inbox.accept))
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                while platform.health() is not None and not running.done():  # noqa: ASYNC110 – it is told when asked
                    await asyncio.sleep(0.01)
            if running.done():
                running.result()
            yield app, server
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await app.reading.aclose()
            await app.core.close(0)
            await app.documents.aclose()
            await asyncio.to_thread(opening.__exit__, None, None, None)
