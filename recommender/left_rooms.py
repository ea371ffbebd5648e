"""Rooms that the bot has left: nothing is fetched for them or planned, and for a while their feeds wait for its return.

Whoever throws the bot out by mistake and lets it in again finds everything as it was; as after a pause, what appeared
meanwhile is not told. A room that stays left for ``left_room_days`` loses its feeds (:mod:`recommender.keeping`).
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, exists, select, update

from bot.tables import rooms
from recommender.tables import feeds, schedules, subscriptions

_LEFT = select(rooms.c.key).where(rooms.c.removed_at.is_not(None))

READS_NOW = subscriptions.c.paused_at.is_(None) & subscriptions.c.room.not_in(_LEFT)
"""Of a subscription: somebody is there to read it, and nobody has paused it."""


def rooms_left(connection: Connection) -> frozenset[str]:
    """The keys of all rooms that we have left."""
    return frozenset(connection.execute(_LEFT).scalars())


def any_to_rest(connection: Connection) -> bool:
    """Whether there is something for :func:`rest` to do."""
    return connection.execute(select(schedules.c.room).where(schedules.c.room.in_(_LEFT)).limit(1)).first() is not None


def rest(connection: Connection) -> None:
    """Once for each time that a room is left. Its schedule goes, so that after a return the next slot is reckoned anew
    and none is made up for; and what its feeds list when they are read again is old, unless others read them on."""
    left = schedules.c.room.in_(_LEFT)
    theirs = select(subscriptions.c.feed_id).join(schedules, schedules.c.room == subscriptions.c.room).where(left)
    is_read = exists().where(subscriptions.c.feed_id == feeds.c.id, READS_NOW)
    connection.execute(update(feeds).where(feeds.c.id.in_(theirs), ~is_read).values(primed_at=None))
    connection.execute(delete(schedules).where(left))
