"""Digests on their time: rooms whose slot has come are sent one, each slot once, and never more than one for an outage.

A room's next slot stands in ``feed_schedules``, in UTC. The post, the entries that it tells of and the slot after it
are one commit under a key made of room and slot, so neither a crash nor a second process repeats or loses one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, select, update

from bot.delivery import Content
from bot.event import Room
from bot.inbox import room_of
from bot.outbox import Outbox
from bot.ports import Clock
from bot.room_settings import LANGUAGE, Language
from bot.scopes import Scopes
from bot.store import Store, upsert
from bot.tables import rooms
from bot.tables import settings as set_by_rooms
from bot.texts import LANGUAGES, Text
from bot.values import Values
from recommender.digesting import Digester
from recommender.latest import escaped
from recommender.reasons import in_words
from recommender.settings import DIGEST_AT, QUIET_HOURS, TIME_ZONE, TIMES, FeedSettings
from recommender.tables import feeds, schedules, subscriptions
from recommender.times import Rhythm

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


class SlotTaken(Exception):
    """Raised inside a commit when another process has served the slot, or told of a failing feed: nothing of the
    commit stays."""


def rhythm_of(values: Values, settings: FeedSettings) -> Rhythm:
    return Rhythm(values[DIGEST_AT], values[TIME_ZONE], values[QUIET_HOURS], settings.live_every_s)


@dataclass(slots=True)
class Digests:
    store: Store
    clock: Clock
    outbox: Outbox
    scopes: Scopes
    digester: Digester
    settings: FeedSettings
    platforms: frozenset[str]
    _seen: object = field(default=None, init=False)  # of all rooms' times, as they were last reckoned with
    _noticed_at: dict[str, float] = field(default_factory=dict, init=False)  # when a room was last told of failures

    async def tick(self) -> int:
        """Send what is due; returns how many slots were served."""
        now = self.clock.now()
        set_now = await self.store.read(_times_set)
        found = await self.store.read(_scheduled)
        if set_now != self._seen or any(row["times"] is None for row in found):
            await self._reckon(found, now)
            self._seen = set_now
        served = 0
        for row in await self.store.read(partial(_due, now=now)):
            if row["platform"] not in self.platforms:
                continue
            try:
                served += await self._serve(room_of(row), row["next_digest_at"], now)
            except SlotTaken:
                log.info("digest.taken", room=row["key"])
            except Exception:  # one room's defect must not cost the others theirs
                log.exception("digest.fell", room=row["key"])
        await self._tell_failures(now)
        return served

    async def _reckon(self, found: Sequence[RowMapping], now: float) -> None:
        """Set each room's next slot where its times are new or have changed."""
        for row in found:
            room = room_of(row)
            rhythm = rhythm_of(await self.scopes.of(room), self.settings)
            if str(rhythm) == row["times"]:
                continue
            at = rhythm.next_slot(now)
            if at is None:
                at = NEVER
            new = {"room": room.key, "times": str(rhythm), "next_digest_at": at}
            await self.store.write(partial(upsert, table=schedules, row=new, conflict_on=("room",)))

    async def _serve(self, room: Room, slot: float, now: float) -> bool:
        rhythm = rhythm_of(await self.scopes.of(room), self.settings)
        awake_at = rhythm.awake_at(now)
        if awake_at > now:  # late, and now everybody sleeps
            await self.store.write(partial(_advance, room=room.key, slot=slot, to=awake_at, now=None))
            return False
        following = rhythm.next_slot(max(now, slot))
        advance = partial(_advance, room=room.key, slot=slot, to=NEVER if following is None else following, now=slot)
        origin = f"digest:{room.key}:{slot:.0f}"
        post = await self.digester.make(room, now, origin)
        if post is None:
            await self.store.write(advance)
            return True

        def write(connection: Connection) -> None:
            advance(connection)
            post.write(connection)

        if not await self.outbox.post(origin, room, post.contents, write=write):
            await self.store.write(advance)
        log.info("digest.planned", room=room.key, slot=slot, late_s=round(now - slot))
        return True

    # ── feeds that cannot be read ────────────────────────────────────────────────────────────────────

    async def _tell_failures(self, now: float) -> None:
        """One notice in a room for all that stopped to be readable, each feed once for each time that it did."""
        least = self.settings.failures_before_notice
        if await self.store.read(_any_recovered):
            await self.store.write(_forget_recovered)
        of_rooms: dict[str, list[RowMapping]] = {}
        for row in await self.store.read(partial(_failing, least=least)):
            if row["platform"] in self.platforms:
                of_rooms.setdefault(row["key"], []).append(row)
        for key, rows in of_rooms.items():
            if now < self._noticed_at.get(key, float("-inf")) + self.settings.notice_every_s:
                continue
            room = room_of(rows[0])
            values = await self.scopes.of(room)
            if rhythm_of(values, self.settings).is_quiet(now):
                continue
            first = rows[0]
            origin = f"feed-failing:{key}:{first['feed_id']}:{first['failing_since']:.0f}"
            mark = partial(_told, room=key, reasons={row["feed_id"]: row["reason"] for row in rows})
            try:
                if not await self.outbox.post(origin, room, (Content(_notice(rows, values)),), write=mark):
                    await self.store.write(mark)
            except SlotTaken:
                log.info("digest.notice_taken", room=key)
            self._noticed_at[key] = now


