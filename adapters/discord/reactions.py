"""Reactions as a rating: the whole of what one member shows on a message, after the change.

Discord tells of single reactions, and of a removed one not whose message it was on. So what stands on the
message is read back; that is also right after events were missed or came twice.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import discord
import structlog

from adapters.discord import events
from bot.event import Reacted, Room
from bot.happenings import DISLIKED, LIKED

log = structlog.get_logger(__name__)

_SKIN_TONES = dict.fromkeys(range(127995, 128000))


def plain(emoji: str) -> str:
    """Without its skin tone: 👍🏽 is 👍."""
    return emoji.translate(_SKIN_TONES)


def is_rating(emoji: str) -> bool:
    return plain(emoji) in LIKED | DISLIKED


async def rating_of(
    client: discord.Client, payload: discord.RawReactionActionEvent, room: Room, at: float
) -> Reacted | None:
    """What the member of ``payload`` shows on a message of ours; None for other emoji and others' messages."""
    bot_id = client._connection.self_id
    by_other = payload.message_author_id is not None and payload.message_author_id != bot_id
    if by_other or payload.emoji.is_custom_emoji() or not is_rating(payload.emoji.name):
        return None
    try:
        message: Any = await client.http.get_message(payload.channel_id, payload.message_id)
        if int(message["author"]["id"]) != bot_id:
            return None
        shown = []
        for reaction in message.get("reactions", ()):
            name = str(reaction["emoji"]["name"])
            if reaction["emoji"]["id"] is None and is_rating(name) and await _shows(client, payload, name):
                shown.append(plain(name))
    except (discord.HTTPException, aiohttp.ClientError) as error:
        log.warning("discord.reactions_unread", message=payload.message_id, error=str(error))
        return None
    member = events.member_of(payload.member or discord.Object(payload.user_id))
    return Reacted(room, str(payload.message_id), member, tuple(dict.fromkeys(shown)), at)


async def _shows(client: discord.Client, payload: discord.RawReactionActionEvent, emoji: str) -> bool:
    """Whether the member is among those who show it; the list is in the order of ids."""
    users: Any = await client.http.get_reaction_users(
        payload.channel_id, payload.message_id, emoji, limit=1, after=payload.user_id - 1
    )
    return any(int(user["id"]) == payload.user_id for user in users)
