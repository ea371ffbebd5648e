"""A process that sends digests and is killed at a step: ``python -m tests.recommender.digest_process FOLDER STEP``.

The platform is on paper, kept in a database of its own that outlives the process: it knows a delivery's key for ever,
as a platform does within its window.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

from bot.delivery import Delivery
from bot.store import Store, StoreSettings
from bot.testing import PaperPlatform
from recommender.ports import Post
from tests.clock import ManualClock
from tests.recommender.latest import Latest
from tests.recommender.test_once import NOW, made, part


class Steps:
    """Kills this process the second time that it comes to ``wanted``: the first digest is to go well."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.seen = 0

    def reached(self, step: str) -> None:
        if step == self.wanted:
            self.seen += 1
            if self.seen == 2:
                os.kill(os.getpid(), signal.SIGKILL)


class KeptPlatform(PaperPlatform):
    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.kept = sqlite3.connect(path, isolation_level=None)
        self.kept.execute("CREATE TABLE IF NOT EXISTS shown (key TEXT UNIQUE, text TEXT)")

    async def send(self, delivery: Delivery) -> str:
        self.steps.reached("before_send")
        row = (delivery.key, delivery.content.text)
        self.kept.execute("INSERT INTO shown VALUES (?, ?) ON CONFLICT DO NOTHING", row)
        self.steps.reached("after_send")
        return delivery.key


async def main(folder: Path, step: str) -> None:
    steps = Steps(step)
    url = f"sqlite:///{folder / 'maodou.db'}"
    is_new = not (folder / "maodou.db").exists()
    if is_new:
        made(folder, 30)
    store = Store.open(StoreSettings(url))
    clock = ManualClock(NOW + (0 if is_new else 3_600))
    digests = part(store, clock, KeptPlatform(folder / "platform.db", steps), most=10)
    latest: Latest = digests.digester  # type: ignore[assignment]
    make, post = latest.make, digests.outbox.post

    async def making(room, now, origin) -> Post | None:  # type: ignore[no-untyped-def]
        steps.reached("before_choosing")
        return await make(room, now, origin)

    async def posting(*arguments, **named):  # type: ignore[no-untyped-def]
        steps.reached("before_commit")
        done = await post(*arguments, **named)
        steps.reached("after_commit")
        return done

    latest.make = making  # type: ignore[method-assign]
    digests.outbox.post = posting  # type: ignore[method-assign]
    await digests.outbox.recover()
    for _ in range(4):
        await digests.tick()
        await digests.outbox.idle()
        steps.reached("after_mark")
        await clock.advance(600)
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
