"""The sweep: due feeds are claimed, fetched once for all their rooms, read, and what is new is stored.

A fetch has its own task: a slow server keeps its own place and no other. What a fetch found is one commit
(:mod:`recommender.remembering`); a process that dies before it has changed nothing but a lease, which runs out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection, RowMapping, exists, func, select, update

from bot.errors import StoreError
from bot.ports import Clock
from bot.store import Operation, Store
from net.failures import FetchFailed
from net.fetching import Answer, Fetcher
from net.freshness import fresh_for_s
from recommender.deduplicating import TEXT_WITHIN_S, Prints
from recommender.left_rooms import READS_NOW
from recommender.pacing import after_failure, next_check
from recommender.parsing import ACCEPT, ParsedFeed, ParseFailed, Parser
from recommender.remembering import (
    Found,
    Prepared,
    Remembered,
    Validators,
    compared,
    failed,
    known_hashes,
    prepare,
    remember,
    unchanged,
)
from recommender.settings import DAY_S, FeedSettings
from recommender.tables import entries, feeds, subscriptions

log = structlog.get_logger(__name__)

MAX_VALIDATOR_CHARS = 1_000
UNFORESEEN = "unforeseen"


@dataclass(slots=True)
class Counts:
    """Since the start, for the doctor and the benchmarks. ``lags_s``: how late each fetch began, the last of them."""

    fetched: int = 0
    unchanged: int = 0
    failed: int = 0
    new: int = 0
    lags_s: list[float] = field(default_factory=list)

    def late(self, lag_s: float, most: int = 50_000) -> None:
        self.lags_s.append(lag_s)
        if len(self.lags_s) > most:
            del self.lags_s[: most // 2]


class Sweep:
    def __init__(self, store: Store, clock: Clock, fetcher: Fetcher, parser: Parser, settings: FeedSettings) -> None:
        self._store = store
        self._clock = clock
        self._fetcher = fetcher
        self._parser = parser
        self._settings = settings
        self._work: dict[int, asyncio.Task[None]] = {}
        self._hosts: Counter[str] = Counter()
        self._prints = Prints()
        self._reading_prints = asyncio.Lock()
        self.counts = Counts()

    async def tick(self) -> int:
        """Claim what is due, as far as there are hands free, and begin; returns how many."""
        free = self._settings.at_once - len(self._work)
        if free <= 0:
            return 0
        per_host = self._settings.fetch.at_once_per_host
        busy = [host for host, count in self._hosts.items() if count >= per_host]
        now = self._clock.now()
        due = await self._store.read(partial(_due, now=now, busy=busy, per_host=per_host, limit=2 * free))
        chosen: list[RowMapping] = []
        counts = self._hosts.copy()
        for feed in due:
            if feed["id"] in self._work or counts[feed["host"]] >= per_host or len(chosen) >= free:
                continue
            counts[feed["host"]] += 1
            chosen.append(feed)
        if not chosen:
            return 0
        until = now + self._settings.lease_s
        claimed = await self._store.write(partial(_claim, ids=[feed["id"] for feed in chosen], now=now, until=until))
        for feed in chosen:
            if feed["id"] in claimed:
                self.counts.late(now - feed["next_check_at"])
                self._hosts[feed["host"]] += 1
                task = asyncio.create_task(self._one(feed), name=f"feed-{feed['id']}")
                self._work[feed["id"]] = task
        return len(claimed)

    @property
    def busy(self) -> int:
        """Feeds in work now."""
        return len(self._work)

    async def drain(self, within_s: float) -> None:
        """Let current work end; what takes longer is given up, and taken up again when its lease has run out."""
        tasks = list(self._work.values())
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, feed: RowMapping) -> None:
        try:
            await self._ask(feed)
        except StoreError as error:  # its lease runs out, and it is asked again
            log.error("feed.not_stored", feed=feed["id"], error=str(error))
        finally:
            del self._work[feed["id"]]
            self._hosts[feed["host"]] -= 1
            if self._hosts[feed["host"]] <= 0:
                del self._hosts[feed["host"]]

    async def _ask(self, feed: RowMapping) -> None:
        self.counts.fetched += 1
        try:
            answer = await self._fetcher.fetch(
                feed["address"], etag=feed["etag"], modified=feed["modified"], accept=ACCEPT
            )
            await self._take(feed, answer)
        except FetchFailed as error:
            await self._note(feed, error.failure, str(error), error.after_s)
        except ParseFailed as error:
            await self._note(feed, error.reason, error.detail)
        except StoreError:
            raise
        except Exception as error:  # a defect of ours must not keep the feed from being asked again, nor the others
            log.exception("feed.fell", feed=feed["id"])
            await self._note(feed, UNFORESEEN, repr(error))

    async def _take(self, feed: RowMapping, answer: Answer) -> None:
        now = self._clock.now()
        fresh_s = fresh_for_s(answer.headers, now)
        validators = validators_of(answer)
        is_same = answer.not_modified or validators.body_hash == feed["body_hash"]
        if is_same:
            self.counts.unchanged += 1
            at = next_check(now, feed["address"], feed["interval_s"], self._settings, fresh_s)
            await self._store.write(
                partial(
                    unchanged,
                    feed_id=feed["id"],
                    validators=validators,
                    next_check_at=at,
                    now=now,
                    moved_to=answer.moved_to,
                )
            )
            return
        parsed = await self._parser.feed(answer.body, answer.address, answer.content_type)
        now = self._clock.now()
        address = answer.moved_to or feed["address"]
        at = next_check(now, address, feed["interval_s"], self._settings, max(fresh_s, parsed.every_s))
        found = Found(feed["id"], parsed, validators, at, answer.moved_to)
        prepared = await self.prepared(parsed, feed["id"], now, priming=feed["primed_at"] is None)
        remembered = await self._store.write(self.remembering(found, prepared, now))
        self.counts.new += remembered.new
        if remembered.new or remembered.edited:
            log.info("feed.read", feed=feed["id"], new=remembered.new, edited=remembered.edited)

    async def prepared(self, parsed: ParsedFeed, feed_id: int | None, now: float, *, priming: bool) -> list[Prepared]:
        """The entries with all that is reckoned from their words, off the loop and before the commit."""
        rows = await asyncio.to_thread(prepare, parsed, now)
        keys = [each.row["key"] for each in rows]
        known = {} if feed_id is None else await self._store.read(partial(known_hashes, feed_id=feed_id, keys=keys))
        if all(known.get(each.row["key"]) == each.row["hash"] for each in rows):
            return rows
        if not priming:
            async with self._reading_prints:
                since = now - TEXT_WITHIN_S
                new, top = await self._store.read(partial(_prints, after=self._prints.watermark, since=since))
                self._prints.add(new, top)
        # Taken before the comparison: others may read the index on while this one is compared.
        watermark = self._prints.watermark
        return await asyncio.to_thread(compared, rows, known, self._prints, watermark, priming=priming)

    def remembering(self, found: Found, prepared: Sequence[Prepared], now: float) -> Operation[Remembered]:
        """The commit, as an operation."""
        max_age_s = self._settings.max_age_days * DAY_S
        return partial(remember, found=found, prepared=prepared, now=now, max_age_s=max_age_s)

    async def _note(self, feed: RowMapping, reason: str, error: str, after_s: float | None = None) -> None:
        self.counts.failed += 1
        now = self._clock.now()
        failures = feed["failures"] + 1
        at = after_failure(now, feed["interval_s"], failures, self._settings, after_s)
        log.info("feed.failed", feed=feed["id"], reason=str(reason), failures=failures, error=error[:200])
        await self._store.write(
            partial(failed, feed_id=feed["id"], reason=str(reason), error=error, next_check_at=at, now=now)
        )


def validators_of(answer: Answer) -> Validators:
    """What to ask with the next time. A validator that the server no longer sends is forgotten."""
    etag = answer.headers.get("etag", "")
    modified = answer.headers.get("last-modified", "")
    if answer.not_modified:  # it may leave them out (RFC 9110, 15.4.5)
        return Validators(etag[:MAX_VALIDATOR_CHARS] or None, modified[:MAX_VALIDATOR_CHARS] or None)
    return Validators(
        etag if len(etag) <= MAX_VALIDATOR_CHARS else "",
        modified if len(modified) <= MAX_VALIDATOR_CHARS else "",
        hashlib.blake2b(answer.body, digest_size=16).hexdigest(),
    )


def _due(connection: Connection, now: float, busy: Sequence[str], per_host: int, limit: int) -> Sequence[RowMapping]:
    """Feeds that somebody reads, whose time has come and that nobody is at; the longest due first, and of one host no
    more than it may be asked at once: a thousand overdue ones there keep no others waiting."""
    is_read = exists().where(subscriptions.c.feed_id == feeds.c.id, READS_NOW)
    place = func.row_number().over(partition_by=feeds.c.host, order_by=feeds.c.next_check_at)
    due = select(feeds.c.id, place.label("place")).where(
        feeds.c.next_check_at <= now, feeds.c.leased_until <= now, is_read
    )
    if busy:
        due = due.where(feeds.c.host.not_in(busy))
    placed = due.subquery()
    chosen = select(feeds).join(placed, placed.c.id == feeds.c.id).where(placed.c.place <= per_host)
    return connection.execute(chosen.order_by(feeds.c.next_check_at).limit(limit)).mappings().all()


def _claim(connection: Connection, ids: Sequence[int], now: float, until: float) -> set[int]:
    """Those of ``ids`` that are ours until ``until``."""
    free = feeds.c.id.in_(ids) & (feeds.c.leased_until <= now)
    return set(connection.execute(update(feeds).where(free).values(leased_until=until).returning(feeds.c.id)).scalars())


def _prints(connection: Connection, after: int, since: float) -> tuple[list[tuple[int, int]], int]:
    """The fingerprints after ``after``, and the last entry's id: those without one need not be looked at again."""
    top = connection.execute(select(func.max(entries.c.id))).scalar() or after
    chosen = (
        select(entries.c.id, entries.c.fingerprint)
        .where(entries.c.id > after, entries.c.id <= top)
        .where(entries.c.fingerprint.is_not(None), entries.c.seen_at >= since)
        .order_by(entries.c.id)
    )
    return [(row.id, row.fingerprint) for row in connection.execute(chosen)], max(top, after)
