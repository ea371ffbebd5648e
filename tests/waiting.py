"""Waiting for something that other tasks bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.clock import ManualClock


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Returns when ``condition`` holds; fails after ``within_s`` of real time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 – what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def advance_until(clock: ManualClock, condition: Callable[[], object], most_s: int = 4000) -> None:
    """Let the clock's time pass in seconds, and threads do their part, until ``condition`` holds."""
    for _ in range(most_s):
        if condition():
            return
        await clock.advance(1)
        await asyncio.sleep(0.002)
    raise AssertionError("it never came")
