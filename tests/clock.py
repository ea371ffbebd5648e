"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class ManualClock:
    """Implements :class:`bot.ports.Clock`: time passes only in :meth:`advance`, and then in order.

    Whoever sleeps is woken at the moment they asked for, one after the other, so that a test over an
    hour takes milliseconds and always runs the same way.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    @property
    def sleeping(self) -> int:
        """How many are asleep now."""
        return sum(1 for _, _, woken in self._sleepers if not woken.done())

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass: wake each sleeper at its time and let it act before the next."""
        await self._settle()
        until = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            if woken.done():  # its sleeper was cancelled
                continue
            self._now = max(self._now, at)
            woken.set_result(None)
            await self._settle()
        self._now = until
        await self._settle()

    @staticmethod
    async def _settle(rounds: int = 20) -> None:
        """Give every task that can run its turn; what waits for a thread is not waited for."""
        for _ in range(rounds):
            await asyncio.sleep(0)
