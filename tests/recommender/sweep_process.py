"""Sweeps one feed, killed at a step: ``python -m tests.recommender.sweep_process FOLDER ADDRESS STEP``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import update

from bot.store import Store, StoreSettings
from net.fetching import Fetcher
from net.settings import FetchSettings
from recommender import sweeping
from recommender.parsing import Parser
from recommender.settings import FeedSettings
from recommender.sweeping import Sweep
from recommender.tables import feeds
from tests.clock import ManualClock
from tests.recommender.test_once import NOW


async def main(folder: Path, address: str, wanted: str) -> None:
    def reached(step: str) -> None:
        if step == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store.open(StoreSettings(f"sqlite:///{folder / 'maodou.db'}"))
    # The feed is known and was read before; all that it lists is new.
    place = update(feeds).values(address=address, host="127.0.0.1", primed_at=NOW - 1)
    await store.write(lambda connection: connection.execute(place))
    begun = folder / "begun"
    clock = ManualClock(NOW + (3_600 if begun.exists() else 0))  # the lease of one that died has run out
    begun.touch()
    settings = FeedSettings(fetch=FetchSettings(allow_hosts=("127.0.0.1",)))
    fetcher, parser = Fetcher(settings.fetch, clock.now), Parser(settings.parse)
    sweep = Sweep(store, clock, fetcher, parser, settings)
    write, take, remember = store.write, sweep._take, sweeping.remember

    async def writing(operation):  # type: ignore[no-untyped-def]
        is_commit = getattr(operation, "func", None) is remembering
        reached("before_commit") if is_commit else None
        done = await write(operation)
        reached("after_commit" if is_commit else "after_claim")
        return done

    async def taking(feed, answer) -> None:  # type: ignore[no-untyped-def]
        reached("after_fetch")
        await take(feed, answer)

    def remembering(*arguments, **named):  # type: ignore[no-untyped-def]
        done = remember(*arguments, **named)
        reached("in_commit")
        return done

    store.write = writing  # type: ignore[method-assign]
    sweep._take = taking  # type: ignore[method-assign]
    sweeping.remember = remembering  # type: ignore[attr-defined]
    await sweep.tick()
    await sweep.drain(60)
    await parser.aclose()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
