"""The bounds around a speech service: one deadline for everything, and peace for one that keeps failing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from asr_tts.settings import MouthSettings
from bot.errors import ModelError
from bot.ports import Clock
from net.breaker import Breaker

T = TypeVar("T")


class Guard:
    """Around the calls of one service; ``who`` begins its sentences."""

    def __init__(self, who: str, settings: MouthSettings, clock: Clock, within_s: float) -> None:
        self._who = who
        self._clock = clock
        self._within_s = within_s
        self._breaker = Breaker(settings.failures_before_rest, settings.rest_s, settings.rest_most_s)

    def check(self) -> None:
        """Before a call. Raises ``ModelError`` while the service is left alone."""
        if not self._breaker.allows(self._clock.now()):
            raise ModelError(f"{self._who} is left alone for a while after its failures")

    async def within(self, call: Awaitable[T]) -> T:
        """The call's outcome. Raises ``ModelError``, also when it takes too long."""
        try:
            async with asyncio.timeout(self._within_s):
                outcome = await call
        except TimeoutError as error:
            self._breaker.failed(self._clock.now())
            raise ModelError(f"{self._who} took longer than {self._within_s:g} s") from error
        except ModelError:
            self._breaker.failed(self._clock.now())
            raise
        except BaseException:
            self._breaker.released()
            raise
        self._breaker.succeeded()
        return outcome
