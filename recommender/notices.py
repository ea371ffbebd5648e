"""Feeds that stopped to be readable: the rooms that read them are told so, each time once, and not in their sleep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection, RowMapping, select, update

from bot.delivery import Content
from bot.event import Room
from bot.inbox import room_of
from bot.outbox import Outbox
from bot.ports import Clock
from bot.room_settings import LANGUAGE, Language
from bot.scopes import Scopes
from bot.store import Store
from bot.tables import rooms
from bot.texts import LANGUAGES, Text
from bot.values import Values
from recommender.quoting import escaped
from recommender.reasons import in_words
from recommender.settings import FeedSettings, rhythm_of
from recommender.tables import feeds, subscriptions

log = structlog.get_logger(__name__)

FAILING = Text(
    zh="订阅 **{title}** 已经连续 {failures} 次读不到：{why}。我会继续试，间隔越来越长；"
    "`/feed test {address}` 可以看现在的情况，`/feed remove {address}` 退订。",
    en="The feed **{title}** could not be read {failures} times in a row: {why}. I go on trying, less and less often; "
    "`/feed test {address}` shows how it is now, `/feed remove {address}` ends the subscription.",
)
MORE_FAILING = Text(
    zh="另有 {count} 个订阅也读不到：`/feed list` 可以看全。",
    en="So it is with {count} more: `/feed list` shows them.",
)
NAMED = 5
"""Feeds of one notice; when our own line is down, all of a room's fail together."""


class AlreadyTold(Exception):
    """Raised inside a commit when another process has told of one of the feeds: nothing of the commit stays."""


@dataclass(slots=True)
class Notices:
    """:meth:`tick` is a job of :class:`recommender.reading.Reading`."""

    store: Store
    clock: Clock
    outbox: Outbox
    scopes: Scopes
    settings: FeedSettings
    platforms: frozenset[str]
    _told_at: dict[str, float] = field(default_factory=dict, init=False)  # when a room was last told of failures

    async def tick(self) -> None:
        """One notice in a room for all that stopped to be readable, each feed once for each time that it did."""
        now = self.clock.now()
        if await self.store.read(_any_recovered):
            await self.store.write(_forget_recovered)
        of_rooms: dict[str, list[RowMapping]] = {}
        for row in await self.store.read(partial(_failing, least=self.settings.failures_before_notice)):
            if row["platform"] in self.platforms:
                of_rooms.setdefault(row["key"], []).append(row)
        for key, rows in of_rooms.items():
            if now >= self._told_at.get(key, float("-inf")) + self.settings.notice_every_s:
                await self._tell(room_of(rows[0]), rows, now)

    async def _tell(self, room: Room, rows: Sequence[RowMapping], now: float) -> None:
        values = await self.scopes.of(room)
        if rhythm_of(values, self.settings).is_quiet(now):
            return
        first = rows[0]
        origin = f"feed-failing:{room.key}:{first['feed_id']}:{first['failing_since']:.0f}"
        mark = partial(_told, room=room.key, reasons={row["feed_id"]: row["reason"] for row in rows})
        try:
            if not await self.outbox.post(origin, room, (Content(_notice(rows, values)),), write=mark):
                await self.store.write(mark)
        except AlreadyTold:
            log.info("feeds.notice_taken", room=room.key)
        self._told_at[room.key] = now


def _notice(rows: Sequence[RowMapping], values: Values) -> str:
    spoken = LANGUAGES if values[LANGUAGE] is Language.AUTO else (values[LANGUAGE].value,)
    lines = []
    for each in spoken:
        lines += [_failing_line(row, each) for row in rows[:NAMED]]
        if len(rows) > NAMED:
            lines.append(MORE_FAILING.in_language(each, count=len(rows) - NAMED))
    return "\n".join(lines)


def _failing_line(row: RowMapping, language: str) -> str:
    return FAILING.in_language(
        language,
        title=escaped(row["title"] or row["address"]),
        failures=row["failures"],
        why=in_words(row["reason"], language, row["address"]),
        address=row["address"],
    )


def _failing(connection: Connection, least: int) -> Sequence[RowMapping]:
    chosen = (
        select(
            rooms,
            feeds.c.id.label("feed_id"),
            feeds.c.title,
            feeds.c.address,
            feeds.c.failures,
            feeds.c.failing_since,
            feeds.c.reason,
        )
        .select_from(subscriptions)
        .join(feeds, feeds.c.id == subscriptions.c.feed_id)
        .join(rooms, rooms.c.key == subscriptions.c.room)
        .where(
            feeds.c.failures >= least,
            subscriptions.c.told == "",
            subscriptions.c.paused_at.is_(None),
            rooms.c.removed_at.is_(None),
        )
        .order_by(rooms.c.key, feeds.c.failing_since, feeds.c.id)
    )
    return connection.execute(chosen).mappings().all()


def _told(connection: Connection, room: str, reasons: Mapping[int, str]) -> None:
    """Raises :class:`AlreadyTold` where another process has told one of them meanwhile."""
    for feed_id, reason in reasons.items():
        chosen = (subscriptions.c.room == room) & (subscriptions.c.feed_id == feed_id) & (subscriptions.c.told == "")
        if connection.execute(update(subscriptions).where(chosen).values(told=reason)).rowcount == 0:
            raise AlreadyTold(room)


_WELL = select(feeds.c.id).where(feeds.c.failures == 0)


def _any_recovered(connection: Connection) -> bool:
    chosen = select(subscriptions.c.room).where(subscriptions.c.told != "", subscriptions.c.feed_id.in_(_WELL))
    return connection.execute(chosen.limit(1)).first() is not None


def _forget_recovered(connection: Connection) -> None:
    well = (subscriptions.c.told != "") & subscriptions.c.feed_id.in_(_WELL)
    connection.execute(update(subscriptions).where(well).values(told=""))
