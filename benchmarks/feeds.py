"""``python -m benchmarks feeds --count N --hours H``: N feeds over H hours on the loopback, under a clock that hurries.

A feed server in a process of its own answers one fetch in ten with something new and the rest with 304. The bot's side
is the product's sweep, fetcher, parser and tables (SQLite, as it comes), with a room that reads every feed. The last
line of output is ``{"lag_p99_s", "lost", "repeated", "rss_mib", "cpu_share"}``: ``lag_p99_s``: how much later than it
was due a fetch began, in simulated seconds; ``lost``: entries that the server gave out and that do not wait for the
room; ``repeated``: those that do twice; ``rss_mib``: the most memory of this process and its parsers together;
``cpu_share``: their processor seconds by simulated seconds. More figures stand beside them: ``fetches``,
``cpu_ms_per_fetch``, ``entries``, ``failed`` and ``speed``, how much faster the clock ran.

``--speed``: the clock's; without it, what a machine of two cores bears. The sweep's ticks hurry along, what a fetch
takes does not: lags are upper bounds, and a busy machine shows as lag.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, func, select

from benchmarks._memory import rss_mib
from net.fetching import Fetcher
from net.settings import FetchSettings
from recommender.parsing import Parser
from recommender.settings import FeedSettings

EVERY = 10
"""One fetch in so many finds something new."""

LISTED = 20
"""Entries of a feed."""

ROOM = "benchmark:room"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks feeds")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--speed", type=float, default=0.0)
    arguments = parser.parse_args(argv)
    speed = arguments.speed or max(1.0, min(400.0, 100_000 / arguments.count))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        port = ours.recv()
        with tempfile.TemporaryDirectory(prefix="maodou-feeds-") as folder:
            result = asyncio.run(measure(Path(folder), port, ours, arguments.count, arguments.hours, speed))
    finally:
        server.terminate()
        server.join(5)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


# ── the server ───────────────────────────────────────────────────────────────────────────────────────────


def serve(pipe: Pipe) -> None:
    """Runs until it is ended. Sent anything, it answers with how many entries each feed has given out."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Pipe) -> None:
    fetched: Counter[str] = Counter()
    given: dict[str, int] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        path = head.split(b" ", 2)[1].decode()
        number = fetched[path] = fetched[path] + 1
        # Which fetch is the tenth differs from feed to feed.
        version = (number + hash_of(path)) // EVERY
        etag = f'"{version}"'
        if etag.encode() in head:
            writer.write(b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n")
        else:
            given[path] = version
            body = feed(path, version)
            lines = f"HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(lines.encode() + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_000)
    pipe.send(server.sockets[0].getsockname()[1])
    while True:
        await asyncio.to_thread(pipe.recv)
        pipe.send(dict(given))


def hash_of(path: str) -> int:
    return int(path.rpartition("/")[2]) * 7


def feed(path: str, version: int) -> bytes:
    """Entries up to ``version``, the newest first, each of about 900 characters of its own."""
    items = "".join(entry(path, number) for number in range(version, version - LISTED, -1))
    return f'<rss version="2.0"><channel><title>Feed {path}</title>{items}</channel></rss>'.encode()


def words(name: str) -> str:
    """140 words that no other entry has in this order."""
    digits = hashlib.shake_256(name.encode()).hexdigest(280)
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def entry(path: str, number: int) -> str:
    name = f"{path.rpartition('/')[2]}-{number}"
    return (
        f'<item><title>What happened in {name} and what came of it</title><guid isPermaLink="false">{name}</guid>'
        f"<link>https://example.com/{name}</link><description>{words(name)}</description></item>"
    )


# ── the bot's side ───────────────────────────────────────────────────────────────────────────────────────


class FastClock:
    """Implements :class:`bot.ports.Clock`: ``speed`` seconds pass in one."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._began = time.monotonic()
        self._origin = 1_800_000_000.0

    def now(self) -> float:
        return self._origin + (time.monotonic() - self._began) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


async def measure(folder: Path, port: int, server: Pipe, count: int, hours: float, speed: float) -> dict[str, Any]:
    from bot.store import Store, StoreSettings, make_engine
    from maodou.schema import all_tables
    from recommender.sweeping import Sweep

    url = f"sqlite:///{folder / 'maodou.db'}"
    engine = make_engine(StoreSettings(url))
    all_tables().create_all(engine)
    engine.dispose()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    store = Store.open(StoreSettings(url))
    # Every feed here is one host's, which in the world they are not.
    fetch = FetchSettings(allow_hosts=(f"127.0.0.1:{port}",), at_once_per_host=128, at_once=128)
    settings = FeedSettings(fetch=fetch)
    clock = FastClock(speed)
    fetcher, parser = Fetcher(settings.fetch, clock.now), Parser(settings.parse)
    sweep = Sweep(store, clock, fetcher, parser, settings)
    await store.write(lambda connection: _subscribed(connection, port, count, clock.now(), settings))
    before = await store.read(_counted)
    await store.write(lambda connection: _spread(connection, clock.now() + 120, settings))
    fetched, busy_s = sweep.counts.fetched, _cpu_s(parser)
    began, ends = clock.now(), clock.now() + hours * 3_600
    most_mib = 0.0
    while (now := clock.now()) < ends:
        await sweep.tick()
        most_mib = max(most_mib, _memory_mib(parser))
        await asyncio.sleep(max(0.0, settings.sweep_every_s - (clock.now() - now)) / speed)
    await sweep.drain(30)
    cpu_s, simulated_s = _cpu_s(parser) - busy_s, clock.now() - began
    fetches = sweep.counts.fetched - fetched
    server.send("given")
    given = await asyncio.to_thread(server.recv)
    kept, told = await store.read(_counted), await store.read(_told)
    await parser.aclose()
    store.close()
    lags = sorted(sweep.counts.lags_s) or [0.0]
    new = sum(kept.values()) - sum(before.values())
    owed = sum(version - _first(path) for path, version in given.items())
    return {
        "lag_p99_s": round(lags[int(len(lags) * 0.99)], 2),
        "lost": max(0, owed - told),
        "repeated": max(0, told - owed),
        "rss_mib": round(most_mib, 1),
        "cpu_share": round(cpu_s / simulated_s, 4),
        "cpu_ms_per_fetch": round(1000 * cpu_s / max(fetches, 1), 2),
        "fetches": fetches,
        "entries": new,
        "failed": sweep.counts.failed,
        "speed": round(speed, 1),
    }


def _first(path: str) -> int:
    """The version that was known at the beginning."""
    return hash_of(path) // EVERY


def _subscribed(connection: Connection, port: int, count: int, now: float, settings: FeedSettings) -> None:
    from bot.tables import rooms
    from recommender.parsing import ParsedFeed
    from recommender.remembering import prepare
    from recommender.tables import entries, feeds, subscriptions

    address = f"http://127.0.0.1:{port}/"
    row = {"key": ROOM, "platform": "benchmark", "id": "room", "kind": "group", "seen_at": now}
    connection.execute(rooms.insert(), row)
    # As if each had been read once: a first reading of all is not what is measured.
    common = {"host": "127.0.0.1", "added_at": now, "interval_s": settings.interval_s, "primed_at": now}
    for number in range(count):
        path = f"/{number}"
        known = _first(path)
        row = {"id": number + 1, "address": f"{address}{number}", "etag": f'"{known}"', "next_check_at": 1e12}
        connection.execute(feeds.insert(), {**row, **common})
        listed = tuple(_parsed(path, each) for each in range(known, known - LISTED, -1))
        rows = prepare(ParsedFeed("", "", False, 0.0, listed), now)
        connection.execute(entries.insert(), [{**each.row, "feed_id": number + 1} for each in rows])
    own = {"room": ROOM, "include": [], "exclude": [], "added_by": "benchmark:me", "added_at": now}
    connection.execute(subscriptions.insert(), [{"feed_id": number, **own} for number in range(1, count + 1)])


def _parsed(path: str, number: int) -> Any:
    from recommender.parsing import ParsedEntry

    name = f"{path[1:]}-{number}"
    title, link = f"What happened in {name} and what came of it", f"https://example.com/{name}"
    return ParsedEntry(name, link, title, words(name), "", "", (), False, None)


def _spread(connection: Connection, begin: float, settings: FeedSettings) -> None:
    """Each feed at its place in the cycle, as if it had been read for long."""
    from recommender.pacing import phase
    from recommender.tables import feeds

    found = connection.execute(select(feeds.c.id, feeds.c.address)).all()
    rows = [{"feed": row.id, "at": begin + phase(row.address) * settings.interval_s} for row in found]
    chosen = feeds.update().where(feeds.c.id == bindparam("feed")).values(next_check_at=bindparam("at"))
    connection.execute(chosen, rows)


def _counted(connection: Connection) -> Counter[str]:
    """Entries by the path of their feed."""
    from recommender.tables import entries, feeds

    chosen = select(feeds.c.address, func.count()).join(entries, entries.c.feed_id == feeds.c.id)
    rows = connection.execute(chosen.group_by(feeds.c.address)).all()
    return Counter({f"/{address.rpartition('/')[2]}": count for address, count in rows})


def _told(connection: Connection) -> int:
    """What waits for the room."""
    from recommender.tables import room_entries

    chosen = select(func.count()).where(room_entries.c.room == ROOM, room_entries.c.state == "waiting")
    return int(connection.execute(chosen).scalar_one())


def _pids(parser: Parser) -> list[int]:
    return [child._process.pid for child in parser._children if child._process is not None]


def _cpu_s(parser: Parser) -> float:
    """Of this process and its parsers."""
    used = time.process_time() + sum(os.times()[2:4])
    ticks = os.sysconf("SC_CLK_TCK")
    for pid in _pids(parser):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / ticks
    return used


def _memory_mib(parser: Parser) -> float:
    of_children = 0.0
    for pid in _pids(parser):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        of_children += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
    return rss_mib() + of_children
