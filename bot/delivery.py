"""What leaves us: a content, planned as keyed deliveries, each with a state of its own."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum

from bot.event import Room


@dataclass(frozen=True, slots=True)
class Button:
    """``command`` is what pressing it does, as text (``/why 42``); platforms only ever see an opaque id."""

    label: str
    command: str


@dataclass(frozen=True, slots=True)
class Audio:
    """A spoken answer: ogg/opus, 48 kHz, mono. ``waveform``: 256 loudness points of 0–255."""

    path: str
    duration_s: float
    waveform: bytes = b""


@dataclass(frozen=True, slots=True)
class Content:
    """``text`` is Markdown; adapters degrade what their platform cannot show."""

    text: str
    buttons: tuple[Button, ...] = ()
    audio: Audio | None = None


class DeliveryState(StrEnum):
    PLANNED = "planned"
    OPEN = "open"  # a stream that is being written; completed, never begun again
    SENT = "sent"
    UNCERTAIN = "uncertain"  # past the platform's key window, and the room could not be read back
    UNDELIVERABLE = "undeliverable"
    CANCELLED = "cancelled"


class DeliveryAct(StrEnum):
    SEND = "send"
    EDIT = "edit"  # whole-text edit of ``target``: needs no key
    RECALL = "recall"  # takes ``target`` back


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
    """100 bits of SHA-256 over the origin's key and the part, as 20 characters of base 32."""
    digest = hashlib.sha256(f"{origin}#{part}".encode()).digest()
    return b32encode(digest)[:20].decode().lower()
