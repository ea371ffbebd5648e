"""What leaves us: a content, planned as keyed deliveries, each with a state of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from pydantic import TypeAdapter

from bot.event import Room


@dataclass(frozen=True, slots=True)
class Button:
    """``command`` is what pressing it does, as text (``/why 42``). Platforms show ``label`` and are given only
    the opaque ``id``, under which the outbox keeps the command."""

    label: str
    command: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Audio:
    """A spoken answer: ogg/opus, 48 kHz, mono. ``waveform``: 256 loudness points of 0–255."""

    path: str
    duration_s: float
    waveform: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Speech:
    """What is to be said aloud. ``text``: as it is spoken, without Markdown. ``language``: zh or en. ``voice``: whose,
    as the speech service names it; empty: the one that is configured for the language."""

    text: str
    language: str
    voice: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """``text`` is Markdown; adapters degrade what their platform cannot show. ``speech`` is what ``audio`` says, or
    will say once it is made."""

    text: str
    buttons: tuple[Button, ...] = ()
    audio: Audio | None = None
    speech: Speech | None = None


_content: TypeAdapter[Content] = TypeAdapter(Content)


def dump_content(content: Content) -> str:
    """The content as one line of JSON, for the outbox's table."""
    return _content.dump_json(content).decode()


def load_content(payload: str) -> Content:
    """The reverse of :func:`dump_content`."""
    return _content.validate_json(payload)


class DeliveryState(StrEnum):
    PLANNED = "planned"
    OPEN = "open"  # a stream that is being written; completed, never begun again
    SENT = "sent"
    UNCERTAIN = "uncertain"  # past the platform's key window, and the room could not be read back
    UNDELIVERABLE = "undeliverable"
    CANCELLED = "cancelled"


class DeliveryAct(StrEnum):
    SEND = "send"
    STREAM = "stream"  # sent with its first words while the answer is made, completed by one whole-text edit
    EDIT = "edit"  # whole-text edit of ``target``: needs no key
    RECALL = "recall"  # takes ``target`` back
    SPEAK = "speak"  # a voice message: its sound is made first, beside the queue; then it is sent like ``SEND``


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call to a platform.

    ``key`` is derived from the event and the part and never changes: at most 25 characters, which is what
    Discord's ``nonce`` takes and fits Feishu's ``uuid``.
    ``planned_at`` is before any attempt, so ``planned_at + window`` is a safe end of the platform's promise
    to recognise the key.
    """

    id: int
    key: str
    room: Room
    act: DeliveryAct
    content: Content
    state: DeliveryState
    planned_at: float
    part: int = 0
    event_id: int | None = None
    reply_to: str | None = None
    target: str | None = None
    message_id: str | None = None
    attempts: int = 0
    error: str = ""


def delivery_key(origin: str, part: int) -> str:
    """100 bits of SHA-256 over the origin's key and the part, as 25 hexadecimal digits."""
    return hashlib.sha256(f"{origin}#{part}".encode()).hexdigest()[:25]
