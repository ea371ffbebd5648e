"""The outbox's part in the database: what is committed when something is decided, opened, or sent.

Plain functions of a connection, to be run by the store's writer.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, exists, insert, select, update

from bot.decision import Decision, Outcome, Reason
from bot.delivery import (
    Button,
    Content,
    Delivery,
    DeliveryAct,
    DeliveryState,
    Speech,
    delivery_key,
    dump_content,
    load_content,
)
from bot.event import Edited, Room, Said
from bot.inbox import Entry, room_of
from bot.pieces import Piece
from bot.prepared import Prepared
from bot.sending import Sent
from bot.store import Operation, insert_once
from bot.tables import buttons, deliveries, inbox, rooms


@dataclass(frozen=True, slots=True)
class RareWord:
    """What is said must not be said again soon: where the room has a decision for the same reason since ``since``
    (Unix seconds), the decision is ``otherwise``, and nothing is said."""

    since: float
    otherwise: Decision


@dataclass(frozen=True, slots=True)
class Plan:
    """What one decision (or one post, without an entry) puts into the database. ``take_back``: messages of
    ours to recall. ``may_be_open``: a stream of this event may have been begun. ``speech``: what is said aloud
    after the pieces."""

    origin: str
    room: Room
    pieces: tuple[Piece, ...]
    planned_at: float
    entry: Entry | None = None
    decision: Decision | None = None
    reply_to: str | None = None
    take_back: tuple[str, ...] = ()
    may_be_open: bool = False
    rare: RareWord | None = None
    write: Operation[object] | None = None
    speech: Speech | None = None


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """``deliveries`` in their order; ``decision`` is the one that was recorded, which need not be the planned one."""

    deliveries: list[Delivery]
    decision: Decision | None


def carry_out(connection: Connection, plan: Plan) -> CarriedOut | None:
    """Commit the plan; None when it was carried out before."""
    entry, decision = plan.entry, plan.decision
    if entry is not None and decision is not None:
        if plan.pieces and _was_recalled(connection, entry):
            plan = replace(plan, pieces=(), write=None)
            decision = Decision(Outcome.SILENT, Reason.RECALLED)
        if plan.rare is not None and _was_said(connection, plan.room, decision.reason, plan.rare.since):
            decision = plan.rare.otherwise
            plan = replace(plan, pieces=())
        if not _record(connection, entry, decision, plan.planned_at):
            return None
    elif plan.pieces and _is_planned(connection, delivery_key(plan.origin, 0)):
        return None
    planned = _complete_stream(connection, plan)
    for part, piece in enumerate(plan.pieces):
        if part == 0 and planned:
            continue  # the stream shows it
        act = DeliveryAct.SEND if piece.instead_of is None else DeliveryAct.EDIT
        planned += _insert(connection, plan, part, act, piece.content, target=piece.instead_of)
    for part, message_id in enumerate(plan.take_back, start=len(plan.pieces)):
        planned += _insert(connection, plan, part, DeliveryAct.RECALL, Content(""), target=message_id)
    if plan.speech is not None and plan.pieces:
        aloud, part = replace(plan, origin=f"{plan.origin}:voice"), len(plan.pieces) + len(plan.take_back)
        planned += _insert(connection, aloud, part, DeliveryAct.SPEAK, Content("", speech=plan.speech))
    if plan.write is not None:
        plan.write(connection)
    return CarriedOut(planned, decision)


def _is_planned(connection: Connection, key: str) -> bool:
    return bool(connection.execute(select(exists().where(deliveries.c.key == key))).scalar())


def _was_recalled(connection: Connection, entry: Entry) -> bool:
    """A recall may have come while the answer was made, or even before its message."""
    if not isinstance(entry.event, Said | Edited):
        return False
    message = entry.event.message
    key = f"{message.room.platform}:recalled:{message.id}"
    return _KEPT.run(connection, {"kept_key": key}).fetchone() is not None


_KEPT = Prepared(lambda dialect: select(inbox.c.id).where(inbox.c.key == bindparam("kept_key")))


def _was_said(connection: Connection, room: Room, reason: Reason, since: float) -> bool:
    """Asked inside the commit: a room's lane and its refusals decide side by side, and see each other here."""
    said = select(inbox.c.id).where(
        inbox.c.room == room.key, inbox.c.reason == reason.value, inbox.c.decided_at >= since
    )
    return connection.execute(said.order_by(inbox.c.id.desc()).limit(1)).first() is not None


