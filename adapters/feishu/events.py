"""Their events as ours. What an event leaves out (where a message is, whose it is) is asked of the platform.

The bot is mentioned when a mention carries its own ``open_id``; ``@all`` has no entry among the mentions and
is not a mention of us. Inside a topic the platform names the topic's root as the parent of every message, so
there a reply to us cannot be told from a word to the others, and only a mention counts.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from pydantic import BaseModel, Field, ValidationError

from adapters.feishu.api import Api
from adapters.feishu.directory import PLATFORM, Directory, Place
from adapters.feishu.reading import EVERYONE, clean_name, read
from adapters.feishu.settings import FeishuSettings
from bot.errors import PlatformError
from bot.event import (
    Added,
    Addressed,
    Event,
    Member,
    Message,
    Pressed,
    Reacted,
    Recalled,
    Removed,
    Room,
    RoomKind,
    Said,
)

EMOJI = {"THUMBSUP": "👍", "ThumbsDown": "👎"}
"""Feishu's names of the two reactions by which an answer is rated; others keep their names."""

ALL = "@all"
PRESS = "press"

log = structlog.get_logger(__name__)


class Malformed(Exception):
    """Raised for what is no event of the platform's: not acknowledged, so that nothing is lost silently."""


class _Ids(BaseModel):
    open_id: str = ""


class _Mention(BaseModel):
    key: str
    id: _Ids = _Ids()
    name: str = ""


class _Message(BaseModel):
    message_id: str = Field(min_length=1)
    chat_id: str = Field(min_length=1)
    chat_type: str = ""
    message_type: str = ""
    content: str = ""
    create_time: int = 0
    parent_id: str = ""
    thread_id: str = ""
    mentions: list[_Mention] = Field(default_factory=list)


class _Sender(BaseModel):
    sender_id: _Ids = _Ids()
    sender_type: str = ""


class _Received(BaseModel):
    sender: _Sender
    message: _Message


class _Recalled(BaseModel):
    message_id: str = Field(min_length=1)
    chat_id: str = Field(min_length=1)


class _Emoji(BaseModel):
    emoji_type: str = ""


class _Reaction(BaseModel):
    message_id: str = Field(min_length=1)
    reaction_type: _Emoji = _Emoji()
    operator_type: str = ""
    user_id: _Ids = _Ids()


class _Moved(BaseModel):
    chat_id: str = Field(min_length=1)
    name: str | None = None
    operator_id: _Ids | None = None


class _Action(BaseModel):
    value: dict[str, Any] | str | None = None


class _Where(BaseModel):
    open_message_id: str = ""
    open_chat_id: str = ""


class _Press(BaseModel):
    operator: _Ids
    action: _Action
    context: _Where


class _Header(BaseModel):
    event_id: str = Field(min_length=1)
    event_type: str
    create_time: int = 0
    tenant_key: str | None = None
    token: str = ""


class _Envelope(BaseModel):
    header: _Header
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event of the platform's, told apart but not read yet. ``at``: Unix seconds."""

    id: str
    type: str
    at: float
    space: str | None
    token: str
    body: dict[str, Any]

    @property
    def chat_id(self) -> str:
        """The chat in which it happened; empty where it is not said."""
        place = next(
            (self.body[key] for key in ("message", "context") if isinstance(self.body.get(key), dict)), self.body
        )
        return str(place.get("chat_id") or place.get("open_chat_id") or "")


def open_envelope(payload: bytes | str) -> Arrived:
    """Raises :class:`Malformed`."""
    try:
        envelope = _Envelope.model_validate(json.loads(payload))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no event of schema 2.0: {str(error)[:200]}") from error
    header = envelope.header
    return Arrived(
        header.event_id, header.event_type, header.create_time / 1000, header.tenant_key, header.token, envelope.event
    )


