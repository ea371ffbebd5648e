"""The world as Discord's JSON. Absent is absent: where Discord leaves a key out, so does this, because
discord.py's parsers fall over an explicit null.

The wrong payloads that a test may want to send are made by :func:`malformed`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tests.emulators.discord.world import Channel, File, Guild, GuildRole, Json, Kind, Membership, Posted, User, World

_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_USER_MENTION = re.compile(r"<@!?(\d+)>")
_ROLE_MENTION = re.compile(r"<@&(\d+)>")


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def mentioned_ids(content: str) -> list[int]:
    """The user ids that ``content`` mentions; markup inside code mentions nobody."""
    return list(dict.fromkeys(int(found) for found in _USER_MENTION.findall(_CODE.sub("", content))))


def mentioned_roles(content: str) -> list[int]:
    return list(dict.fromkeys(int(found) for found in _ROLE_MENTION.findall(_CODE.sub("", content))))


def mentions_everyone(content: str) -> bool:
    bare = _CODE.sub("", content)
    return "@everyone" in bare or "@here" in bare


def user(of: User) -> Json:
    return {
        "id": str(of.id),
        "username": of.name,
        "global_name": None if of.bot else of.name,
        "discriminator": "0",
        "avatar": None,
        "bot": of.bot,
        "public_flags": 0,
    }


def member(of: Membership, *, with_user: bool = True) -> Json:
    payload: Json = {
        "roles": [str(role) for role in of.roles],
        "nick": of.nick,
        "avatar": None,
        "joined_at": iso(of.joined_at),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
    }
    if with_user:
        payload["user"] = user(of.user)
    return payload


def role(of: GuildRole) -> Json:
    payload: Json = {
        "id": str(of.id),
        "name": of.name,
        "permissions": str(of.permissions),
        "position": of.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": of.bot_id is not None,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }
    if of.bot_id is not None:
        payload["tags"] = {"bot_id": str(of.bot_id)}
    return payload


def channel(of: Channel) -> Json:
    last = of.last_message_id
    payload: Json = {
        "id": str(of.id),
        "type": int(of.kind),
        "last_message_id": str(last) if last is not None else None,
        "flags": 0,
    }
    if of.kind is Kind.DIRECT:
        assert of.recipient is not None
        return payload | {"recipients": [user(of.recipient)]}
    assert of.guild is not None
    payload |= {"guild_id": str(of.guild.id), "name": of.name, "rate_limit_per_user": 0}
    if of.kind is Kind.PUBLIC_THREAD:
        assert of.parent is not None
        return payload | {
            "parent_id": str(of.parent.id),
            "owner_id": str(of.owner_id),
            "message_count": len(of.messages),
            "member_count": 1,
            "total_message_sent": len(of.messages),
            "thread_metadata": {
                "archived": False,
                "auto_archive_duration": 1440,
                "archive_timestamp": iso(0),
                "locked": False,
            },
        }
    return payload | {
        "parent_id": None,
        "position": 0,
        "permission_overwrites": [],
        "nsfw": of.nsfw,
        "topic": None,
    }


def guild(of: Guild, *, available: bool = True) -> Json:
    """A GUILD_CREATE. ``available``: sent after READY; without it the bot has just been added."""
    threads = [channel(each) for each in of.channels.values() if each.kind is Kind.PUBLIC_THREAD]
    payload = guild_summary(of) | {
        "channels": [channel(each) for each in of.channels.values() if each.kind is not Kind.PUBLIC_THREAD],
        "threads": threads,
        "members": [member(each) for each in list(of.members.values())[:250]],
        "member_count": len(of.members),
        "joined_at": iso(next(m.joined_at for m in of.members.values() if m.user.bot)),
        "large": False,
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
    if available:
        payload["unavailable"] = False
    return payload


def guild_summary(of: Guild) -> Json:
    return {
        "id": str(of.id),
        "name": of.name,
        "owner_id": str(of.owner_id),
        "icon": None,
        "roles": [role(each) for each in of.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": of.nsfw_level,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "system_channel_id": None,
        "system_channel_flags": 0,
        "afk_timeout": 300,
    }


def attachment(of: File) -> Json:
    payload: Json = {
        "id": str(of.id),
        "filename": of.name,
        "size": len(of.body),
        "url": of.url,
        "proxy_url": of.url,
        "content_type": of.media_type,
    }
    if of.duration_s is not None:
        payload |= {"duration_secs": of.duration_s, "waveform": of.waveform or ""}
    return payload


def message(of: Posted, world: World, *, gateway: bool = False, quoting: bool = True) -> Json:
    """``gateway``: with ``guild_id`` and the author's membership, which the REST side leaves out."""
    guild_of = of.channel.guild
    payload: Json = {
        "id": str(of.id),
        "channel_id": str(of.channel.id),
        "author": user(of.author),
        "content": of.content,
        "timestamp": iso(of.at),
        "edited_timestamp": iso(of.edited_at) if of.edited_at is not None else None,
        "tts": False,
        "mention_everyone": of.pinged_everyone,
        "mentions": [_mentioned(each, guild_of, world, gateway) for each in of.pinged if each in world.users],
        "mention_roles": [str(each) for each in mentioned_roles(of.content)],
        "attachments": [attachment(each) for each in of.files],
        "embeds": [],
        "components": of.components,
        "pinned": False,
        "type": of.type,
        "flags": of.flags,
    }
    if of.reactions:
        payload["reactions"] = [_reaction(emoji, users, world.bot.id) for emoji, users in of.reactions.items()]
    if of.nonce is not None:
        payload["nonce"] = of.nonce
    if of.interaction_id is not None and of.interaction_user is not None:
        payload["application_id"] = str(world.bot.id)
        payload["interaction_metadata"] = {
            "id": str(of.interaction_id),
            "type": 2,
            "user": user(of.interaction_user),
            "authorizing_integration_owners": {},
        }
    if of.reply_to is not None:
        payload["message_reference"] = {"type": 0, "message_id": str(of.reply_to), "channel_id": str(of.channel.id)}
        if guild_of is not None:
            payload["message_reference"]["guild_id"] = str(guild_of.id)
        if quoting:
            quoted = of.channel.messages.get(of.reply_to)
            payload["referenced_message"] = None if quoted is None else message(quoted, world, quoting=False)
    if gateway and guild_of is not None:
        payload["guild_id"] = str(guild_of.id)
        if of.author.id in guild_of.members:
            payload["member"] = member(guild_of.members[of.author.id], with_user=False)
    return payload


def _mentioned(user_id: int, guild_of: Guild | None, world: World, gateway: bool) -> Json:
    payload = user(world.users[user_id])
    if gateway and guild_of is not None and user_id in guild_of.members:
        payload["member"] = member(guild_of.members[user_id], with_user=False)
    return payload


def _reaction(emoji: str, users: list[int], bot_id: int) -> Json:
    return {
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "me": bot_id in users,
        "me_burst": False,
        "burst_colors": [],
        "emoji": {"id": None, "name": emoji},
    }


def malformed(of: Posted, world: World, how: str) -> tuple[str, Json]:
    """A dispatch that ends an unguarded discord.py: ``(event name, payload)``.

    ``how``: ``null_reference`` (an explicit null), ``no_content``, ``update_without_author``, ``not_an_object``.
    """
    payload = message(of, world, gateway=True)
    if how == "null_reference":
        return "MESSAGE_CREATE", payload | {"message_reference": None}
    if how == "no_content":
        del payload["content"]
        return "MESSAGE_CREATE", payload
    if how == "update_without_author":
        return "MESSAGE_UPDATE", payload | {"author": {}}
    if how == "not_an_object":
        return "MESSAGE_CREATE", payload | {"attachments": ["?"]}
    raise ValueError(how)
