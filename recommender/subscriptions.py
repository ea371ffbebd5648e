"""Which room reads which feed: plain functions of a connection, for commands, the command line and tests alike.

Whoever subscribes is told nothing old: what a feed lists at that moment is stored as known, before the subscription
stands. The same holds when nobody has read a feed for a while and somebody goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, func, select, update

from bot.retention import Eraser
from bot.store import insert_once
from bot.texts import Text
from net.fetching import host_of
from recommender.left_rooms import READS_NOW
from recommender.opml import Listed
from recommender.pacing import first_check
from recommender.remembering import Found, Prepared, remember
from recommender.settings import DAY_S, FeedSettings
from recommender.stages import State
from recommender.tables import entries, feeds, room_entries, subscriptions


class RoomIsFull(Exception):
    """Raised inside a commit: the room reads as many feeds as a room may."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A feed as one room reads it. ``number``: its place in the room's list, from 1."""

    number: int
    feed_id: int
    address: str
    title: str
    site: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    interval_s: float | None
    paused_at: float | None
    added_by: str
    checked_at: float | None
    next_check_at: float
    failures: int
    reason: str

    @property
    def name(self) -> str:
        return self.title or self.address


def of_room(connection: Connection, room: str) -> list[Subscription]:
    """In the order in which they came."""
    columns = (feeds.c.address, feeds.c.title, feeds.c.site, feeds.c.checked_at, feeds.c.next_check_at)
    chosen = (
        select(subscriptions, *columns, feeds.c.failures, feeds.c.reason)
        .join(feeds, feeds.c.id == subscriptions.c.feed_id)
        .where(subscriptions.c.room == room)
        .order_by(subscriptions.c.added_at, subscriptions.c.feed_id)
    )
    return [_of(number, row) for number, row in enumerate(connection.execute(chosen).mappings(), start=1)]


def _of(number: int, row: RowMapping) -> Subscription:
    same = ("feed_id", "address", "title", "site", "interval_s", "paused_at", "added_by", "checked_at")
    return Subscription(
        number=number,
        include=tuple(row["include"]),
        exclude=tuple(row["exclude"]),
        next_check_at=row["next_check_at"],
        failures=row["failures"],
        reason=row["reason"],
        **{name: row[name] for name in same},
    )


def matching(found: Sequence[Subscription], typed: str) -> list[Subscription]:
    """By number, by address, or by a part of the title."""
    wanted = typed.strip().strip("#<>").casefold()
    if wanted.isascii() and wanted.isdigit():
        return [each for each in found if each.number == int(wanted[:9])]
    plain = wanted.removeprefix("https://").removeprefix("http://").rstrip("/")
    exact = [each for each in found if each.address.casefold().rstrip("/").endswith(f"://{plain}")]
    return exact or [each for each in found if wanted and wanted in each.name.casefold()]


def feed_at(connection: Connection, address: str) -> RowMapping | None:
    return connection.execute(select(feeds).where(feeds.c.address == address)).mappings().one_or_none()


def add_read(
    connection: Connection,
    room: str,
    who: str,
    now: float,
    address: str,
    found: Found,
    prepared: Sequence[Prepared],
    settings: FeedSettings,
    explicit: bool = False,
) -> bool:
    """Subscribe to a feed that was just read; False where the room reads it already. ``found.feed_id`` is not looked
    at: the feed's row may be new."""
    feed_id = _feed(connection, address, host_of(address), now, found.next_check_at, settings)
    known = Found(feed_id, found.parsed, found.validators, found.next_check_at)
    max_age_s = settings.max_age_days * DAY_S
    remember(connection, known, prepared, now, max_age_s)
    if explicit:
        connection.execute(update(feeds).where(feeds.c.id == feed_id).values(explicit=True))
    return _subscribe(connection, room, feed_id, who, now, settings)


def add_listed(
    connection: Connection,
    room: str,
    who: str,
    now: float,
    listed: Sequence[tuple[Listed, str]],
    settings: FeedSettings,
) -> tuple[int, int]:
    """Subscribe to a list of feeds that nobody has read yet, each with its host: the sweep looks at them within
    ``import_within_s``. Returns how many were new to the room, and how many found no place in it."""
    added = left = 0
    here = {each.address for each in of_room(connection, room)}
    for each, host in listed:
        if each.address in here:
            continue
        if len(here) >= settings.feeds_per_room:
            left += 1
            continue
        at = first_check(now, each.address, settings)
        feed_id = _feed(connection, each.address, host, now, at, settings, title=each.title, site=each.site)
        added += _subscribe(connection, room, feed_id, who, now, settings)
        here.add(each.address)
    return added, left


def _feed(
    connection: Connection,
    address: str,
    host: str,
    now: float,
    next_check_at: float,
    settings: FeedSettings,
    **more: str,
) -> int:
    """The feed's row, old or new. One that nobody reads now is primed anew."""
    row = {
        "address": address,
        "host": host,
        "added_at": now,
        "interval_s": settings.interval_s,
        "next_check_at": next_check_at,
        **more,
    }
    new = insert_once(connection, feeds, row, returning=feeds.c.id)
    if new is not None:
        return int(new)
    feed_id: int = connection.execute(select(feeds.c.id).where(feeds.c.address == address)).scalar_one()
    if not _is_read(connection, feed_id):
        values = {"primed_at": None, "next_check_at": next_check_at, "failures": 0, "failing_since": None}
        connection.execute(update(feeds).where(feeds.c.id == feed_id).values(values))
    return feed_id


