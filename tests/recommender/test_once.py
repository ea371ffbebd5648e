"""Two processes on one database send each digest once; one that dies at any step neither loses nor repeats."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.outbox import Outbox
from bot.ports import OpenScreen
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store, StoreSettings, make_engine
from bot.testing import PaperPlatform
from maodou.schema import all_tables
from recommender.leading import Leader
from recommender.schedule import Schedule
from recommender.settings import FEED_ROOM_SETTINGS, FeedSettings
from recommender.tables import entries, feeds, room_entries, subscriptions
from tests.clock import ManualClock
from tests.recommender.feed_house import rss
from tests.recommender.latest import Latest

NOW = 1_800_000_000.0
SLOTS = 1_000
SLOTS_OF_PROCESSES = 100
"""Each is a commit that two processes wait for in turn."""


def seed(store: Store, count: int, now: float) -> None:
    """A room that reads one feed, and entries that wait for it."""
    from bot.tables import rooms

    def write(connection):  # type: ignore[no-untyped-def]
        connection.execute(
            rooms.insert(), {"key": "paper:r1", "platform": "paper", "id": "r1", "kind": "group", "seen_at": now}
        )
        feed = {"id": 1, "address": "https://a.example/", "host": "a.example", "added_at": now, "interval_s": 3600.0}
        connection.execute(feeds.insert(), {**feed, "next_check_at": 0.0, "title": "News"})
        own = {"room": "paper:r1", "feed_id": 1, "include": [], "exclude": [], "added_by": "paper:a", "added_at": now}
        connection.execute(subscriptions.insert(), own)
        told = {"feed_id": 1, "seen_at": now, "listed_at": now, "hash": "x"}
        if not count:
            return
        numbers = range(1, count + 1)
        connection.execute(entries.insert(), [{"id": n, "key": str(n), "title": f"e{n:04}", **told} for n in numbers])
        waits = {"room": "paper:r1", "state": "waiting", "stage": "wait", "at": now}
        connection.execute(room_entries.insert(), [{"entry_id": n, **waits} for n in numbers])

    store.write_now(write)


def made(folder: Path, count: int) -> None:
    """A database in ``folder`` with the seed in it."""
    url = f"sqlite:///{folder / 'maodou.db'}"
    engine = make_engine(StoreSettings(url))
    all_tables().create_all(engine)
    engine.dispose()
    store = Store.open(StoreSettings(url))
    seed(store, count, NOW)
    store.close()


def part(store: Store, clock: ManualClock, platform: PaperPlatform, most: int = 1) -> Schedule:
    """One process's digests."""
    platforms = {"paper": platform}
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *FEED_ROOM_SETTINGS), configured={"digest_at": "live"})
    outbox = Outbox(store, clock, platforms, CoreSettings())
    latest = Latest(store, OpenScreen(), most=most)
    return Schedule(store, clock, outbox, scopes, latest, FeedSettings(), frozenset(platforms))


@pytest.mark.timeout(600)
async def test_two_at_one_moment_never_serve_one_slot_twice(
    store_settings: StoreSettings, store: Store, clock: ManualClock
) -> None:
    """Without the lease, so that both are at it at the same moment in every slot."""
    other = await asyncio.to_thread(Store.open, store_settings)
    platform = PaperPlatform()
    await asyncio.to_thread(seed, store, SLOTS, clock.now())
    both = [part(each, clock, platform) for each in (store, other)]
    await asyncio.gather(*(each.tick() for each in both))
    for _ in range(SLOTS):
        await clock.advance(600)
        await asyncio.gather(*(each.tick() for each in both))
    for each in both:
        await each.outbox.idle()
    told = [shown.text for shown in platform.shown.values()]
    assert len(told) == len(set(told)) == SLOTS
    await asyncio.to_thread(other.close)


