"""``python -m benchmarks feed-files DIR``: every file below DIR, read as a feed by the object that the sweep uses.

The last line of output is ``{"read", "not_a_feed", "refused", "crashed", "slowest_s", "largest_mib"}``. ``read``: files
that gave a feed; ``not_a_feed``: what says of itself that it is something else; ``refused``: files over the limits of
size, time or memory, or damaged beyond reading; ``crashed``: files over which our own side of it fell. ``slowest_s``:
of one file, wall time; ``largest_mib``: the largest file that was read. ``--show``: a line on the standard error for
each file that was not read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from net.settings import MIB
from recommender.parsing import ParseFailed, Parser, Unreadable
from recommender.settings import FeedSettings


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks feed-files")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args(argv)
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is no folder")
    files = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
    sys.stdout.write(json.dumps(asyncio.run(measure(files, arguments.show))) + "\n")
    return 0


async def measure(files: Sequence[Path], show: bool = False) -> dict[str, float]:
    settings = FeedSettings()
    parser = Parser(settings.parse)
    counts: Counter[str] = Counter()
    slowest_s, largest = 0.0, 0
    for path in files:
        began = time.perf_counter()
        try:
            became, why, size = await _read(parser, path, settings.fetch.max_bytes)
        except Exception as error:  # noqa: BLE001 – that none of these happens is what is measured
            became, why, size = "crashed", repr(error), 0
        slowest_s = max(slowest_s, time.perf_counter() - began)
        counts[became] += 1
        if became == "read":
            largest = max(largest, size)
        elif show:
            sys.stderr.write(f"{became} {why}: {path}\n")
    await parser.aclose()
    return {
        **{name: counts[name] for name in ("read", "not_a_feed", "refused", "crashed")},
        "slowest_s": round(slowest_s, 3),
        "largest_mib": round(largest / MIB, 3),
    }


async def _read(parser: Parser, path: Path, max_bytes: int) -> tuple[str, str, int]:
    data = await asyncio.to_thread(path.read_bytes)
    if len(data) > max_bytes:
        return "refused", "too large", len(data)
    try:
        await parser.feed(data, "https://feeds.example/feed")
    except ParseFailed as error:
        return ("not_a_feed" if error.reason is Unreadable.NOT_A_FEED else "refused"), error.detail, len(data)
    return "read", "", len(data)
