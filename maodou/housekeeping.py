"""What has to be done now and then: erase what is old, and feel the database's pulse."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import structlog
from sqlalchemy import text

from bot.errors import StoreError
from bot.ports import Clock
from bot.retention import Retention
from bot.store import Store

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 3600.0
PULSE_EVERY_S = 10.0
PULSE_WITHIN_S = 5.0
LEAST_FREE_BYTES = 64 * 1024 * 1024
"""Below this it is time to act, while messages can still be kept."""


class Housekeeping:
    """``trouble``: what is wrong with the database, as a sentence; None while it takes writes."""

    def __init__(self, store: Store, retention: Retention, clock: Clock, data_dir: Path) -> None:
        self._store = store
        self._data_dir = data_dir
        self._retention = retention
        self._clock = clock
        self.trouble: str | None = None

    async def run(self) -> None:
        """Until cancelled. Nothing here may end it: a sweep that fails is tried again."""
        sweep_at = time.monotonic()
        while True:
            await self.feel_pulse()
            if time.monotonic() >= sweep_at:
                sweep_at = time.monotonic() + SWEEP_EVERY_S
                await self._sweep()
            await self._clock.sleep(PULSE_EVERY_S)

    async def feel_pulse(self) -> None:
        """A small transaction of the writer: it runs only when the thread lives and the database lets us write."""
        try:
            async with asyncio.timeout(PULSE_WITHIN_S):
                await self._store.write(lambda connection: connection.execute(text("SELECT 1")))
        except TimeoutError:
            self.trouble = f"It has taken no write for {PULSE_WITHIN_S:g} s."
        except StoreError as error:
            self.trouble = str(error)
        else:
            self.trouble = await asyncio.to_thread(_trouble_with_disk, self._data_dir)

    async def _sweep(self) -> None:
        try:
            swept = await self._retention.sweep()
        except Exception:  # a clean-up that fails costs nothing but a later clean-up; the rooms go on
            log.exception("housekeeping.sweep_failed")
        else:
            if swept.texts or swept.rows:
                log.info("housekeeping.swept", texts=swept.texts, rows=swept.rows)


def _trouble_with_disk(folder: Path) -> str | None:
    """As a sentence; None while there is room. Blocks."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:  # the folder was moved away, or the disk that it lies on was unplugged
        return f"{folder} cannot be reached: {error.strerror}."
    return f"Only {free >> 20} MiB are free in {folder}." if free < LEAST_FREE_BYTES else None
