"""``python -m benchmarks retrieval --chunks N --dim D [--questions Q] [--turns T] [--arms raw,ours] [--seed S]``.

Each arm is built once and served ``--turns`` times, the arms in turn, since a shared machine favours now one, now
the other; what is printed of serving are the medians. The last line is ``{"raw": {…}, "llama_index": {…}, "ours":
{…}}``; the standard error has the processor's seconds, the parts of ours, and how often the chunk that a question
was made from was among the ten. The raw arm needs bm25s, which comes with ``make setup ALL=1``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.retrieval.arms import questions_of
from benchmarks.retrieval.corpus import made

ARMS = ("raw", "llama_index", "ours")
KEYS = ("build_s", "load_s", "p50_ms", "p95_ms", "rss_mib", "peak_mib")
PHASE_TIMEOUT_S = 3_600


def main(argv: Sequence[str]) -> int:
    arguments = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="maodou-retrieval-") as name:
        folder = Path(name)
        made(arguments.chunks, arguments.dim, arguments.questions, arguments.seed).save(folder / "corpus")
        questions_of(folder / "corpus").save(folder / "questions")
        result = measure(arguments.arms, folder, arguments.turns)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def measure(arms: Sequence[str], folder: Path, turns: int) -> dict[str, dict[str, float]]:
    """The figures of each arm; the corpus and the questions lie in ``folder``."""
    built = {arm: _phase(arm, "build", folder) for arm in arms}
    served: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    for _ in range(turns):
        for arm in arms:
            served[arm].append(_phase(arm, "serve", folder))
    result = {}
    for arm in arms:
        figures = {key: median(turn[key] for turn in served[arm]) for key in served[arm][0]} | built[arm]
        result[arm] = {key: round(figures[key], 3) for key in KEYS}
        more = {key: value for key, value in figures.items() if key not in KEYS}
        sys.stderr.write(f"{arm}: {json.dumps(more)}\n")
    return result


def _phase(arm: str, phase: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.retrieval.arms", arm, phase, str(folder)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PHASE_TIMEOUT_S)
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks retrieval")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3, help="how often each arm is served")
    parser.add_argument("--arms", type=lambda names: names.split(","), default=list(ARMS), help=",".join(ARMS))
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)
