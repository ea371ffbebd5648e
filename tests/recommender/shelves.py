"""Feeds and entries put straight into the tables, as a fetch would have left them, and a room that reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select

from bot.commands import Commands
from bot.core import Core
from bot.event import Member, Pressed, Role, Room
from bot.ports import OpenScreen, Screen
from bot.retention import Retention
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store
from bot.tables import buttons
from bot.testing import BotRoom, Echo, KnowsEverything, PaperPlatform
from recommender.editor import Editor
from recommender.opinions import ERASER
from recommender.recommend_commands import LookAt, RecommendCommands
from recommender.stages import Stage, State
from recommender.summary import Summaries
from recommender.tables import entries, feeds, room_entries, subscriptions
from recommender.taste_settings import TASTE_SETTINGS
from tests.clock import ManualClock

HOUR_S = 3_600.0

SUBJECTS = {
    "telescopes": (
        ("Telescope finds water on a distant planet", "The space telescope saw water vapour around an exoplanet."),
        ("A new telescope opens its eye on the southern sky", "Astronomers point the observatory at faint galaxies."),
        ("Exoplanet with two suns seen by telescope", "The planet orbits a double star, astronomers say."),
        ("Galaxies older than expected, says telescope", "Astronomers count early galaxies and wonder."),
        ("Star eats its planet while a telescope watches", "Astronomers saw the star grow bright for weeks."),
        ("Amateurs build a telescope out of scrap", "With a mirror and patience they see planets and galaxies."),
    ),
    "bread": (
        ("Sourdough bread for beginners", "Flour, water, salt and a starter make the dough rise."),
        ("Why bread goes stale", "Starch in the dough crystallises; bakers slow it down."),
        ("Rye bread baked in a pot", "A baker shows how the dough rests and the crust forms."),
        ("The bakery that never sleeps", "At three the bakers knead the first dough."),
        ("Flour prices rise again", "Bakers expect bread to cost more this winter."),
        ("Baking bread with old grains", "Spelt and emmer make a dough with character."),
    ),
    "football": (
        ("Cup final decided by a late goal", "The striker scored in the last minute of the match."),
        ("Coach leaves the football club", "After five lost matches the club looks for another coach."),
        ("Young striker signs for three years", "The club hopes for goals and for the league."),
        ("League starts with a draw", "Neither team scored until the last minute of the match."),
        ("Goalkeeper saves three penalties", "The match went to penalties after no goal."),
        ("Football club builds a new stadium", "The club wants more seats for league matches."),
    ),
}
CHINESE = {
    "天文": (
        ("望远镜在系外行星上发现水汽", "天文学家用空间望远镜观测到一颗系外行星的大气里有水汽。"),
        ("新望远镜拍到遥远的星系", "天文学家说，这些星系比预想的更古老。"),
        ("一颗恒星吞掉了自己的行星", "望远镜记录下恒星变亮的几周，天文学家很兴奋。"),
        ("爱好者自制望远镜看行星", "一面镜子加上耐心，就能看到行星和星系。"),
        ("双星系统里又找到一颗行星", "天文学家用望远镜确认了它的轨道。"),
    ),
    "烘焙": (
        ("新手也能做的酸面包", "面粉、水、盐和酵头，面团就能发起来。"),
        ("面包为什么会变硬", "面团里的淀粉会结晶，面包师有办法让它慢一点。"),
        ("用铸铁锅烤黑麦面包", "面包师演示面团怎么醒发、面包皮怎么形成。"),
        ("凌晨三点的面包房", "面包师已经开始揉第一批面团。"),
        ("面粉又涨价了", "面包师说，今年冬天面包会更贵。"),
    ),
}


@dataclass
class Shelves:
    """The real core on a store, with a room's reading beside it; time moves by hand."""

    core: Core
    platform: PaperPlatform
    scopes: Scopes
    editor: Editor
    clock: ManualClock
    store: Store

    def room(self, id: str = "r1", **details: object) -> BotRoom:
        return BotRoom(self.core, self.platform, replace(Room("paper", id), **details), self.clock)  # type: ignore[arg-type]

    async def send_digest(self, room: BotRoom, slot: str) -> str | None:
        """What the schedule does at a slot; the digest as the room sees it, or None when there is none."""
        origin = f"digest:{room.room.key}:{slot}"
        before = len(room.shown)
        post = await self.editor.make(room.room, self.clock.now(), origin)
        if post is not None:
            await self.core.outbox.post(origin, room.room, post.contents, write=post.write)
            await self.core.idle()
        return room.shown[-1] if len(room.shown) > before else None

    async def press(self, room: BotRoom, label: str, by: str = "anna") -> str:
        """Press the button of the last digest whose command begins so; returns the reply."""
        chosen = select(buttons.c.id, buttons.c.command).where(buttons.c.room == room.room.key)
        rows = await self.store.read(lambda connection: connection.execute(chosen).all())
        button = next(row.id for row in reversed(rows) if row.command == label)
        return await self._press(room, button, by)

    async def _press(self, room: BotRoom, button: str, by: str) -> str:
        member = Member("paper", by, by)
        await room.happens(Pressed(room.room, member, f"press-{button}-{by}", self.clock.now(), button=button))
        return room.shown[-1]

    async def subscribe(self, room: BotRoom, name: str, **more: Any) -> int:
        return await self.store.write(lambda connection: _subscribe(connection, room.room.key, name, self.clock, more))

    async def publish(
        self, feed_id: int, texts: tuple[tuple[str, str], ...], *, hours_ago: float = 1.0, **more: Any
    ) -> list[int]:
        """New entries, waiting in every room that reads the feed."""
        at = self.clock.now() - hours_ago * HOUR_S
        return await self.store.write(lambda connection: _publish(connection, feed_id, texts, at, more))

    async def state_of(self, room: BotRoom, entry_id: int) -> tuple[str, str, str]:
        here = (room_entries.c.room == room.room.key) & (room_entries.c.entry_id == entry_id)
        chosen = select(room_entries.c.state, room_entries.c.stage, room_entries.c.reason).where(here)
        row = await self.store.read(lambda connection: connection.execute(chosen).one())
        return (row.state, row.stage, row.reason)


