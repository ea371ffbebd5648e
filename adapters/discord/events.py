"""Theirs into ours: what discord.py hands over, as the core's events. Nothing here waits or keeps anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

import discord

from bot.event import (
    Added,
    Addressed,
    Attachment,
    AttachmentKind,
    Edited,
    Member,
    Message,
    Recalled,
    Removed,
    Room,
    RoomKind,
    Said,
)

PLATFORM = "discord"

SPOKEN = {discord.MessageType.default, discord.MessageType.reply}
"""The kinds of message that somebody wrote; joins, pins and boosts are not said to anyone."""

_MARKUP = re.compile(
    r"<(?:@!?(?P<user>\d+)|@&(?P<role>\d+)|#(?P<channel>\d+)|a?:(?P<emoji>\w+):\d+|/(?P<command>[-\w ]+):\d+)>"
)
_MOST_NAME_CHARS = 64

Place = (
    discord.TextChannel
    | discord.VoiceChannel
    | discord.StageChannel
    | discord.ForumChannel
    | discord.CategoryChannel
    | discord.Thread
    | discord.DMChannel
    | discord.GroupChannel
    | discord.PartialMessageable
)


def room_of(place: object) -> Room | None:
    """The room of a channel; None for what is no place to talk."""
    if isinstance(place, discord.DMChannel | discord.GroupChannel):
        return Room(PLATFORM, str(place.id), RoomKind.DIRECT)
    if isinstance(place, discord.Thread):
        return Room(
            PLATFORM,
            str(place.id),
            RoomKind.THREAD,
            name=readable(place.name),
            parent=str(place.parent_id),
            space=str(place.guild.id),
            age_restricted=is_adult(place.guild) or bool(place.parent and place.parent.is_nsfw()),
        )
    if isinstance(place, discord.TextChannel | discord.VoiceChannel | discord.StageChannel):
        return Room(
            PLATFORM,
            str(place.id),
            RoomKind.GROUP,
            name=readable(place.name),
            space=str(place.guild.id),
            age_restricted=is_adult(place.guild) or place.is_nsfw(),
        )
    if isinstance(place, discord.PartialMessageable):  # a channel of which the gateway has not told us yet
        if place.guild_id is None:
            return Room(PLATFORM, str(place.id), RoomKind.DIRECT)
        # Not marked as age-restricted: until Discord says so, the stricter filter holds.
        return Room(PLATFORM, str(place.id), RoomKind.GROUP, space=str(place.guild_id))
    return None


def is_adult(guild: discord.Guild) -> bool:
    return guild.nsfw_level in (discord.NSFWLevel.explicit, discord.NSFWLevel.age_restricted)


def readable(name: str, fallback: str = "") -> str:
    """A name on one line without what cannot be seen: control, direction and zero-width characters."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())[:_MOST_NAME_CHARS] or fallback
    shown = "".join(char for char in name if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return " ".join(shown.split())[:_MOST_NAME_CHARS] or fallback


def member_of(user: discord.User | discord.Member | discord.Object, *, is_bot: bool = False) -> Member:
    name = getattr(user, "display_name", "")
    return Member(PLATFORM, str(user.id), readable(name, str(user.id)), is_bot or bool(getattr(user, "bot", False)))


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────


def message_of(message: discord.Message, bot_id: int, max_chars: int) -> Message | None:
    """The message as the core reads it; None for our own and for what nobody wrote."""
    room = room_of(message.channel)
    if room is None or message.author.id == bot_id or message.type not in SPOKEN:
        return None
    reference = message.reference
    replies = reference is not None and reference.type is discord.MessageReferenceType.reply
    return Message(
        id=str(message.id),
        room=room,
        author=member_of(message.author, is_bot=message.webhook_id is not None),
        text=_text(message, bot_id)[:max_chars],
        addressed=_addressed(message, room, bot_id),
        reply_to=str(reference.message_id) if replies and reference is not None and reference.message_id else None,
        attachments=tuple(_attachments(message)),
        sent_at=message.created_at.timestamp(),
    )


def said(message: discord.Message, bot_id: int, max_chars: int) -> Said | None:
    ours = message_of(message, bot_id, max_chars)
    return Said(ours) if ours is not None else None


def edited(message: discord.Message, before: discord.Message | None, bot_id: int, max_chars: int) -> Edited | None:
    """None unless a member changed the words: Discord also updates a message for a link's preview or a pin."""
    if message.edited_at is None or (before is not None and before.content == message.content):
        return None
    ours = message_of(message, bot_id, max_chars)
    return Edited(ours, message.edited_at.timestamp()) if ours is not None else None


def _addressed(message: discord.Message, room: Room, bot_id: int) -> Addressed:
    """By ids alone. ``mentions`` is Discord's own list, so markup inside code or a quoted name is no mention;
    a reply that pings us is in it too, without our markup in the text."""
    if room.kind is RoomKind.DIRECT:
        return Addressed.DIRECT
    mentioned = any(user.id == bot_id for user in message.mentions)
    if mentioned and re.search(rf"<@!?{bot_id}>", message.content):
        return Addressed.MENTION
    if any(role.tags is not None and role.tags.bot_id == bot_id for role in message.role_mentions):
        return Addressed.MENTION  # the role that Discord made for us, which members pick as easily
    reference = message.reference
    quoted = reference.resolved if reference is not None else None
    if isinstance(quoted, discord.Message) and quoted.author.id == bot_id and message.type is discord.MessageType.reply:
        return Addressed.REPLY
    return Addressed.MENTION if mentioned else Addressed.NONE


def _text(message: discord.Message, bot_id: int) -> str:
    """The content with readable names for ids, without our own; a forwarded message's text stands in it too."""
    users = {user.id: user for user in message.mentions}
    ours = {role.id for role in message.role_mentions if role.tags is not None and role.tags.bot_id == bot_id}

    def name(found: re.Match[str]) -> str:
        kind, value = found.lastgroup, found[found.lastgroup or 0]
        if kind == "user":
            if int(value) == bot_id:
                return ""
            user = users.get(int(value))
            return found[0] if user is None else f"@{readable(user.display_name, value)}"
        if kind == "role":
            if int(value) in ours:
                return ""
            role = message.guild.get_role(int(value)) if message.guild is not None else None
            return found[0] if role is None else f"@{readable(role.name, value)}"
        if kind == "channel":
            channel = message.guild.get_channel_or_thread(int(value)) if message.guild is not None else None
            return found[0] if channel is None else f"#{readable(channel.name, value)}"
        return f":{value}:" if kind == "emoji" else f"/{value}"

    texts = [message.content, *(snapshot.content for snapshot in message.message_snapshots)]
    return "\n".join(_MARKUP.sub(name, text).strip() for text in texts if text)


def _attachments(message: discord.Message) -> Iterator[Attachment]:
    for each in message.attachments:
        media_type = each.content_type or ""
        if each.is_voice_message():
            kind = AttachmentKind.VOICE
        else:
            kind = AttachmentKind.IMAGE if media_type.startswith("image/") else AttachmentKind.FILE
        yield Attachment(
            kind=kind,
            ref=attachment_ref(message.channel.id, message.id, each.id, each.url),
            name=readable(each.filename, str(each.id)),
            media_type=media_type,
            size_bytes=each.size,
            duration_s=each.duration,
        )


def attachment_ref(channel_id: int, message_id: int, attachment_id: int, url: str) -> str:
    """Where it lies now, and how to ask again when the signed address has run out (after about a day)."""
    return f"{channel_id}/{message_id}/{attachment_id} {url}"


# ── everything else ──────────────────────────────────────────────────────────────────────────────────────


def recalled(room: Room, message_ids: Collection[int], at: float) -> list[Recalled]:
    return [Recalled(room, str(message_id), at) for message_id in sorted(message_ids)]


def added(guild: discord.Guild, at: float) -> Added | None:
    """We came into a server: its first room where we may speak is where to say hello."""
    me = guild.me
    places = [guild.system_channel, *sorted(guild.text_channels, key=lambda channel: (channel.position, channel.id))]
    for place in places:
        if place is None or not place.permissions_for(me).send_messages or not place.permissions_for(me).view_channel:
            continue
        room = room_of(place)
        if room is not None:
            joined = me.joined_at.timestamp() if me.joined_at is not None else at
            return Added(room, at, id=f"{guild.id}-{joined:.0f}")
    return None


def removed(room: Room, at: float) -> Removed:
    return Removed(room, at)
