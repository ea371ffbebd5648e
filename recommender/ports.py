"""The seam between what reading keeps and what a room is sent: who makes a digest, and what the outbox then posts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.delivery import Content
from bot.event import Room
from bot.store import Operation


@dataclass(frozen=True, slots=True)
class Post:
    """What a room is to be sent at once. ``write`` is committed with the deliveries, in the outbox's one transaction:
    it marks each entry as sent under ``origin``, and as filtered what was passed over for good."""

    contents: tuple[Content, ...]
    write: Operation[object]


class Digester(Protocol):
    """Makes what a room reads out of the entries that wait for it (``feed_room_entries``, state ``waiting``)."""

    async def make(self, room: Room, now: float, origin: str) -> Post | None:
        """The digest for this slot; None when nothing is worth saying. ``origin``: the post's key, stable for the
        slot, to be written to the entries that it tells of. Writes nothing by itself."""
        ...
