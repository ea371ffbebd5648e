"""A process that serves a room's digests as they fall due: ``python -m tests.recommender.slot_process FOLDER SLOTS``.

Its clock stands at whichever slot the database says is next, so that every process on it wants the same slot at the
same moment. What is sent is written down, one row each, with no key to fold repeats.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

from sqlalchemy import func, select

from bot.delivery import Delivery
from bot.store import Store, StoreSettings
from bot.testing import PaperPlatform
from recommender.tables import room_entries, schedules
from tests.clock import ManualClock
from tests.recommender.test_once import NOW, part


class Written(PaperPlatform):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.kept = sqlite3.connect(path, isolation_level=None, timeout=30)

    async def send(self, delivery: Delivery) -> str:
        self.kept.execute("INSERT INTO sent VALUES (?, ?)", (delivery.content.text, os.getpid()))
        return delivery.key


async def main(folder: Path) -> None:
    store = Store.open(StoreSettings(f"sqlite:///{folder / 'maodou.db'}"))
    clock = ManualClock(NOW)
    digests = part(store, clock, Written(folder / "platform.db"))
    waits = select(func.count()).select_from(room_entries).where(room_entries.c.state == "waiting")
    slot = select(schedules.c.next_digest_at)
    while await store.read(lambda connection: connection.execute(waits).scalar_one()):
        await digests.tick()
        at = await store.read(lambda connection: connection.execute(slot).scalar())
        if at is not None and at > clock.now():
            await clock.advance(at - clock.now())
    await digests.outbox.idle()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
