"""The one way in: an event is committed under its own key before anybody acknowledges it.

An adapter calls :meth:`Inbox.accept` for everything its platform delivers and acknowledges when that
returns. A key that is there already is a redelivery: nothing is done, and because there is one writer its
original is committed by then. What has no decision when the process starts is taken up again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, select

from bot.event import (
    Edited,
    Event,
    Pressed,
    Reacted,
    Recalled,
    Removed,
    Room,
    RoomKind,
    Said,
    dump_event,
    load_event,
)
from bot.ports import Clock
from bot.store import Store, insert_once, upsert
from bot.tables import inbox, rooms

HANDED_OVER_KNOWN = 10_000
"""How many of the last events are known to be in somebody's hands. An older one that is redelivered undecided is
handed over again, which costs work and changes nothing: an event is decided once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A committed event that waits for its decision. ``id`` grows in the order of arrival; ``recovered``: an
    earlier life of this process may have begun to work on it."""

    id: int
    event: Event
    received_at: float
    due_at: float | None = None
    recovered: bool = False


class Dispatcher(Protocol):
    """Takes entries to whoever decides them, in order within a room. One process has lanes; several would
    have a job engine here."""

    def dispatch(self, entry: Entry, *, recovered: bool = False) -> None: ...


class Inbox:
    """``accept`` is what adapters are given."""

    def __init__(self, store: Store, clock: Clock, dispatcher: Dispatcher) -> None:
        self._store = store
        self._clock = clock
        self._dispatcher = dispatcher
        # Only to spare a write: another process may know other rooms, and writing one again changes nothing.
        self._rooms_written: dict[str, Room] = {}
        self._handed_over: dict[int, None] = {}  # in the order in which they were

    async def accept(self, event: Event) -> bool:
        """Commit ``event`` and hand it over; False for a redelivery. Raises ``StoreError`` when it is not kept.

        There is no await before the write is queued, so events are kept in the order of the calls; the hand-over
        hangs on the commit and not on the caller, who may be cancelled meanwhile.
        """
        now = self._clock.now()
        row = _row(event, now)
        room = event.room if self._rooms_written.get(event.room.key) != event.room else None

        def hand_over(kept: _Kept) -> None:
            if isinstance(event, Removed):  # whatever comes from there next says that we are back
                self._rooms_written.pop(event.room.key, None)
            elif room is not None and kept.is_new:
                self._rooms_written[room.key] = room
            # A redelivery may be the first that we hear of a commit whose reply was lost.
            if kept.id is not None and kept.id not in self._handed_over:
                self._hand_over(Entry(kept.id, event, now, recovered=not kept.is_new))

        return (await self._store.submit(partial(_keep, row=row, room=room, now=now), hand_over)).is_new

    def _hand_over(self, entry: Entry) -> None:
        self._handed_over[entry.id] = None
        if len(self._handed_over) > HANDED_OVER_KNOWN:
            del self._handed_over[next(iter(self._handed_over))]
        self._dispatcher.dispatch(entry, recovered=entry.recovered)

    async def recover(self, platforms: Collection[str]) -> int:
        """Hand over everything undecided, oldest first; returns how many. Call before any platform runs.

        What came from a platform that is not among ``platforms`` waits until it is configured again. What this
        version cannot read is logged and left; it must not keep the rest from being decided.
        """
        handed_over = 0
        for row in await self._store.read(_undecided):
            try:
                entry = entry_of(row)
            except ValidationError as error:
                log.error("inbox.unreadable", event_id=row["id"], problems=error.error_count())
                continue
            if entry.event.room.platform not in platforms:
                log.warning("inbox.no_platform", event_id=entry.id, platform=entry.event.room.platform)
                continue
            self._hand_over(entry)
            handed_over += 1
        if handed_over:
            log.info("inbox.recovered", events=handed_over)
        return handed_over


def entry_of(row: RowMapping) -> Entry:
    """The entry that a row of ``inbox`` keeps; the row must have its payload."""
    return Entry(row["id"], load_event(row["payload"]), row["received_at"], row["due_at"], recovered=True)


def _undecided(connection: Connection) -> Sequence[RowMapping]:
    columns = (inbox.c.id, inbox.c.payload, inbox.c.received_at, inbox.c.due_at)
    undecided = inbox.c.outcome.is_(None) & inbox.c.payload.is_not(None)
    return connection.execute(select(*columns).where(undecided).order_by(inbox.c.id)).mappings().all()


@dataclass(frozen=True, slots=True)
class _Kept:
    """``id``: of the row that waits for its decision; None when the event is decided."""

    id: int | None
    is_new: bool


def _keep(connection: Connection, row: dict[str, Any], room: Room | None, now: float) -> _Kept:
    """Keep an event once: a key that is there already changes nothing."""
    new_id = insert_once(connection, inbox, row, returning=inbox.c.id)
    if room is not None:
        # Who hears from a room is in it, though the invitation may never have been told. A redelivery is of the past.
        is_there = new_id is not None and row["kind"] != "removed"
        back = {"removed_at": None} if is_there else {}
        upsert(connection, rooms, _room_row(room, now) | back, conflict_on=("key",))
    if new_id is not None:
        return _Kept(new_id, is_new=True)
    undecided = select(inbox.c.id).where(
        inbox.c.key == row["key"], inbox.c.outcome.is_(None), inbox.c.payload.is_not(None)
    )
    return _Kept(connection.execute(undecided).scalar_one_or_none(), is_new=False)


def _row(event: Event, now: float) -> dict[str, Any]:
    message_id: str | None = None
    member: str | None = None
    addressed = isinstance(event, Pressed)
    if isinstance(event, Said | Edited):
        message = event.message
        message_id, member, addressed = message.id, message.author.key, message.is_addressed
    elif isinstance(event, Recalled | Reacted | Pressed):
        message_id = event.message_id
        member = None if isinstance(event, Recalled) else event.member.key
    return {
        "key": event.key,
        "room": event.room.key,
        "kind": event.kind,
        "message_id": message_id,
        "member": member,
        "addressed": addressed,
        "payload": dump_event(event),
        "at": event.at,
        "received_at": now,
    }


def _room_row(room: Room, now: float) -> dict[str, Any]:
    return {
        "key": room.key,
        "platform": room.platform,
        "id": room.id,
        "kind": room.kind.value,
        "name": room.name,
        "parent": room.parent,
        "space": room.space,
        "age_restricted": room.age_restricted,
        "seen_at": now,
    }


def room_of(row: RowMapping) -> Room:
    """The room that a row of ``rooms`` keeps."""
    return Room(
        platform=row["platform"],
        id=row["id"],
        kind=RoomKind(row["kind"]),
        name=row["name"],
        parent=row["parent"],
        space=row["space"],
        age_restricted=row["age_restricted"],
    )
