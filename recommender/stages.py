"""What can become of an entry in a room, and where on its way: the vocabulary of ``feed_room_entries``.

::

    rules → duplicate → wait → rank → screen → sent
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"  # for the room's next digest
    FILTERED = "filtered"  # stopped at its stage, for its reason; a changed filter may let it wait again
    SENT = "sent"  # planned with its ``origin`` in one commit; the outbox's deliveries say how it left
    EXPIRED = "expired"  # waited longer than a room wants to read of it


class Stage(StrEnum):
    RULES = "rules"  # the subscription's include and exclude
    DUPLICATE = "duplicate"  # the room had the same from another feed, or from this one before
    WAIT = "wait"  # nothing has looked at it yet
    RANK = "rank"  # others were nearer to what the room likes
    SCREEN = "screen"  # the room's filter
    SENT = "sent"
