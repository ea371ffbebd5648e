"""The mechanisms that the promises rest on, each taken out by itself: a run with one of these must see red.

They are broken here, by subclassing the adapter, and never by a switch in production code.
"""

from __future__ import annotations

import asyncio
import secrets
from enum import StrEnum
from typing import Any

from benchmarks.chaos.adapter import ScriptedPlatform, said
from benchmarks.chaos.points import Point
from bot.delivery import Delivery
from bot.ports import Accept


class Break(StrEnum):
    KEY = "key"
    ACK_ORDER = "ack-order"
    LOOK = "look"


class NewKeyEachTime(ScriptedPlatform):
    """Each attempt has a key of its own, so the platform cannot tell a retry from a second answer."""

    def key_of(self, delivery: Delivery) -> str:
        return secrets.token_hex(10)


class AcknowledgesFirst(ScriptedPlatform):
    """Acknowledges what is not committed yet, so nobody brings it again when the process dies in between."""

    async def take(self, line: dict[str, Any], accept: Accept, writer: asyncio.StreamWriter) -> None:
        self.acknowledge(line, writer)
        self.fuse.reached(Point.BETWEEN_COMMIT_AND_ACK)
        await accept(said(line))


class NeverLooks(ScriptedPlatform):
    """Says that a room holds nothing of ours, so what the platform has forgotten is sent once more."""

    async def find(self, delivery: Delivery) -> str | None:
        return None


ADAPTERS: dict[Break | None, type[ScriptedPlatform]] = {
    None: ScriptedPlatform,
    Break.KEY: NewKeyEachTime,
    Break.ACK_ORDER: AcknowledgesFirst,
    Break.LOOK: NeverLooks,
}