NEVER = 1e12
"""Where a room wants no digest: a moment that does not come."""


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


def _times_set(connection: Connection) -> Sequence[tuple[Any, ...]]:
    """Everything that anybody has set about times: when it changes, slots are reckoned anew."""
    table = set_by_rooms
    names = [setting.name for setting in TIMES]
    chosen = select(table.c.scope, table.c.name, table.c.value).where(table.c.name.in_(names))
    rows = connection.execute(chosen.order_by(table.c.scope, table.c.name)).all()
    return [(row.scope, row.name, str(row.value)) for row in rows]


def _scheduled(connection: Connection) -> Sequence[RowMapping]:
    """Every room that reads something, with the times that its schedule was made of."""
    readers = select(subscriptions.c.room).distinct().subquery()
    chosen = (
        select(rooms, schedules.c.times)
        .join(readers, readers.c.room == rooms.c.key)
        .outerjoin(schedules, schedules.c.room == rooms.c.key)
        .where(rooms.c.removed_at.is_(None))
    )
    return connection.execute(chosen).mappings().all()


def _due(connection: Connection, now: float) -> Sequence[RowMapping]:
    chosen = (
        select(rooms, schedules.c.next_digest_at)
        .join(schedules, schedules.c.room == rooms.c.key)
        .where(schedules.c.next_digest_at <= now, rooms.c.removed_at.is_(None))
        .order_by(schedules.c.next_digest_at)
    )
    return connection.execute(chosen).mappings().all()


def _advance(connection: Connection, room: str, slot: float, to: float, now: float | None) -> None:
    """On to the slot after this one. Raises :class:`SlotTaken` where it is not the room's slot any more."""
    values: Mapping[str, float] = {"next_digest_at": to} | ({} if now is None else {"last_digest_at": now})
    still = (schedules.c.room == room) & (schedules.c.next_digest_at == slot)
    if connection.execute(update(schedules).where(still).values(values)).rowcount == 0:
        raise SlotTaken(room)


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
    """Raises :class:`SlotTaken` where another process has told one of them meanwhile."""
    for feed_id, reason in reasons.items():
        chosen = (subscriptions.c.room == room) & (subscriptions.c.feed_id == feed_id) & (subscriptions.c.told == "")
        if connection.execute(update(subscriptions).where(chosen).values(told=reason)).rowcount == 0:
            raise SlotTaken(room)


_WELL = select(feeds.c.id).where(feeds.c.failures == 0)


def _any_recovered(connection: Connection) -> bool:
    chosen = select(subscriptions.c.room).where(subscriptions.c.told != "", subscriptions.c.feed_id.in_(_WELL))
    return connection.execute(chosen.limit(1)).first() is not None


def _forget_recovered(connection: Connection) -> None:
    well = (subscriptions.c.told != "") & subscriptions.c.feed_id.in_(_WELL)
    connection.execute(update(subscriptions).where(well).values(told=""))