def _subscribe(connection: Connection, room: str, feed_id: int, who: str, now: float, settings: FeedSettings) -> bool:
    row = {"room": room, "feed_id": feed_id, "include": [], "exclude": [], "added_by": who, "added_at": now}
    here = (subscriptions.c.room == room) & (subscriptions.c.feed_id == feed_id)
    if connection.execute(select(subscriptions.c.room).where(here)).first() is not None:
        return False
    count = connection.execute(select(func.count()).where(subscriptions.c.room == room)).scalar_one()
    if count >= settings.feeds_per_room:
        raise RoomIsFull
    insert_once(connection, subscriptions, row, returning=subscriptions.c.feed_id)
    return True


def remove(connection: Connection, room: str, feed_id: int, now: float, settings: FeedSettings) -> bool:
    """End a subscription; what waited in the room from this feed is dropped, and the pace is that of those who stay.
    The feed itself goes a day later."""
    here = (subscriptions.c.room == room) & (subscriptions.c.feed_id == feed_id)
    gone = connection.execute(delete(subscriptions).where(here)).rowcount > 0
    own = select(entries.c.id).where(entries.c.feed_id == feed_id)
    waits = (room_entries.c.room == room) & (room_entries.c.state == State.WAITING.value)
    connection.execute(delete(room_entries).where(waits, room_entries.c.entry_id.in_(own)))
    if gone:
        _keep_pace(connection, feed_id, now, settings)
    return gone


def pause(connection: Connection, room: str, feed_id: int, now: float | None) -> bool:
    """Pause a subscription at ``now``, or go on with it (None); False where it is so already. What appears during the
    pause is not told afterwards."""
    if now is None and not _is_read(connection, feed_id):
        connection.execute(update(feeds).where(feeds.c.id == feed_id).values(primed_at=None, next_check_at=0.0))
    here = (subscriptions.c.room == room) & (subscriptions.c.feed_id == feed_id)
    other = subscriptions.c.paused_at.is_not(None) if now is None else subscriptions.c.paused_at.is_(None)
    return connection.execute(update(subscriptions).where(here, other).values(paused_at=now)).rowcount > 0


def set_rules(connection: Connection, room: str, feed_id: int, include: Sequence[str], exclude: Sequence[str]) -> None:
    """For what comes from now on."""
    _change(connection, room, feed_id, {"include": list(include), "exclude": list(exclude)})


def set_interval(
    connection: Connection, room: str, feed_id: int, interval_s: float | None, now: float, settings: FeedSettings
) -> None:
    """How often this room wants the feed asked; the most eager room decides for all."""
    _change(connection, room, feed_id, {"interval_s": interval_s})
    _keep_pace(connection, feed_id, now, settings)


def _keep_pace(connection: Connection, feed_id: int, now: float, settings: FeedSettings) -> None:
    chosen = select(subscriptions.c.interval_s).where(subscriptions.c.feed_id == feed_id)
    wanted = [value or settings.interval_s for value in connection.execute(chosen).scalars()]
    shortest = min(wanted, default=settings.interval_s)
    row = connection.execute(select(feeds.c.next_check_at, feeds.c.failures).where(feeds.c.id == feed_id)).one()
    at = row.next_check_at if row.failures else min(row.next_check_at, now + shortest)
    connection.execute(update(feeds).where(feeds.c.id == feed_id).values(interval_s=shortest, next_check_at=at))


def _change(connection: Connection, room: str, feed_id: int, values: Mapping[str, Any]) -> None:
    here = (subscriptions.c.room == room) & (subscriptions.c.feed_id == feed_id)
    connection.execute(update(subscriptions).where(here).values(values))


def _is_read(connection: Connection, feed_id: int) -> bool:
    chosen = select(subscriptions.c.room).where(subscriptions.c.feed_id == feed_id, READS_NOW)
    return connection.execute(chosen.limit(1)).first() is not None


def latest_entries(connection: Connection, feed_id: int, limit: int) -> Sequence[RowMapping]:
    """The newest that is known of a feed."""
    at = func.coalesce(entries.c.published_at, entries.c.seen_at)
    chosen = select(entries).where(entries.c.feed_id == feed_id).order_by(at.desc(), entries.c.id.desc()).limit(limit)
    return connection.execute(chosen).mappings().all()


def rooms_that_read(connection: Connection) -> list[str]:
    """The keys of rooms with a subscription."""
    return list(connection.execute(select(subscriptions.c.room).distinct().order_by(subscriptions.c.room)).scalars())


@dataclass(frozen=True, slots=True)
class Health:
    """``failing``: feeds that somebody reads and that cannot be read. ``overdue_s``: of the longest overdue one."""

    feeds: int
    waiting: int
    failing: tuple[RowMapping, ...]
    overdue_s: float


def health(connection: Connection, now: float) -> Health:
    """How reading is, for the doctor."""
    active = exists().where(subscriptions.c.feed_id == feeds.c.id, READS_NOW)
    count, due = connection.execute(select(func.count(), func.min(feeds.c.next_check_at)).where(active)).one()
    waits = select(func.count()).where(room_entries.c.state == State.WAITING.value)
    failing = select(feeds).where(active, feeds.c.failures > 0).order_by(feeds.c.failures.desc())
    found = tuple(connection.execute(failing).mappings())
    overdue_s = max(0.0, now - due) if due is not None else 0.0
    return Health(count, connection.execute(waits).scalar_one(), found, overdue_s)


def _forget(connection: Connection, member: str) -> int:
    """The room reads on; who began it is not known any more."""
    return connection.execute(
        update(subscriptions).where(subscriptions.c.added_by == member).values(added_by="")
    ).rowcount


SUBSCRIBERS = Eraser(Text(zh="谁添加了哪个订阅", en="who added which feed"), of_member=_forget)
