"""Who must still be told: an event is pushed until it is acknowledged, on the platform's ladder.

At most once and then once more after each pause of ``Limits.redelivery_s``; after the last the event is
lost to the bot, as on the platform. The long connection and the webhook both push through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.feishu.faults import Faults
from tests.emulators.feishu.limits import Limits

Push = Callable[[dict[str, Any]], Awaitable[bool]]
"""Hands an event over once; True when it was acknowledged in time."""


@dataclass(slots=True)
class Told:
    """The story of one event: when it was pushed, and whether anyone acknowledged it."""

    payload: dict[str, Any]
    pushes: list[float] = field(default_factory=list)
    acknowledged: bool = False
    given_up: bool = False

    @property
    def event_id(self) -> str:
        return str(self.payload["header"]["event_id"])


class Redelivery:
    def __init__(self, limits: Limits, faults: Faults, push: Push) -> None:
        self._limits = limits
        self._faults = faults
        self._push = push
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, Any] | None = None
        self.told: dict[str, Told] = {}

    def tell(self, payload: dict[str, Any]) -> Told:
        """Begin to push an event. With ``swap_next`` it waits for its successor, which overtakes it."""
        told = Told(payload)
        self.told[told.event_id] = told
        if self._faults.swap_next:
            self._faults.swap_next = False
            self._held = payload
            return told
        self._start(told)
        if self._held is not None:
            held, self._held = self._held, None
            self._start(self.told[held["header"]["event_id"]])
        return told

    def again(self, event_id: str) -> None:
        """Push an event once more, acknowledged or not: a spurious redelivery."""
        told = self.told[event_id]
        self._spawn(self._once(told))

    def _start(self, told: Told) -> None:
        self._spawn(self._climb(told))
        for _ in range(self._faults.duplicates):
            self._spawn(self._once(told))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _climb(self, told: Told) -> None:
        for pause in (0.0, *self._limits.redelivery_s):
            if pause:
                await asyncio.sleep(pause)
            await self._once(told)
            if told.acknowledged:
                return
        told.given_up = True

    async def _once(self, told: Told) -> None:
        told.pushes.append(asyncio.get_running_loop().time())
        if await self._push(told.payload):
            told.acknowledged = True

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
