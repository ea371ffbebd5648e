"""Keeps a long connection alive: looks at the last frame, and makes a deaf or lost connection anew.

A socket can stay open and say nothing for days (larksuite/oapi-sdk-python issue 169); the client alone never
notices. It sends a ping every so often and each is answered: no frame for a few of those, and the connection
counts as deaf.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from adapters.feishu.connection import LongConnection
from adapters.feishu.settings import FeishuSettings

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

log = structlog.get_logger(__name__)


class Watchdog:
    """``make`` gives a new connection. ``run`` until cancelled; ``rebuilt`` counts."""

    def __init__(self, settings: FeishuSettings, make: Callable[[], LongConnection]) -> None:
        self._settings = settings
        self._make = make
        self._connection: LongConnection | None = None
        self._unconnected_since = time.monotonic()
        self._was_connected = False
        self._ended: str | None = None
        self.rebuilt = 0

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                connection = self._connection = self._make()
                self._unconnected_since = time.monotonic()
                self._was_connected = False
                connection.start()
                why = await self._watch(connection)
                failures = 0 if self._was_connected else failures + 1
                log.error("feishu.connection_rebuilt", why=why, failures=failures)
                self._ended = why
                await asyncio.to_thread(connection.stop)
                self.rebuilt += 1
                await asyncio.sleep(
                    min(FIRST_PAUSE_S * 2.0 ** max(0, failures - 1), LONGEST_PAUSE_S) if failures else 0
                )
        finally:
            if self._connection is not None:
                # Not to be cancelled half-way: a client that is left behind would go on acknowledging.
                await asyncio.shield(asyncio.to_thread(self._connection.stop))

    async def _watch(self, connection: LongConnection) -> str:
        """Returns why the connection must be made anew."""
        while True:
            await asyncio.sleep(self._settings.watch_every_s)
            why = self._verdict(connection)
            if why is not None:
                return why

    def _verdict(self, connection: LongConnection) -> str | None:
        now = time.monotonic()
        if not connection.is_running:
            return f"the client ended: {connection.error}"
        if connection.is_connected:
            if not self._was_connected:
                log.info("feishu.connected")
            self._was_connected, self._ended = True, None
            self._unconnected_since = now
            silent_s = now - max(connection.last_frame_at, connection.began_at)
            if silent_s > self._settings.deaf_after_pings * connection.ping_interval_s:
                return f"nothing heard for {silent_s:.0f} s"
            return None
        if now - self._unconnected_since > connection.platform_pause_s + self._settings.patience_s:
            return "no connection for too long"
        return None

    def health(self) -> str | None:
        connection = self._connection
        if connection is not None and connection.is_running and connection.is_connected:
            return None
        return f"Feishu is not connected{f': {self._ended}' if self._ended else ''}."
