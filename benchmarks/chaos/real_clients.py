"""The bot's side on a real platform: its adapter and its client as they are, with the fuse around them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos.breaks import Break
from benchmarks.chaos.points import Fuse, Point
from benchmarks.chaos.script import MAX_CHARS
from bot.delivery import Content, Delivery
from bot.event import Attachment, Event, Member, Role, Room
from bot.ports import Accept, Capabilities, Platform, Standing, SystemClock
from bot.store import Store

BREAKS = (Break.KEY, Break.LOOK, Break.ACK_ORDER)
"""The mechanisms that can be taken out of a real client's way."""

KEPT_LATER_S = 0.3


class Fused:
    """A platform that dies at its named points. Short messages, so that long answers split. ``breaks``: one of
    :data:`BREAKS`."""

    def __init__(self, platform: Platform, fuse: Fuse, breaks: Break | None = None) -> None:
        self._platform = platform
        self._fuse = fuse
        self._breaks = breaks
        self._later: set[asyncio.Task[bool]] = set()

    @property
    def name(self) -> str:
        return self._platform.name

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._platform.capabilities, max_chars=MAX_CHARS)

    async def run(self, accept: Accept) -> None:
        async def accepted(event: Event) -> bool:
            if self._breaks is Break.ACK_ORDER:  # says that it is kept, and keeps it a moment later
                self._later.add(asyncio.create_task(self._keep_later(accept, event)))
                return True
            new = await accept(event)
            self._fuse.reached(Point.BETWEEN_COMMIT_AND_ACK)
            return new

        await self._platform.run(accepted)

    async def _keep_later(self, accept: Accept, event: Event) -> bool:
        await asyncio.sleep(KEPT_LATER_S)
        self._fuse.reached(Point.BETWEEN_COMMIT_AND_ACK)
        return await accept(event)

    async def send(self, delivery: Delivery) -> str:
        if delivery.part:
            self._fuse.reached(Point.BETWEEN_PARTS)
        self._fuse.reached(Point.BETWEEN_COMMIT_AND_SEND)
        if self._breaks is Break.KEY:
            delivery = replace(delivery, key=secrets.token_hex(10))
        message_id = await self._platform.send(delivery)
        self._fuse.reached(Point.BETWEEN_SEND_AND_MARK)
        return message_id

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        self._fuse.reached(Point.MID_STREAM)
        await self._platform.edit(room, message_id, content)
        self._fuse.reached(Point.MID_STREAM)

    async def recall(self, room: Room, message_id: str) -> None:
        await self._platform.recall(room, message_id)

    async def find(self, delivery: Delivery) -> str | None:
        if self._breaks is Break.LOOK:
            return None
        return await self._platform.find(delivery)

    async def role(self, room: Room, member: Member) -> Role:
        return await self._platform.role(room, member)

    async def standing(self, room: Room) -> Standing:
        return await self._platform.standing(room)

    async def thinking(self, room: Room, message_id: str) -> None:
        await self._platform.thinking(room, message_id)

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        return await self._platform.fetch(attachment, into, max_bytes)

    def health(self) -> str | None:
        return self._platform.health()


def connect(platform: str, where: Sequence[str], store: Store, key_window_s: float) -> Platform:
    """The adapter for what ``Members.where`` tells. The platform's times are scaled, and so are these."""
    if platform == "discord":
        from adapters.discord.adapter import DiscordPlatform
        from adapters.discord.settings import DiscordSettings

        token, api_url, gateway_url = where
        return DiscordPlatform(
            store,
            DiscordSettings.model_validate(
                {
                    "token": token,
                    "api_base": api_url,
                    "gateway_url": gateway_url,
                    "identify_pause_s": 0,
                    "guild_ready_timeout_s": 0.05,
                    "restart_first_s": 0.05,
                    "restart_most_s": 0.2,
                    "edits_per_s": 4,
                    "key_window_s": key_window_s,
                }
            ),
            SystemClock(),
        )
    from adapters.feishu.adapter import FeishuPlatform
    from adapters.feishu.settings import FeishuSettings

    url, app_id, secret = where
    return FeishuPlatform(
        FeishuSettings.model_validate(
            {
                "app_id": app_id,
                "app_secret": secret,
                "domain": url,
                "reconnect_s": 0.1,
                "watch_every_s": 0.05,
                "edits_per_s": 4,
                "key_window_s": key_window_s,
            }
        )
    )
