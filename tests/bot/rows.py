"""Puts events, decisions and deliveries into the store as the running assistant would leave them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from bot.decision import Outcome, Reason
from bot.delivery import Content, DeliveryAct, DeliveryState, dump_content
from bot.event import Event, Member, Message, Room, Said, dump_event
from bot.store import Operation
from bot.tables import deliveries, inbox

ROOM = Room("web", "lobby")
ANNA = Member("web", "anna", "Anna")
BOB = Member("web", "bob", "Bob")


def said(message_id: str, member: Member = ANNA, room: Room = ROOM, text: str = "怎么安装？") -> Said:
    return Said(Message(message_id, room, member, text))


def happened(
    event: Event,
    at: float,
    *,
    outcome: Outcome | None = Outcome.ANSWERED,
    reason: Reason = Reason.FROM_DOCUMENTS,
    details: dict[str, Any] | None = None,
    due_at: float | None = None,
) -> Operation[int]:
    """An event and, unless ``outcome`` is None, its decision; returns the event's id."""
    message = getattr(event, "message", None)
    member = message.author if message else getattr(event, "member", None)
    row = {
        "key": event.key,
        "room": event.room.key,
        "kind": event.kind,
        "message_id": message.id if message else getattr(event, "message_id", None),
        "member": member.key if member else None,
        "payload": dump_event(event),
        "at": at,
        "received_at": at,
        "due_at": due_at,
        "outcome": outcome.value if outcome else None,
        "reason": reason.value if outcome else None,
        "details": details,
        "decided_at": at + 0.4 if outcome else None,
    }
    return lambda connection: connection.execute(insert(inbox).values(row).returning(inbox.c.id)).scalar_one()


def answered(
    event_id: int | None,
    at: float,
    message_id: str | None = "a1",
    *,
    state: DeliveryState = DeliveryState.SENT,
    room: Room = ROOM,
    part: int = 0,
    error: str = "",
) -> Operation[int]:
    """A delivery for an event; returns its id."""
    row = {
        "key": f"k{event_id}-{part}-{message_id}-{at}",
        "event_id": event_id,
        "room": room.key,
        "part": part,
        "act": DeliveryAct.SEND.value,
        "content": dump_content(Content("pip install")),
        "state": state.value,
        "planned_at": at,
        "message_id": message_id,
        "attempts": 1,
        "error": error,
    }
    return lambda connection: connection.execute(insert(deliveries).values(row).returning(deliveries.c.id)).scalar_one()


def texts_of(connection: Connection) -> tuple[list[str | None], list[str | None]]:
    """Which messages still have their text, and which of our answers."""
    spoken = inbox.c.kind.in_(("said", "edited", "pressed"))
    messages = select(inbox.c.message_id).where(spoken, inbox.c.payload.is_not(None)).order_by(inbox.c.id)
    answers = select(deliveries.c.message_id).where(deliveries.c.content.is_not(None)).order_by(deliveries.c.id)
    return list(connection.execute(messages).scalars()), list(connection.execute(answers).scalars())


def keys_of(connection: Connection) -> list[str | None]:
    """The messages whose rows are there, with or without a text."""
    return list(connection.execute(select(inbox.c.message_id).order_by(inbox.c.id)).scalars())