class Translator:
    """``bot_id``: our own ``open_id``, known once the platform was asked."""

    def __init__(self, api: Api, directory: Directory, settings: FeishuSettings) -> None:
        self._api = api
        self._directory = directory
        self._settings = settings
        self.bot_id = ""

    async def translate(self, arrived: Arrived) -> Event | None:
        """None for what is none of our business. Raises :class:`Malformed`."""
        try:
            match arrived.type:
                case "im.message.receive_v1":
                    return await self._said(_Received.model_validate(arrived.body), arrived)
                case "im.message.recalled_v1":
                    return await self._recalled(_Recalled.model_validate(arrived.body), arrived)
                case "im.message.reaction.created_v1" | "im.message.reaction.deleted_v1":
                    return await self._reacted(_Reaction.model_validate(arrived.body), arrived)
                case "im.chat.member.bot.added_v1" | "im.chat.member.bot.deleted_v1":
                    return self._moved(_Moved.model_validate(arrived.body), arrived)
                case "card.action.trigger":
                    return await self._pressed(_Press.model_validate(arrived.body), arrived)
        except ValidationError as error:
            raise Malformed(f"{arrived.type}: {error.error_count()} fields are not as documented") from error
        log.debug("feishu.event_ignored", type=arrived.type)
        return None

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    async def _said(self, received: _Received, arrived: Arrived) -> Event | None:
        theirs, sender = received.message, received.sender
        member_id = sender.sender_id.open_id
        if not member_id or member_id == self.bot_id:
            return None
        kind = RoomKind.DIRECT if theirs.chat_type == "p2p" else RoomKind.GROUP
        self._directory.learn_kind(theirs.chat_id, kind)
        room = self._directory.room(theirs.chat_id, theirs.thread_id, arrived.space)
        names = {EVERYONE: ALL}
        for mention in theirs.mentions:
            is_us = mention.id.open_id == self.bot_id
            names[mention.key] = "" if is_us else f"@{clean_name(mention.name)}"
            self._directory.learn_name(mention.id.open_id, mention.name)
        said = read(theirs.message_id, theirs.message_type, theirs.content, names)
        self._directory.get_to_know(theirs.chat_id, member_id)
        self._directory.remember(theirs.message_id, Place(room, theirs.message_type, ours=False))
        return Said(
            Message(
                id=theirs.message_id,
                room=room,
                author=Member(
                    PLATFORM, member_id, self._directory.name(member_id), is_bot=sender.sender_type in ("app", "bot")
                ),
                text=said.text,
                addressed=await self._addressed(theirs, room),
                reply_to=theirs.parent_id or None,
                attachments=said.attachments,
                sent_at=theirs.create_time / 1000 or arrived.at,
            )
        )

    async def _addressed(self, theirs: _Message, room: Room) -> Addressed:
        if room.kind is RoomKind.DIRECT or theirs.chat_type == "p2p":
            return Addressed.DIRECT
        if any(mention.id.open_id == self.bot_id for mention in theirs.mentions):
            return Addressed.MENTION
        if theirs.parent_id and room.kind is not RoomKind.THREAD:
            parent = await self._directory.place(theirs.parent_id, room.space)
            if parent is not None and parent.ours:
                return Addressed.REPLY
        return Addressed.NONE

    async def _recalled(self, recalled: _Recalled, arrived: Arrived) -> Event:
        room = await self._where(recalled.message_id, recalled.chat_id, arrived)
        return Recalled(room, recalled.message_id, arrived.at)

    async def _reacted(self, reaction: _Reaction, arrived: Arrived) -> Event | None:
        """Only reactions to us: others are not ours to keep."""
        member_id = reaction.user_id.open_id
        if reaction.operator_type != "user" or not member_id:
            return None
        place = await self._directory.place(reaction.message_id, arrived.space)
        if place is None or not place.ours:
            return None
        added = arrived.type == "im.message.reaction.created_v1"
        emoji = await self._reactions_of(reaction.message_id, member_id)
        if emoji is None:  # the platform did not say; the change alone is the next best
            emoji = (reaction.reaction_type.emoji_type,) if added else ()
        member = Member(PLATFORM, member_id, self._directory.name(member_id))
        shown = tuple(EMOJI.get(each, each) for each in emoji)
        return Reacted(place.room, reaction.message_id, member, shown, arrived.at)

    async def _reactions_of(self, message_id: str, member_id: str) -> tuple[str, ...] | None:
        """All reactions of a member on a message, as they are now."""
        path = f"/open-apis/im/v1/messages/{quote(message_id, safe='')}/reactions"
        try:
            async with asyncio.timeout(self._settings.lookup_s):
                data = await self._api.call("GET", path, query={"user_id_type": "open_id", "page_size": "50"})
        except (PlatformError, TimeoutError):
            return None
        return tuple(
            str(item["reaction_type"]["emoji_type"])
            for item in data.get("items") or []
            if item.get("operator", {}).get("operator_id") == member_id
        )

    # ── the rest ─────────────────────────────────────────────────────────────────────────────────────

    def _moved(self, moved: _Moved, arrived: Arrived) -> Event:
        room = self._directory.room(moved.chat_id, space=arrived.space)
        if arrived.type == "im.chat.member.bot.deleted_v1":
            return Removed(room, arrived.at, id=arrived.id)
        self._directory.get_to_know(moved.chat_id)
        by = moved.operator_id.open_id if moved.operator_id is not None else ""
        member = Member(PLATFORM, by, self._directory.name(by)) if by else None
        return Added(room, arrived.at, by=member, id=arrived.id)

    async def _pressed(self, press: _Press, arrived: Arrived) -> Event | None:
        value = press.action.value
        button = value.get("id") if isinstance(value, dict) else None
        if not isinstance(button, str) or not button or not press.operator.open_id or not press.context.open_chat_id:
            return None
        message_id = press.context.open_message_id
        room = await self._where(message_id, press.context.open_chat_id, arrived)
        member = Member(PLATFORM, press.operator.open_id, self._directory.name(press.operator.open_id))
        # The answer to a press replies to the card, and each press is another interaction.
        return Pressed(
            room,
            member,
            interaction_id=f"{PRESS}/{arrived.id}/{message_id}",
            at=arrived.at,
            button=button,
            message_id=message_id or None,
        )

    async def _where(self, message_id: str, chat_id: str, arrived: Arrived) -> Room:
        place = await self._directory.place(message_id, arrived.space) if message_id else None
        return place.room if place is not None else self._directory.room(chat_id, space=arrived.space)


def replied_message(reply_to: str) -> str | None:
    """The message that a delivery replies to: itself, or the card on which a button was pressed."""
    if not reply_to.startswith(f"{PRESS}/"):
        return reply_to
    return reply_to.rpartition("/")[2] or None
