"""Reading from end to end: the whole app, the real Feishu client on the emulated platform, a feed on a local server.

Days pass by a clock that is put forward; the schedule's jobs are called by hand, as the scheduler would.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.feishu.adapter import FeishuPlatform
from maodou.app import App
from maodou.config import Settings
from net.settings import FetchSettings
from recommender.settings import FeedSettings
from tests.adapters.feishu.conftest import settings_for
from tests.emulators.feishu import Chat, Feishu, Limits, Person, Shown
from tests.net.local_server import LocalServer, local_server
from tests.recommender.shelves import SUBJECTS

ZONE = "Asia/Shanghai"
HEARD_WITHIN_S = 10.0
EXPLICIT = ("Hardcore porn videos, uncensored xxx", "Free hardcore porn: naked girls, blowjob and anal sex clips.")


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


@dataclass
class Town:
    """``entries``: what the feed lists, the newest first; each has its subject in its path."""

    app: App
    feishu: Feishu
    server: LocalServer
    clock: ForwardClock
    group: Chat
    owner: Person
    ann: Person
    entries: list[tuple[str, str, str, float]]

    @property
    def feed(self) -> str:
        return self.server.address("/feed.xml")

    def publish(self, subject: str, texts: Sequence[tuple[str, str]]) -> None:
        for title, text in texts:
            self.entries.insert(0, (subject, title, text, self.clock.now()))
        items = "".join(
            f"<item><title>{title}</title><link>https://news.example/{subject}/{abs(hash(title))}</link>"
            f"<guid>{title}</guid><description>{text}</description>"
            f"<pubDate>{datetime.fromtimestamp(at, ZoneInfo('UTC')):%a, %d %b %Y %H:%M:%S GMT}</pubDate></item>"
            for subject, title, text, at in self.entries
        )
        feed = f'<rss version="2.0"><channel><title>The Daily</title>{items}</channel></rss>'
        self.server.page("/feed.xml", feed.encode(), content_type="application/rss+xml")

    def link(self, title: str) -> str:
        return next(f"https://news.example/{each[0]}/{abs(hash(title))}" for each in self.entries if each[1] == title)

    async def says(self, person: Person, text: str) -> str:
        """What a member says, and the one answer to it."""
        before = len(self.shown())
        await asyncio.to_thread(self.feishu.say, self.group, person, text)
        return (await self.next_after(before)).text

    async def presses(self, person: Person, message: Shown, label: str) -> str:
        before = len(self.shown())
        await asyncio.to_thread(self.feishu.press, message.id, person, label)
        return (await self.next_after(before)).text

    async def next_after(self, before: int) -> Shown:
        async with asyncio.timeout(HEARD_WITHIN_S):
            while len(self.shown()) <= before:  # noqa: ASYNC110 – it happens in other threads
                await asyncio.sleep(0.01)
        await self.app.core.idle()
        shown = self.shown()
        assert len(shown) == before + 1, [each.text for each in shown[before:]]
        return shown[-1]

    def shown(self) -> list[Shown]:
        return list(self.feishu.shown(self.group))

    async def read_feeds(self) -> None:
        """An hour or two later every feed was asked again."""
        self.clock.forward(7_300)
        while await self.app.reading.sweep.tick():
            await self.app.reading.sweep.drain(HEARD_WITHIN_S)

    async def morning(self) -> Shown | None:
        """The room's next nine o'clock; the digest, if one came."""
        await self.app.reading.schedule.tick()  # what was set meanwhile is reckoned with
        self.clock.forward_to(9)
        before = len(self.shown())
        assert await self.app.reading.schedule.tick() == 1
        await self.app.core.idle()
        after = self.shown()
        assert len(after) <= before + 1
        return after[-1] if len(after) > before else None


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    clock = ForwardClock()
    feishu = Feishu(limits=Limits(acknowledge_s=5.0))
    feishu.world.now = clock.now
    await asyncio.to_thread(feishu.__enter__)
    async with local_server() as server:
        settings = Settings(
            data_dir=tmp_path,
            sample=False,
            durability="normal",
            rooms={"language": "en", "time_zone": ZONE, "digest_at": "09:00", "digest_picks": 2},
            feeds=FeedSettings(fetch=FetchSettings(allow_hosts=(server.host,))),
            feishu=settings_for(feishu, sends_per_s=0, edits_per_s=0),
        )
        opening = App.open(settings, lambda given, store, _: [FeishuPlatform(given.feishu)], clock)  # type: ignore[arg-type]
        app = await asyncio.to_thread(opening.__enter__)
        await app.core.start()
        platform = app.platforms["feishu"]
        running = asyncio.create_task(platform.run(app.core.inbox.accept))
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                while platform.health() is not None:  # noqa: ASYNC110 – a platform tells its health when it is asked
                    await asyncio.sleep(0.01)
            owner, ann = feishu.person("群主"), feishu.person("安妮")
            yield Town(app, feishu, server, clock, feishu.group(owner, ann), owner, ann, [])
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await app.reading.aclose()
            await app.core.close(0)
            await app.documents.aclose()
            await asyncio.to_thread(opening.__exit__, None, None, None)
            with contextlib.suppress(Exception):
                await asyncio.to_thread(feishu.__exit__)


async def test_a_member_subscribes_and_the_room_reads_what_it_likes(town: Town) -> None:
    old, *new = SUBJECTS["bread"]
    town.publish("bread", [old])
    added = await town.says(town.ann, f"/feed add {town.feed}")
    assert "The Daily" in added
    assert old[0] in added  # the preview

    await town.read_feeds()
    assert await town.morning() is None  # nothing old is sent

    town.publish("bread", new[:1])
    town.publish("football", SUBJECTS["football"][:1])
    await town.read_feeds()
    today = await town.morning()
    assert today is not None
    assert new[0][0] in today.text
    assert old[0] not in today.text
    assert datetime.fromtimestamp(town.clock.now(), ZoneInfo(ZONE)).hour == 9

    number = next(line[2] for line in today.text.splitlines() if new[0][0] in line)
    noted = await town.presses(town.ann, today, f"{number} 👎")
    assert "was not to your taste" in noted

    town.publish("bread", new[1:3])
    town.publish("football", SUBJECTS["football"][1:3])
    await town.read_feeds()
    tomorrow = await town.morning()
    assert tomorrow is not None
    for title, _ in SUBJECTS["football"][1:3]:
        assert title in tomorrow.text
    for title, _ in new[1:3]:
        assert title not in tomorrow.text
    why = await town.says(town.ann, f"/why-not {town.link(new[1][0])}")
    assert "✗ rank – others were nearer" in why


async def test_the_owners_switch_hides_and_releases_an_entry(town: Town) -> None:
    town.publish("bread", SUBJECTS["bread"][:1])
    await town.says(town.ann, f"/feed add {town.feed}")
    await town.read_feeds()
    town.publish("night", [EXPLICIT])
    await town.read_feeds()
    assert await town.morning() is None
    why = await town.says(town.ann, f"/why-not {town.link(EXPLICIT[0])}")
    assert "✗ filter" in why
    assert EXPLICIT[0] not in why

    refused = await town.says(town.ann, "/filter nsfw off")
    assert "owner" in refused
    assert "Your role here: member" in refused
    assert await town.morning() is None

    await town.says(town.owner, "/filter nsfw off")
    await town.presses(town.owner, town.shown()[-1], _label(town.shown()[-1]))
    released = await town.morning()
    assert released is not None
    assert EXPLICIT[0] in released.text

    await town.says(town.owner, "/filter nsfw on")
    town.publish("night", [(f"More: {EXPLICIT[0]}", EXPLICIT[1])])
    await town.read_feeds()
    assert await town.morning() is None


def _label(message: Shown) -> str:
    """Of the message's last button."""
    return message.text.rstrip().rpartition("[")[2].rstrip("]")