def _record(connection: Connection, entry: Entry, decision: Decision, now: float) -> bool:
    """One decision an event: False when there is one already."""
    decided = {
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "details": dict(decision.details) or None,
        "decided_at": now,
    }
    if isinstance(entry.event, Said | Edited) and entry.event.message.is_addressed:
        decided["addressed"] = True  # by name, too, which only the room's settings tell
    return _RECORD.run(connection, {"event_id": entry.id, **decided}).rowcount == 1


_RECORD = Prepared(lambda dialect: update(inbox).where(inbox.c.id == bindparam("event_id"), inbox.c.outcome.is_(None)))


def _complete_stream(connection: Connection, plan: Plan) -> list[Delivery]:
    """Complete the event's open stream, if there is one: with the first piece, or by taking it back."""
    if not plan.may_be_open:
        return []
    key = delivery_key(plan.origin, 0)
    is_open = (deliveries.c.key == key) & (deliveries.c.state == DeliveryState.OPEN.value)
    row = connection.execute(select(deliveries).where(is_open)).mappings().one_or_none()
    if row is None:
        return []
    if not plan.pieces:
        connection.execute(update(deliveries).where(is_open).values(state=DeliveryState.CANCELLED.value))
        if row["message_id"] is None:
            return []
        taken_back = replace(plan, origin=f"{plan.origin}:taken-back")
        return _insert(connection, taken_back, 0, DeliveryAct.RECALL, Content(""), target=row["message_id"])
    content = _with_button_ids(connection, plan, plan.pieces[0].content)
    sealed = {"state": DeliveryState.PLANNED.value, "content": dump_content(content)}
    connection.execute(update(deliveries).where(is_open).values(sealed))
    return [delivery_of({**row, **sealed}, plan.room)]


def begin_stream(
    connection: Connection, *, entry: Entry, content: Content, reply_to: str | None, planned_at: float
) -> tuple[Delivery, bool]:
    """The event's stream and whether it is new; an earlier one is gone on with."""
    origin, room = entry.event.key, entry.event.room
    plan = Plan(origin, room, (), planned_at, entry, reply_to=reply_to)
    begun = _insert(connection, plan, 0, DeliveryAct.STREAM, content, state=DeliveryState.OPEN)
    if begun:
        return begun[0], True
    row = connection.execute(select(deliveries).where(deliveries.c.key == delivery_key(origin, 0))).mappings().one()
    return delivery_of(row, room), False


def _insert(
    connection: Connection,
    plan: Plan,
    part: int,
    act: DeliveryAct,
    content: Content,
    *,
    target: str | None = None,
    state: DeliveryState = DeliveryState.PLANNED,
) -> list[Delivery]:
    """Plan one delivery; ``[]`` when its key is there already."""
    content = _with_button_ids(connection, plan, content)
    row = {
        "key": delivery_key(plan.origin, part),
        "event_id": plan.entry.id if plan.entry else None,
        "room": plan.room.key,
        "part": part,
        "act": act.value,
        "content": dump_content(content),
        "reply_to": plan.reply_to,
        "target": target,
        "state": state.value,
        "planned_at": plan.planned_at,
    }
    new_id = insert_once(connection, deliveries, row, returning=deliveries.c.id)
    if new_id is None:
        return []
    return [delivery_of({**row, "id": new_id, "message_id": None, "attempts": 0, "error": ""}, plan.room)]


def _with_button_ids(connection: Connection, plan: Plan, content: Content) -> Content:
    """Keep what each button does; the platform is told only its id."""
    if not content.buttons:
        return content
    named = tuple(Button(button.label, button.command, secrets.token_urlsafe(12)) for button in content.buttons)
    connection.execute(
        insert(buttons),
        [
            {"id": button.id, "room": plan.room.key, "command": button.command, "made_at": plan.planned_at}
            for button in named
        ],
    )
    return replace(content, buttons=named)


def waiting(connection: Connection, event_id: int | None = None) -> list[Delivery]:
    """Everything planned and not sent, oldest first; of one event, if it is named. Open streams wait for their
    event to be decided again."""
    planned = deliveries.c.state == DeliveryState.PLANNED.value
    if event_id is not None:
        planned &= deliveries.c.event_id == event_id
    rows = connection.execute(select(deliveries).where(planned).order_by(deliveries.c.id)).mappings().all()
    keys = {row["room"] for row in rows}
    known = connection.execute(select(rooms).where(rooms.c.key.in_(keys))).mappings().all() if keys else ()
    by_key = {row["key"]: room_of(row) for row in known}
    return [delivery_of(row, by_key[row["room"]]) for row in rows]