@pytest.mark.timeout(300)
@pytest.mark.may_block  # it starts and ends processes
def test_two_processes_never_serve_one_slot_twice(tmp_path: Path) -> None:
    made(tmp_path, count=SLOTS_OF_PROCESSES)
    with sqlite3.connect(tmp_path / "platform.db") as kept:
        kept.execute("CREATE TABLE sent (text TEXT, process INTEGER)")
    command = [sys.executable, "-m", "tests.recommender.slot_process", str(tmp_path)]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [each.wait(250) for each in both] == [0, 0]
    with sqlite3.connect(tmp_path / "platform.db") as kept:
        told = [text for (text,) in kept.execute("SELECT text FROM sent")]
        served = kept.execute("SELECT count(DISTINCT process) FROM sent").fetchone()[0]
    assert len(told) == len(set(told)) == SLOTS_OF_PROCESSES
    assert served == 2, "both were at it"


async def test_one_of_two_leads_and_the_other_follows_when_it_is_gone(
    store_settings: StoreSettings, store: Store, clock: ManualClock
) -> None:
    other = await asyncio.to_thread(Store.open, store_settings)
    first, second = Leader(store, clock, 30), Leader(other, clock, 30)
    assert sorted(await asyncio.gather(first.leads(), second.leads())) == [False, True]
    leads, follows = (first, second) if await first.leads() else (second, first)
    for _ in range(20):
        await clock.advance(10)
        assert await leads.leads()
        assert not await follows.leads()
    await clock.advance(31)  # the leader is dead
    assert await follows.leads()
    assert not await leads.leads()
    await follows.leave()
    assert await leads.leads()
    await asyncio.to_thread(other.close)


STEPS = ("before_choosing", "before_commit", "after_commit", "before_send", "after_send", "after_mark")


@pytest.mark.timeout(300)
@pytest.mark.may_block  # it starts and ends processes
@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_is_killed_at_a_step_neither_loses_nor_repeats(tmp_path: Path, step: str) -> None:
    def run(*arguments: str) -> int:
        command = [sys.executable, "-m", "tests.recommender.digest_process", str(tmp_path), *arguments]
        return subprocess.run(command, check=False, timeout=90).returncode

    assert run(step) == -9
    assert run("none") == 0
    assert run("none") == 0
    seen = room_log(tmp_path)
    assert sorted(seen) == sorted(set(seen)), "nothing twice"
    assert {name for text in seen for name in names_in(text)} == {f"e{n:04}" for n in range(1, 31)}, "nothing lost"


SWEEP_STEPS = ("after_claim", "after_fetch", "before_commit", "in_commit", "after_commit")


@pytest.mark.timeout(300)
@pytest.mark.may_block  # it starts and ends processes
@pytest.mark.parametrize("step", SWEEP_STEPS)
def test_a_sweep_that_is_killed_at_a_step_neither_loses_nor_repeats(tmp_path: Path, step: str) -> None:
    made(tmp_path, count=0)
    with feed_server() as address:

        def run(step: str) -> int:
            command = [sys.executable, "-m", "tests.recommender.sweep_process", str(tmp_path), address, step]
            return subprocess.run(command, check=False, timeout=90).returncode

        assert run(step) == -9
        assert run("none") == 0
        assert run("none") == 0
    with sqlite3.connect(tmp_path / "maodou.db") as connection:
        rows = connection.execute(
            "SELECT e.title, r.room, r.state FROM feed_entries e LEFT JOIN feed_room_entries r ON r.entry_id = e.id"
        ).fetchall()
    assert sorted(rows) == [(f"story {n}", "paper:r1", "waiting") for n in range(1, 6)]


class _OneFeed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers.get("if-none-match") == '"1"':
            self.send_response(304)
            self.end_headers()
            return
        body = rss(*(f"story {n}" for n in range(1, 6)))
        self.send_response(200)
        self.send_header("etag", '"1"')
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def feed_server() -> Iterator[str]:
    """A server that outlives the processes that ask it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _OneFeed)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/feed"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def room_log(folder: Path) -> list[str]:
    """What members saw: the platform's own record, which outlives the process."""
    with sqlite3.connect(folder / "platform.db") as connection:
        return [text for (text,) in connection.execute("SELECT text FROM shown ORDER BY rowid")]


def names_in(text: str) -> Sequence[str]:
    return [line.partition("[")[2].partition("]")[0] for line in text.splitlines()]
