"""Housekeeping: what has waited too long expires, what nobody lists or reads any more is erased, rooms that were left
for good lose their feeds."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update

from bot.tables import rooms
from recommender.settings import DAY_S, FeedSettings
from recommender.stages import State
from recommender.subscriptions import remove
from recommender.tables import entries, feeds, room_entries, subscriptions

BATCH = 5_000
"""Rows of one commit: the writer is everybody's."""


@dataclass(frozen=True, slots=True)
class Erased:
    expired: int
    entries: int
    feeds: int


def tidy(connection: Connection, now: float, settings: FeedSettings) -> Erased:
    """One round. Entries are erased with all that hangs on them when their feed was read without them and
    ``keep_days`` have passed since it listed them, or when it has brought more than ``max_entries_per_feed`` since.
    What a feed lists stays known, however long its server says that nothing has changed, or nothing at all."""
    waits = (room_entries.c.state == State.WAITING.value) & (room_entries.c.at < now - settings.wait_days * DAY_S)
    expired = connection.execute(update(room_entries).where(waits).values(state=State.EXPIRED.value, at=now)).rowcount
    long_ago = entries.c.listed_at < now - settings.keep_days * DAY_S
    gone = select(entries.c.id).where(long_ago, _was_dropped()).limit(BATCH)
    erased = connection.execute(delete(entries).where(entries.c.id.in_(gone.scalar_subquery()))).rowcount
    erased += _trimmed(connection, settings.max_entries_per_feed)
    _leave_for_good(connection, now, settings)
    # A feed that was unsubscribed keeps its keys for a day, so that a mistake can be taken back.
    read = exists().where(subscriptions.c.feed_id == feeds.c.id)
    idle = ~read & (feeds.c.next_check_at < now - DAY_S) & (feeds.c.leased_until <= now)
    unread = connection.execute(delete(feeds).where(idle)).rowcount
    return Erased(expired, erased, unread)


def _leave_for_good(connection: Connection, now: float, settings: FeedSettings) -> None:
    long_left = select(rooms.c.key).where(rooms.c.removed_at < now - settings.left_room_days * DAY_S)
    chosen = select(subscriptions.c.room, subscriptions.c.feed_id).where(subscriptions.c.room.in_(long_left))
    for room, feed_id in connection.execute(chosen.limit(BATCH)).all():
        remove(connection, room, feed_id, now, settings)


def _was_dropped() -> ColumnElement[bool]:
    """``listed_at`` is written once a day, so that an entry still stands in what was read less than a day later."""
    found_new = feeds.c.changed_at >= entries.c.listed_at + DAY_S
    return exists().where(feeds.c.id == entries.c.feed_id, found_new)


def _trimmed(connection: Connection, most: int) -> int:
    """No feed fills the database: of one that has brought more than ``most``, the oldest that it no longer lists."""
    erased = 0
    many = select(entries.c.feed_id).group_by(entries.c.feed_id).having(func.count() > most)
    for feed_id in connection.execute(many.limit(10)).scalars().all():
        newest = select(entries.c.id).where(entries.c.feed_id == feed_id).order_by(entries.c.id.desc())
        last_kept = connection.execute(newest.offset(most - 1).limit(1)).scalar_one()
        old = (entries.c.feed_id == feed_id) & (entries.c.id < last_kept) & _was_dropped()
        gone = select(entries.c.id).where(old).order_by(entries.c.id).limit(BATCH)
        erased += connection.execute(delete(entries).where(entries.c.id.in_(gone.scalar_subquery()))).rowcount
    return erased
