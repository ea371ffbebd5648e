"""The emulated Discord for commands, which have an event loop of their own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tests.emulators.discord import DiscordEmulator


class LocalDiscord:
    """The emulator on a loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.emulator = self._run(self._start())

    async def _start(self) -> DiscordEmulator:
        emulator = DiscordEmulator(token="emulated-token.with_all-letters")
        await emulator.start()
        return emulator

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        self._run(self.emulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
