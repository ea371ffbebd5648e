"""``python -m benchmarks chaos --kills N [--platform scripted|discord|feishu] [--database URL] [--seed S]``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos.breaks import Break
from benchmarks.chaos.database import fresh_database
from benchmarks.chaos.driver import PAUSE_SHARE, BotFailed, ChaosPlan, ChaosReport, Driver
from benchmarks.chaos.points import Point
from benchmarks.chaos.real_clients import BREAKS
from bot.errors import UsageError

REAL_LIFE_S, REAL_REACH_S = 2.5, 15.0
"""A real client takes a while to log in and to read back what it missed: its lives are longer."""


def main(argv: Sequence[str]) -> int:
    """Prints the report as one JSON object on the last line. Returns 1 when a promise was broken or the bot failed
    by itself, 2 when it was used wrongly."""
    arguments = _parser().parse_args(argv)
    try:
        report = _run(arguments)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except BotFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    counted = report.counted
    sys.stderr.write(
        f"{report.wall_s:.0f} s; {report.redelivered} events delivered again, {report.absorbed} sends absorbed by "
        f"their key; questions lost {counted.lost}, duplicated {counted.duplicated}, "
        f"out of order {counted.out_of_order}\n"
    )
    sys.stdout.write(json.dumps(report.as_json()) + "\n")
    return 0 if report.holds else 1


def _run(arguments: argparse.Namespace) -> ChaosReport:
    with _folder(arguments.keep) as folder, fresh_database(arguments.database, folder) as url:
        plan = ChaosPlan(
            kills=arguments.kills,
            database=url,
            folder=folder,
            seed=arguments.seed,
            points=arguments.point or tuple(Point),
            random_share=arguments.random_share,
            pause_share=arguments.pause_share,
            breaks=arguments.breaks,
            platform=arguments.platform,
        )
        if plan.platform != "scripted":
            if plan.breaks not in (None, *BREAKS):
                raise UsageError(f"{plan.breaks} cannot be broken on a real platform; {', '.join(BREAKS)} can.")
            # A client that was killed leaves requests half done: no error of the emulator's.
            logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
            plan = replace(plan, life_s=REAL_LIFE_S, reach_s=REAL_REACH_S)
        return asyncio.run(Driver(plan).run())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--kills", type=int, required=True, help="how often the bot is killed")
    parser.add_argument("--platform", choices=("scripted", "discord", "feishu"), default="scripted")
    parser.add_argument("--database", help="SQLite file or PostgreSQL server; without it a temporary SQLite file")
    parser.add_argument("--seed", type=int, default=0, help="of the script and of the kills")
    parser.add_argument("--keep", type=Path, help="keep the bot's log and the database in this folder")
    # What the tests of the benchmark itself use: aim at some points only, and break a mechanism to see red.
    parser.add_argument("--point", type=Point, action="append", help=argparse.SUPPRESS)
    parser.add_argument("--random-share", type=float, default=0.5, help=argparse.SUPPRESS)
    parser.add_argument("--pause-share", type=float, default=PAUSE_SHARE, help=argparse.SUPPRESS)
    parser.add_argument("--break", dest="breaks", type=Break, help=argparse.SUPPRESS)
    return parser


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="maodou-chaos-") as folder:
        yield Path(folder)
