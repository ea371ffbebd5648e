"""What happens in a room, in our own words.

An adapter turns what its platform says into one of these events; everything after it speaks only this
vocabulary. Each event has a ``key``, equal for every redelivery of the same happening: the inbox keeps
keys, and so nothing is handled twice.

Times are Unix seconds (float, UTC). Frozen throughout: an event is a fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import Discriminator, TypeAdapter


class RoomKind(StrEnum):
    GROUP = "group"
    DIRECT = "direct"
    THREAD = "thread"


class Role(IntEnum):
    """What a member may do; the order is the rank. Operators are named in ``config.yaml``."""

    MEMBER = 0
    MODERATOR = 1
    ADMIN = 2
    OWNER = 3
    OPERATOR = 4


class Addressed(StrEnum):
    """How a message turns to us, by the platform's own ids – never by a configured name, except ``NAME``."""

    MENTION = "mention"
    REPLY = "reply"
    DIRECT = "direct"
    NAME = "name"
    NONE = "none"


class AttachmentKind(StrEnum):
    VOICE = "voice"
    IMAGE = "image"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Room:
    """A place where messages are read in one order.

    ``parent`` is the room a thread hangs from; ``space`` the Discord server or Feishu tenant around it.
    """

    platform: str
    id: str
    kind: RoomKind = RoomKind.GROUP
    name: str = ""
    parent: str | None = None
    space: str | None = None
    age_restricted: bool = False

    @property
    def key(self) -> str:
        """Unique over all platforms: the name of the room's lane."""
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True)
class Member:
    platform: str
    id: str
    name: str = ""
    is_bot: bool = False

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something beside the text. ``ref`` is what the adapter needs to fetch it – later, and only if wanted.
    ``transcript``: what was heard in a voice message, once it was."""

    kind: AttachmentKind
    ref: str
    name: str = ""
    media_type: str = ""
    size_bytes: int | None = None
    duration_s: float | None = None
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a member wrote. ``text`` is free of the platform's mention markup for us; others' names are readable."""

    id: str
    room: Room
    author: Member
    text: str
    addressed: Addressed = Addressed.NONE
    reply_to: str | None = None
    attachments: tuple[Attachment, ...] = ()
    sent_at: float = 0.0

    @property
    def is_addressed(self) -> bool:
        return self.addressed is not Addressed.NONE


@dataclass(frozen=True, slots=True)
class Said:
    message: Message
    kind: Literal["said"] = "said"

    @property
    def room(self) -> Room:
        return self.message.room

    @property
    def key(self) -> str:
        return f"{self.room.platform}:said:{self.message.id}"

    @property
    def at(self) -> float:
        return self.message.sent_at


@dataclass(frozen=True, slots=True)
class Edited:
    """A member changed a message; ``message`` is the new whole."""

    message: Message
    at: float
    kind: Literal["edited"] = "edited"

    @property
    def room(self) -> Room:
        return self.message.room

    @property
    def key(self) -> str:
        return f"{self.room.platform}:edited:{self.message.id}:{self.at:.3f}"


@dataclass(frozen=True, slots=True)
class Recalled:
    """A message was taken back. Whatever we kept of its text is erased."""

    room: Room
    message_id: str
    at: float
    kind: Literal["recalled"] = "recalled"

    @property
    def key(self) -> str:
        return f"{self.room.platform}:recalled:{self.message_id}"


@dataclass(frozen=True, slots=True)
class Reacted:
    """The whole set of a member's reactions on a message, after the change."""

    room: Room
    message_id: str
    member: Member
    emoji: tuple[str, ...]
    at: float
    kind: Literal["reacted"] = "reacted"

    @property
    def key(self) -> str:
        shown = "".join(sorted(self.emoji))
        return f"{self.room.platform}:reacted:{self.message_id}:{self.member.id}:{shown}:{self.at:.3f}"


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button or a slash command. ``button`` is an opaque stored id, ``command`` what a slash command spells.
    ``language``: that of the member's client, ``zh`` or ``en``, where the platform tells."""

    room: Room
    member: Member
    interaction_id: str
    at: float
    button: str | None = None
    command: str | None = None
    message_id: str | None = None
    language: str | None = None
    kind: Literal["pressed"] = "pressed"

    @property
    def key(self) -> str:
        return f"{self.room.platform}:pressed:{self.interaction_id}"


@dataclass(frozen=True, slots=True)
class Added:
    """We were added to a room."""

    room: Room
    at: float
    by: Member | None = None
    id: str = ""
    kind: Literal["added"] = "added"

    @property
    def key(self) -> str:
        return f"{self.room.platform}:added:{self.room.id}:{self.id or f'{self.at:.0f}'}"


@dataclass(frozen=True, slots=True)
class Removed:
    """We were removed from a room."""

    room: Room
    at: float
    id: str = ""
    kind: Literal["removed"] = "removed"

    @property
    def key(self) -> str:
        return f"{self.room.platform}:removed:{self.room.id}:{self.id or f'{self.at:.0f}'}"


Event = Said | Edited | Recalled | Reacted | Pressed | Added | Removed

_adapter: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Discriminator("kind")])


def dump_event(event: Event) -> str:
    """The event as one line of JSON, for the inbox."""
    return _adapter.dump_json(event).decode()


def load_event(payload: str) -> Event:
    """The reverse of :func:`dump_event`. Raises pydantic's ``ValidationError`` on what is no event of ours."""
    return _adapter.validate_json(payload)
