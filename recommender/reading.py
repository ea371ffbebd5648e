"""Reading as one part: a few small jobs on one scheduler, and what they share.

The scheduler only wakes the jobs; what is due stands in the tables, so a restart, an outage or a second process finds
it there. Jobs are kept in memory alone: a stored job would be a pickled function, and two schedulers on one store fire
twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

import structlog

from bot.errors import StoreError
from bot.outbox import Outbox
from bot.ports import Clock
from bot.scopes import Scopes
from bot.store import Store
from net.fetching import Fetcher
from recommender.keeping import tidy
from recommender.leading import Leader
from recommender.notices import Notices
from recommender.parsing import Parser
from recommender.ports import Digester
from recommender.schedule import Schedule
from recommender.settings import FeedSettings
from recommender.sweeping import Sweep

log = structlog.get_logger(__name__)

DRAIN_S = 3.0
"""What fetches in work get to end in when the process is told to stop."""


class Reading:
    """Made once by the app; ``run`` until cancelled. ``fetcher`` and ``parser`` serve commands as well."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        outbox: Outbox,
        scopes: Scopes,
        digester: Digester,
        settings: FeedSettings,
        platforms: Collection[str],
        fetcher: Fetcher | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self.settings = settings
        self.fetcher = fetcher or Fetcher(settings.fetch, clock.now)
        self.parser = Parser(settings.parse)
        self.sweep = Sweep(store, clock, self.fetcher, self.parser, settings)
        self.schedule = Schedule(store, clock, outbox, scopes, digester, settings, frozenset(platforms))
        self.notices = Notices(store, clock, outbox, scopes, settings, frozenset(platforms))
        self.leader = Leader(store, clock, settings.leader_s)
        self._troubles: dict[str, str] = {}  # by job, as long as it lasts
        self._jobs: list[tuple[str, Callable[[], Awaitable[object]], float]] = [
            ("sweep", self.sweep.tick, settings.sweep_every_s),
            ("digests", self.schedule.tick, settings.digest_every_s),
            ("notices", self.notices.tick, settings.digest_every_s),
            ("housekeeping", self._tidy, settings.housekeeping_every_s),
        ]

    @property
    def trouble(self) -> str | None:
        """What keeps a job from its work; None while all go well."""
        return next(iter(self._troubles.values()), None)

    def add_job(self, name: str, job: Callable[[], Awaitable[object]], every_s: float) -> None:
        """One more small job for the process that leads; before :meth:`run`."""
        self._jobs.append((name, job, every_s))

    async def run(self) -> None:
        """Until cancelled; then lets what is in work end, and the lease go."""
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
        from apscheduler.schedulers.asyncio import AsyncIOScheduler
        from apscheduler.triggers.interval import IntervalTrigger

        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_listener(_noted, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        for name, job, every_s in self._jobs:
            scheduler.add_job(
                self._if_leading,
                IntervalTrigger(seconds=every_s, timezone="UTC"),
                args=(name, job),
                id=name,
                misfire_grace_time=None,  # late is not never: what is due is still due
                coalesce=True,
                max_instances=1,
            )
        scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            # The scheduler would cancel a job in the midst of its work; so first no new ones, then their end.
            scheduler.pause()
            await self.aclose()
            scheduler.shutdown(wait=False)

    async def aclose(self) -> None:
        await self.sweep.drain(DRAIN_S)
        await self.parser.aclose()
        try:
            await self.leader.leave()
        except StoreError as error:  # it runs out by itself
            log.warning("feeds.lease_kept", error=str(error))

    async def _if_leading(self, name: str, job: Callable[[], Awaitable[object]]) -> None:
        try:
            if await self.leader.leads():
                await job()
        except StoreError as error:
            self._troubles[name] = f"{name}: {error}"
            log.error("feeds.job_failed", job=name, error=str(error))
        else:
            self._troubles.pop(name, None)

    async def _tidy(self) -> None:
        erased = await self._store.write(partial(tidy, now=self._clock.now(), settings=self.settings))
        if erased.entries or erased.feeds or erased.expired:
            log.info("feeds.tidied", expired=erased.expired, entries=erased.entries, feeds=erased.feeds)


def _noted(event: Any) -> None:
    """What the scheduler would only log by itself."""
    error = getattr(event, "exception", None)
    log.error("feeds.job", job=event.job_id, code=event.code, error=repr(error) if error else None)
