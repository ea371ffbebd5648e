"""Attachments: fetched when somebody wants them, from Discord's own server and no other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord
import structlog

from adapters.discord.settings import CDN_BASE, DiscordSettings
from adapters.discord.texts import GONE, TOO_LARGE
from bot.errors import MemberError, PlatformError
from bot.event import Attachment

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 * 1024
OTHER_CDN = "https://media.discordapp.net"


class Attachments:
    def __init__(self, settings: DiscordSettings) -> None:
        self._settings = settings

    async def fetch(self, client: discord.Client, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        """The file in the folder ``into``. Its address is signed for about a day; after that Discord is asked for
        a new one. Raises ``MemberError`` when it is gone or larger than ``max_bytes``."""
        where, _, url = attachment.ref.partition(" ")
        target = into / _file_name(attachment.name)
        if attachment.size_bytes is not None and attachment.size_bytes > max_bytes:
            raise _too_large(max_bytes)
        timeout = aiohttp.ClientTimeout(total=self._settings.fetch_timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            if not await self._download(session, url, target, max_bytes):
                url = await self._new_address(client, where)
                if not await self._download(session, url, target, max_bytes):
                    raise MemberError(GONE)
        return target

    async def _download(self, session: aiohttp.ClientSession, url: str, target: Path, max_bytes: int) -> bool:
        """False when the address is no longer good."""
        self._check(url)
        async with session.get(url, proxy=self._settings.proxy or None, allow_redirects=False) as response:
            if response.status in (403, 404, 410):
                return False
            if response.status != 200:
                raise PlatformError(f"Discord's file server answered {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
        await asyncio.to_thread(target.write_bytes, body)
        return True

    def _check(self, url: str) -> None:
        """Raises ``PlatformError`` for an address that is not Discord's: an event must not send us elsewhere."""
        ours = urlsplit(url)
        for base in (self._settings.cdn_base, *((OTHER_CDN,) if self._settings.cdn_base == CDN_BASE else ())):
            allowed = urlsplit(base)
            if (ours.scheme, ours.netloc) == (allowed.scheme, allowed.netloc):
                return
        raise PlatformError(f"{ours.netloc} is not Discord's file server")

    @staticmethod
    async def _new_address(client: discord.Client, where: str) -> str:
        channel_id, message_id, attachment_id = map(int, where.split("/"))
        try:
            message: Any = await client.http.get_message(channel_id, message_id)
        except (discord.NotFound, discord.Forbidden) as error:
            raise MemberError(GONE) from error
        for each in message["attachments"]:
            if int(each["id"]) == attachment_id:
                return str(each["url"])
        raise MemberError(GONE)


def _file_name(name: str) -> str:
    """A name for the disk: the member's own, without a path."""
    return name.replace("/", "_").replace("\\", "_").lstrip(".")[:120] or "attachment"


def _too_large(max_bytes: int) -> MemberError:
    return MemberError(TOO_LARGE, most=f"{max_bytes / 1024 / 1024:.0f}")
