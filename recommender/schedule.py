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

from bot.event import Room
from bot.inbox import room_of
from bot.outbox import Outbox
from bot.ports import Clock
from bot.scopes import Scopes
from bot.store import Store, upsert
from bot.tables import rooms
from bot.tables import settings as set_by_rooms
from recommender.left_rooms import any_to_rest, rest
from recommender.ports import Digester
from recommender.settings import TIMES, FeedSettings, rhythm_of
from recommender.tables import schedules, subscriptions

log = structlog.get_logger(__name__)

NEVER = 1e12
"""Where a room wants no digest: a moment that does not come."""


class SlotTaken(Exception):
    """Raised inside a commit when another process has served the slot: nothing of the commit stays."""


@dataclass(slots=True)
class Schedule:
    """:meth:`tick` is a job of :class:`recommender.reading.Reading`."""

    store: Store
    clock: Clock
    outbox: Outbox
    scopes: Scopes
    digester: Digester
    settings: FeedSettings
    platforms: frozenset[str]
    _seen: object = field(default=None, init=False)  # of all rooms' times, as they were last reckoned with

    async def tick(self) -> int:
        """Send what is due; returns how many slots were served."""
        now = self.clock.now()
        if await self.store.read(any_to_rest):
            await self.store.write(rest)
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
