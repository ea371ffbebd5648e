"""One recogniser for all tests: the ear's own process, loaded once, whatever loop a test has.

FunASR takes some ten seconds of processor time to load, and a process belongs to the loop that began it; so this one
has a loop on a thread of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asr_tts.ear import Hearer, LocalEar
from asr_tts.worker import Request


class Warm:
    """As :class:`asr_tts.ear.Hearer`, to whoever asks it; nobody who is done with it ends it."""

    def __init__(self, hearer: Hearer, loop: asyncio.AbstractEventLoop) -> None:
        self._hearer = hearer
        self._loop = loop

    @property
    def pid(self) -> int | None:
        return self._hearer.pid

    @property
    def started(self) -> int:
        return self._hearer.started

    async def start(self) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._hearer.start(), self._loop))

    async def ask(self, request: Request, deadline_s: float) -> dict[str, Any]:
        asked = asyncio.run_coroutine_threadsafe(self._hearer.ask(request, deadline_s), self._loop)
        return await asyncio.wrap_future(asked)

    async def close(self) -> None:
        return

    def lend(self, ear: object) -> None:
        """Let an ear hear with this one."""
        assert isinstance(ear, LocalEar)
        ear._hearer = self  # type: ignore[assignment]


@contextmanager
def warm(hearer: Hearer) -> Iterator[Warm]:
    """Loads at the first question."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="recogniser")
    thread.start()
    try:
        yield Warm(hearer, loop)
    finally:
        asyncio.run_coroutine_threadsafe(hearer.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
