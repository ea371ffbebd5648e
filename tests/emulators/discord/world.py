"""The world behind the emulated API: guilds, channels, members, messages – and what its members would see.

Everything is plain data in memory. ``World.log`` keeps each thing that appeared on a member's screen, in
order: the tests judge the bot by it, not by what the bot believes to have done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

DISCORD_EPOCH_MS = 1_420_070_400_000
"""Snowflakes count milliseconds from the first second of 2015 (Discord's reference, "Snowflakes")."""

Json = dict[str, Any]


class Kind(IntEnum):
    """Channel types, by Discord's numbers."""

    TEXT = 0
    DIRECT = 1
    PUBLIC_THREAD = 11
    FORUM = 15


class Act(StrEnum):
    POSTED = "posted"
    EDITED = "edited"
    DELETED = "deleted"
    REACTED = "reacted"
    TYPING = "typing"
    THINKING = "thinking"


@dataclass(slots=True)
class User:
    id: int
    name: str
    bot: bool = False


@dataclass(slots=True)
class GuildRole:
    id: int
    name: str
    permissions: int = 0
    position: int = 1
    bot_id: int | None = None


@dataclass(slots=True)
class Membership:
    user: User
    joined_at: float
    roles: list[int] = field(default_factory=list)
    nick: str | None = None


@dataclass(slots=True)
class File:
    """``media_type`` is what the uploader said; only ``audio/…`` may be a voice message."""

    id: int
    name: str
    media_type: str
    body: bytes
    duration_s: float | None = None
    waveform: str | None = None
    url: str = ""


@dataclass(slots=True)
class Posted:
    """A message as the platform holds it. ``pinged`` are the users whom it really notified."""

    id: int
    channel: Channel
    author: User
    content: str
    at: float
    type: int = 0
    flags: int = 0
    edited_at: float | None = None
    reply_to: int | None = None
    files: list[File] = field(default_factory=list)
    reactions: dict[str, list[int]] = field(default_factory=dict)
    components: list[Json] = field(default_factory=list)
    nonce: str | None = None
    pinged: tuple[int, ...] = ()
    pinged_everyone: bool = False
    interaction_id: int | None = None
    interaction_user: User | None = None
    deleted: bool = False


@dataclass(slots=True)
class Channel:
    id: int
    kind: Kind
    name: str
    guild: Guild | None = None
    parent: Channel | None = None
    owner_id: int = 0
    nsfw: bool = False
    recipient: User | None = None
    messages: dict[int, Posted] = field(default_factory=dict)

    @property
    def last_message_id(self) -> int | None:
        return next(reversed(self.messages)) if self.messages else None


@dataclass(slots=True)
class Guild:
    id: int
    name: str
    owner_id: int
    nsfw_level: int = 0
    joined: bool = True
    roles: dict[int, GuildRole] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    members: dict[int, Membership] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing that members of a channel saw. ``text`` is the content, or the emoji of a reaction."""

    at: float
    act: Act
    channel_id: int
    author_id: int
    message_id: int | None = None
    text: str = ""


class World:
    """All of it. ``now`` may be replaced to run on another clock (Unix seconds)."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[int, File] = {}
        self.log: list[Shown] = []
        self.on_log: Callable[[], None] = lambda: None
        self._last_snowflake = 0
        self.bot = self.user("Maodou", bot=True)

    def snowflake(self, at: float | None = None) -> int:
        """An id of this moment, larger than every one before; ``at`` back-dates it (and may then repeat an age)."""
        moment = int((self.now() if at is None else at) * 1000) - DISCORD_EPOCH_MS
        made = moment << 22
        if at is not None:
            return made | (self._last_snowflake & 0x3FFFFF)
        self._last_snowflake = max(made, self._last_snowflake + 1)
        return self._last_snowflake

    def note(self, act: Act, channel: Channel, author: User, message_id: int | None = None, text: str = "") -> None:
        self.log.append(Shown(self.now(), act, channel.id, author.id, message_id, text))
        self.on_log()

    # ── people and places ────────────────────────────────────────────────────────────────────────────

    def user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.snowflake(), name, bot)
        self.users[user.id] = user
        return user

    def guild(self, name: str, owner: User | None = None, *, nsfw_level: int = 0) -> Guild:
        """A server with the bot in it, and the bot's own managed role, as Discord makes one."""
        owner = owner or self.user(f"{name}'s owner")
        guild = Guild(self.snowflake(), name, owner.id, nsfw_level)
        everyone = GuildRole(guild.id, "@everyone", permissions=0x68C41, position=0)
        managed = GuildRole(self.snowflake(), self.bot.name, permissions=0x68C41, bot_id=self.bot.id)
        guild.roles = {everyone.id: everyone, managed.id: managed}
        self.guilds[guild.id] = guild
        self.join(guild, owner)
        self.join(guild, self.bot, roles=[managed.id])
        return guild

    def role(self, guild: Guild, name: str, permissions: int) -> GuildRole:
        role = GuildRole(self.snowflake(), name, permissions, position=len(guild.roles))
        guild.roles[role.id] = role
        return role

    def join(self, guild: Guild, user: User, *, roles: list[int] | None = None, nick: str | None = None) -> Membership:
        membership = Membership(user, self.now(), list(roles or ()), nick)
        guild.members[user.id] = membership
        return membership

    def channel(self, guild: Guild, name: str, *, kind: Kind = Kind.TEXT, nsfw: bool = False) -> Channel:
        channel = Channel(self.snowflake(), kind, name, guild, nsfw=nsfw)
        guild.channels[channel.id] = channel
        self.channels[channel.id] = channel
        return channel

    def thread(self, parent: Channel, name: str, owner: User, *, id: int | None = None) -> Channel:
        """A thread; one begun from a message takes that message's id."""
        thread = Channel(id or self.snowflake(), Kind.PUBLIC_THREAD, name, parent.guild, parent, owner.id)
        assert parent.guild is not None
        parent.guild.channels[thread.id] = thread
        self.channels[thread.id] = thread
        return thread

    def direct(self, user: User) -> Channel:
        """The bot's direct channel with ``user``; always the same one."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.snowflake(), Kind.DIRECT, "", recipient=user)
        self.channels[channel.id] = channel
        return channel

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def post(self, channel: Channel, author: User, content: str, **fields: Any) -> Posted:
        message = Posted(self.snowflake(), channel, author, content, self.now(), **fields)
        channel.messages[message.id] = message
        for file in message.files:
            self.files[file.id] = file
        self.note(Act.THINKING if message.flags & 128 else Act.POSTED, channel, author, message.id, content)
        return message

    def message(self, message_id: int) -> Posted | None:
        for channel in self.channels.values():
            if message_id in channel.messages:
                return channel.messages[message_id]
        return None

    def delete(self, message: Posted) -> None:
        message.deleted = True
        del message.channel.messages[message.id]
        self.note(Act.DELETED, message.channel, message.author, message.id)