@asynccontextmanager
async def open_shelves(
    store: Store,
    clock: ManualClock,
    *,
    screen: Screen | None = None,
    summaries: Summaries | None = None,
    look_at: LookAt | None = None,
    **values: Any,
) -> AsyncIterator[Shelves]:
    platform = PaperPlatform(roles={"olga": Role.OWNER, "adam": Role.ADMIN})
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *TASTE_SETTINGS), configured={"language": "en", **values})
    shown = screen or OpenScreen()
    editor = Editor(store, scopes, shown, summaries)
    retention = Retention(store, clock)
    retention.add(ERASER)
    core = Core.build(
        store,
        {"paper": platform},
        KnowsEverything(),
        Echo(),
        settings=CoreSettings(),
        clock=clock,
        screen=shown,
        scopes=scopes,
        retention=retention,
        commands=Commands(RecommendCommands(store, editor, shown, look_at).commands),
    )
    await core.start()
    try:
        yield Shelves(core, platform, scopes, editor, clock, store)
    finally:
        await core.close(0)


def _subscribe(connection: Connection, room: str, name: str, clock: ManualClock, more: dict[str, Any]) -> int:
    address = f"https://{name}.example/feed"
    known = connection.execute(select(feeds.c.id).where(feeds.c.address == address)).scalar()
    if known is None:
        row = {
            "address": address,
            "title": name,
            "site": f"https://{name}.example/",
            "host": f"{name}.example",
            "added_at": clock.now(),
            "interval_s": HOUR_S,
            "next_check_at": clock.now() + HOUR_S,
            "primed_at": clock.now(),
        }
        row = {key: value for key, value in row.items() if key in feeds.c}
        known = connection.execute(insert(feeds).returning(feeds.c.id), row).scalar_one()
    row = {"room": room, "feed_id": known, "include": [], "exclude": [], "added_by": "paper:olga", **more}
    connection.execute(insert(subscriptions), {"added_at": clock.now(), **row})
    return int(known)


def _publish(
    connection: Connection, feed_id: int, texts: tuple[tuple[str, str], ...], at: float, more: dict[str, Any]
) -> list[int]:
    rooms = connection.execute(select(subscriptions.c.room).where(subscriptions.c.feed_id == feed_id)).scalars().all()
    made = []
    for title, summary in texts:
        row = {
            "feed_id": feed_id,
            "key": f"{feed_id}:{title}",
            "link": f"https://feed{feed_id}.example/{abs(hash(title))}",
            "title": title,
            "summary": summary,
            "published_at": at,
            "seen_at": at,
            "listed_at": at,
            "hash": title,
            **more,
        }
        entry_id = connection.execute(insert(entries).returning(entries.c.id), row).scalar_one()
        made.append(int(entry_id))
        for room in rooms:
            waiting = {"state": State.WAITING.value, "stage": Stage.WAIT.value, "at": at}
            connection.execute(insert(room_entries), {"room": room, "entry_id": entry_id, **waiting})
    return made
