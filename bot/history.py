"""What a room remembers: the window of its last messages, and the counts that keep it from being flooded.

Plain queries for the store's readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select

from bot.decision import Outcome, Reason
from bot.delivery import DeliveryAct, DeliveryState, load_content
from bot.event import Edited, Room, Said, load_event
from bot.ports import Utterance
from bot.tables import deliveries, inbox


def window(
    connection: Connection, room: Room, before_id: int, count: int, quoted_id: str | None = None
) -> tuple[Utterance, ...]:
    """The room's last ``count`` messages before an event, ours among them, oldest first – and last of all the
    message ``quoted_id``, which the event replies to, however long ago it was said."""
    if count == 0:
        return ()
    found = _last(connection, room.key, before_id, count)
    quoted = _quoted(connection, room, before_id, quoted_id) if quoted_id is not None else None
    if quoted is None:
        return tuple(utterance for _, utterance in found)
    place, utterance = quoted
    others = [each for at, each in found if at != place]
    return (*others[len(others) - count + 1 :], replace(utterance, quoted=True))


_Place = tuple[int, int]
"""Where an utterance stands: its event, and -1 for the member's own words, else the part of our answer."""


def _last(connection: Connection, room_key: str, before_id: int, count: int) -> list[tuple[_Place, Utterance]]:
    said = connection.execute(
        select(inbox.c.id, inbox.c.payload)
        .where(
            inbox.c.room == room_key,
            inbox.c.id < before_id,
            inbox.c.kind.in_(("said", "edited")),
            inbox.c.payload.is_not(None),
        )
        .order_by(inbox.c.id.desc())
        .limit(count)
    ).all()
    ours = connection.execute(
        select(deliveries.c.event_id, deliveries.c.part, deliveries.c.content)
        .where(
            deliveries.c.room == room_key,
            deliveries.c.event_id < before_id,
            deliveries.c.content.is_not(None),
            deliveries.c.act.not_in((DeliveryAct.RECALL.value, DeliveryAct.SPEAK.value)),
            deliveries.c.state == DeliveryState.SENT.value,
        )
        .order_by(deliveries.c.id.desc())
        .limit(count)
    ).all()
    # An answer stands behind the message that it answers.
    found = [((row.id, -1), _said(row.payload)) for row in said]
    found += [((row.event_id, row.part), _ours(row.content)) for row in ours]
    found.sort(key=lambda item: item[0])
    return found[-count:]


def _quoted(connection: Connection, room: Room, before_id: int, message_id: str) -> tuple[_Place, Utterance] | None:
    """A message that stands in this room, or where its thread hangs; None when it is not kept (any more)."""
    places = [key for key in (room.key, f"{room.platform}:{room.parent}" if room.parent else None) if key]
    theirs = connection.execute(
        select(inbox.c.id, inbox.c.payload)
        .where(
            inbox.c.message_id == message_id,
            inbox.c.room.in_(places),
            inbox.c.id < before_id,
            inbox.c.kind.in_(("said", "edited")),
            inbox.c.payload.is_not(None),
        )
        .order_by(inbox.c.id.desc())
        .limit(1)
    ).first()
    if theirs is not None:
        return (theirs.id, -1), _said(theirs.payload)
    return _our_own(connection, places, message_id)


def _our_own(connection: Connection, places: Sequence[str], message_id: str) -> tuple[_Place, Utterance] | None:
    """A message of ours as it stands now: as it was sent, or as it was last rewritten."""
    columns = select(deliveries.c.id, deliveries.c.room, deliveries.c.event_id, deliveries.c.part, deliveries.c.content)
    sent = connection.execute(
        columns.where(deliveries.c.message_id == message_id, deliveries.c.room.in_(places)).limit(1)
    ).first()
    if sent is None:
        return None
    later = deliveries.c.id > sent.id  # an answer is rewritten soon, if ever: few lie between
    rewritten = connection.execute(
        columns.where(
            deliveries.c.room == sent.room,
            later,
            deliveries.c.target == message_id,
            deliveries.c.act == DeliveryAct.EDIT.value,
            deliveries.c.state == DeliveryState.SENT.value,
        )
        .order_by(deliveries.c.id.desc())
        .limit(1)
    ).first()
    stands = rewritten or sent
    return None if stands.content is None else ((stands.event_id or 0, stands.part), _ours(stands.content))


def _ours(content: str) -> Utterance:
    said = load_content(content)
    return Utterance("", said.speech.text if said.speech is not None else said.text, ours=True)


def _said(payload: str) -> Utterance:
    event = load_event(payload)
    if not isinstance(event, Said | Edited):
        raise TypeError(f"{event.kind} is no message")
    return Utterance(event.message.author.name, event.message.text)


def count_since(
    connection: Connection,
    room_key: str,
    since: float,
    outcome: Outcome | None = None,
    reason: Reason | None = None,
    *,
    addressed: bool | None = None,
) -> int:
    """How many decisions of a kind a room has had since then (Unix seconds)."""
    counted = select(func.count()).select_from(inbox).where(inbox.c.room == room_key, inbox.c.decided_at >= since)
    if outcome is not None:
        counted = counted.where(inbox.c.outcome == outcome.value)
    if reason is not None:
        counted = counted.where(inbox.c.reason == reason.value)
    if addressed is not None:
        counted = counted.where(inbox.c.addressed == addressed)
    return connection.execute(counted).scalar_one()


def another_spoke(connection: Connection, room_key: str, after_id: int, asker: str) -> bool:
    """Whether anybody but the asker has written in the room since that event."""
    found = connection.execute(
        select(inbox.c.id)
        .where(inbox.c.room == room_key, inbox.c.id > after_id, inbox.c.kind == "said", inbox.c.member != asker)
        .limit(1)
    )
    return found.first() is not None


def events_of_message(connection: Connection, room_key: str, message_id: str, before_id: int) -> Sequence[int]:
    """The earlier events that brought this message: it was said, and perhaps edited."""
    found = connection.execute(
        select(inbox.c.id).where(
            inbox.c.room == room_key,
            inbox.c.message_id == message_id,
            inbox.c.kind.in_(("said", "edited")),
            inbox.c.id < before_id,
        )
    )
    return list(found.scalars())
