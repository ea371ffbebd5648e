"""Where the filter can be off: asked of the platform when it matters, which is where somebody switched it off."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

import structlog

from bot.event import Room
from bot.ports import Clock, Platform, Standing

KEPT_S = 30.0
"""So long an answer serves: an answer of many sentences asks once."""

TIMEOUT_S = 3.0
KEPT_ROOMS = 1_000

log = structlog.get_logger(__name__)


class Standings:
    """Belongs to one event loop. What cannot be learned is None, and then the filter is on."""

    def __init__(self, platforms: Mapping[str, Platform], clock: Clock) -> None:
        self._platforms = platforms
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Standing | None]] = OrderedDict()

    async def of(self, room: Room, *, fresh: bool = False) -> Standing | None:
        """``fresh``: asked for this call, whatever is kept."""
        kept_at, known = self._kept.get(room.key, (float("-inf"), None))
        if not fresh and self._clock.now() < kept_at + KEPT_S:
            return known
        standing = await self._asked(room)
        self._kept[room.key] = self._clock.now(), standing
        self._kept.move_to_end(room.key)
        if len(self._kept) > KEPT_ROOMS:
            self._kept.popitem(last=False)
        return standing

    async def _asked(self, room: Room) -> Standing | None:
        platform = self._platforms.get(room.platform)
        if platform is None:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await platform.standing(room)
        except Exception as error:  # noqa: BLE001 – whatever an adapter raises, the filter stays on
            log.warning("filter.standing_unread", room=room.key, error=str(error) or type(error).__name__)
            return None