def mark(connection: Connection, *, delivery: Delivery, sent: Sent, now: float) -> None:
    """Record how a delivery ended (or that an open stream is in the room)."""
    row: dict[str, Any] = {"error": sent.error, "sent_at": now if sent.state is DeliveryState.SENT else None}
    if sent.message_id is not None:
        row["message_id"] = sent.message_id
    if sent.state is not DeliveryState.OPEN:  # what was completed meanwhile is planned again, and stays so
        row["state"] = sent.state.value
    _MARK.run(connection, {"delivery_id": delivery.id, "more": sent.attempts, **row})


_MARK = Prepared(
    lambda dialect: (
        update(deliveries)
        .where(deliveries.c.id == bindparam("delivery_id"))
        .values(attempts=deliveries.c.attempts + bindparam("more"))
    )
)


def delivery_of(row: RowMapping | dict[str, Any], room: Room) -> Delivery:
    """The delivery that a row of ``deliveries`` keeps."""
    return Delivery(
        id=row["id"],
        key=row["key"],
        room=room,
        act=DeliveryAct(row["act"]),
        content=load_content(row["content"]) if row["content"] else Content(""),
        state=DeliveryState(row["state"]),
        planned_at=row["planned_at"],
        part=row["part"],
        event_id=row["event_id"],
        reply_to=row["reply_to"],
        target=row["target"],
        message_id=row["message_id"],
        attempts=row["attempts"],
        error=row["error"],
    )


def message_id_of(connection: Connection, delivery_id: int) -> str | None:
    """The id of the message that a delivery became, as far as it was marked."""
    chosen = select(deliveries.c.message_id).where(deliveries.c.id == delivery_id)
    return connection.execute(chosen).scalar()


def withdraw(connection: Connection, event_ids: Sequence[int]) -> None:
    """Cancel what answers these events and has not been sent."""
    unsent = deliveries.c.state.in_((DeliveryState.PLANNED.value, DeliveryState.OPEN.value))
    chosen = deliveries.c.event_id.in_(event_ids) & unsent
    connection.execute(update(deliveries).where(chosen).values(state=DeliveryState.CANCELLED.value))


def keep_audio(connection: Connection, *, delivery: Delivery, content: Content) -> bool:
    """The sound of a voice message is made; False when nobody wants it any more."""
    is_wanted = (deliveries.c.id == delivery.id) & (deliveries.c.state == DeliveryState.PLANNED.value)
    made = connection.execute(update(deliveries).where(is_wanted).values(content=dump_content(content)))
    return made.rowcount == 1


def leave_out(connection: Connection, *, delivery: Delivery, sent: Sent) -> None:
    """The sound of a voice message is not made, or not wanted; one that was withdrawn before stays so."""
    is_wanted = (deliveries.c.id == delivery.id) & (deliveries.c.state == DeliveryState.PLANNED.value)
    connection.execute(update(deliveries).where(is_wanted).values(state=sent.state.value, error=sent.error))


def words_are_shown(connection: Connection, delivery: Delivery) -> bool:
    """Whether the text that a voice message says stands in the room: a voice never comes alone."""
    words = deliveries.c.act.in_((DeliveryAct.SEND.value, DeliveryAct.STREAM.value, DeliveryAct.EDIT.value))
    unsent = deliveries.c.state != DeliveryState.SENT.value
    missing = select(exists().where((deliveries.c.event_id == delivery.event_id) & words & unsent))
    return not connection.execute(missing).scalar()


def messages_for(connection: Connection, event_ids: Sequence[int], *, spoken: bool | None = None) -> list[str]:
    """Our messages that answered these events and still stand, in order; the voice messages alone, or all but them."""
    gone = deliveries.alias("gone")
    taken_back = exists().where(
        gone.c.room == deliveries.c.room,
        gone.c.target == deliveries.c.message_id,
        gone.c.act == DeliveryAct.RECALL.value,
    )
    began = deliveries.c.target.is_(None) | (deliveries.c.target != deliveries.c.message_id)
    chosen = deliveries.c.event_id.in_(event_ids) & deliveries.c.message_id.is_not(None)
    said = deliveries.c.act != DeliveryAct.RECALL.value
    if spoken is not None:
        is_voice = deliveries.c.act == DeliveryAct.SPEAK.value
        said &= is_voice if spoken else ~is_voice
    query = select(deliveries.c.message_id).where(chosen, said, began, ~taken_back).order_by(deliveries.c.id)
    return list(connection.execute(query).scalars())
