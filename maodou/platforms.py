"""The platforms of one installation, made from its settings. Each library is imported only when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.web.desks import Desks
from bot.ports import Clock, Platform
from bot.store import Store
from maodou.config import Settings


def configured_platforms(settings: Settings, store: Store, clock: Clock) -> Sequence[Platform]:
    """Raises ``UsageError`` where a platform lacks its secret, its extra or its port."""
    platforms: list[Platform] = []
    if (web := settings.serves_web) is not None:
        from adapters.web.adapter import WebPlatform

        room = WebPlatform(store, web, clock, settings.data_dir, Desks())
        room.bind()
        platforms.append(room)
    return platforms
