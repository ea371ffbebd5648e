"""``python -m benchmarks messages --platform discord|feishu --messages N --rooms R [--rate M]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.messages.driver import Plan, measure


def main(argv: Sequence[str]) -> int:
    """Prints one JSON object on the last line; 1 when a question was lost or answered twice."""
    arguments = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="maodou-messages-") as folder:
        plan = Plan(
            messages=arguments.messages,
            rooms=arguments.rooms,
            rate=arguments.rate,
            rounds=arguments.rounds,
            in_flight=arguments.in_flight,
            rate_s=arguments.rate_s,
            folder=Path(folder),
            platform=arguments.platform,
        )
        report = asyncio.run(measure(plan))
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if report["lost"] or report["duplicated"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks messages", description=__doc__)
    parser.add_argument("--platform", choices=("discord", "feishu"), required=True)
    parser.add_argument("--messages", type=int, default=5000, help="questions of phase 1, in all rounds together")
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--rate", type=float, default=50, help="questions a second in phase 2")
    parser.add_argument("--rate-s", type=float, default=20, help="how long phase 2 lasts, in seconds")
    parser.add_argument("--rounds", type=int, default=3, help="how often each bot runs in phase 1")
    parser.add_argument("--in-flight", type=int, default=3, help="questions that wait for an answer in one room")
    return parser
