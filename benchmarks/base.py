"""``python -m benchmarks base --kb DIR --questions FILE [--good F --bad F]``: the knowledge base as rooms use it.

Indexing, a sync without a change and one with a changed file (each until the index answers anew), the time from a
question to its whole answer, the share of questions whose expected file is among the citations, how many of the
messages in ``--good`` and ``--bad`` the gate answers without a label, and the memory of the process that serves the
web room over this base. Everything through the objects that the room uses, with the settings as shipped; ``DIR`` is
copied first and not touched.

``--questions``: JSON lines ``{"question": …, "file": …}`` (``file``: relative to DIR), or question and file with a
tab between. ``--good``, ``--bad``: one message a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.logs import LogSettings, Secrets, configure
from bot.ports import Verdict
from maodou.asking import Asked, ask
from maodou.config import Settings
from maodou.database import open_store
from maodou.documents import Documents

BASE = "default"
"""What a new room reads."""

KEYS = (
    *("index_s", "unchanged_s", "one_changed_s", "p50_ms", "p95_ms", "rss_mib"),
    *("right_file_rate", "answered_good", "answered_bad", "f1_label_free"),
)
MARK = "zyzzogeton"
"""A word for the changed file that no document has."""

SERVING_TIMEOUT_S = 300
WARM_UP_QUESTIONS = 20


@dataclass(frozen=True, slots=True)
class Expected:
    question: str
    file: str


def main(argv: Sequence[str]) -> int:
    configure(LogSettings(level="warning"), Secrets(()))
    arguments = _arguments(argv)
    questions = read_questions(arguments.questions)
    with tempfile.TemporaryDirectory(prefix="maodou-bench-") as folder:
        kb = Path(folder, "kb")
        shutil.copytree(arguments.kb, kb, symlinks=True)
        settings = Settings(data_dir=Path(folder, "data"), sample=False)
        result: dict[str, Any] = {}
        with opened(settings) as documents:
            result |= syncing(documents, kb)
            result |= answering(documents, questions)
            result |= gating(documents, arguments.good, arguments.bad)
        asked = [expected.question for expected in questions[:WARM_UP_QUESTIONS]]
        result["rss_mib"] = serving_mib(settings, asked)
    sys.stdout.write(json.dumps({key: result[key] for key in KEYS}) + "\n")
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks base")
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--good", type=Path)
    parser.add_argument("--bad", type=Path)
    return parser.parse_args(argv)


def read_questions(path: Path) -> list[Expected]:
    """JSON lines or tab-separated values. Raises ``ValueError`` with the line's number for anything else."""
    found: list[Expected] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            if line.lstrip().startswith("{"):
                entry = json.loads(line)
                found.append(Expected(entry["question"], entry["file"]))
            else:
                question, file = line.split("\t")
                found.append(Expected(question.strip(), file.strip()))
        except (ValueError, KeyError) as error:
            raise ValueError(f'{path}:{number}: neither {{"question", "file"}} nor question, tab, file') from error
    return found


@contextmanager
def opened(settings: Settings) -> Iterator[Documents]:
    store = open_store(settings)
    try:
        with Documents.open(settings, store) as documents:
            yield documents
    finally:
        store.close()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def syncing(documents: Documents, kb: Path) -> dict[str, float]:
    """Seconds of a first sync, of one without a change, and of one with a changed file, index included."""

    def sync() -> None:
        documents.library.add(kb, BASE)
        documents.indexes.refresh()

    index_s = timed(sync)
    base = documents.library.base(BASE)
    _log(f"{base.documents} documents, {base.refused} refused, {base.chunks} passages")
    unchanged_s = timed(sync)
    changed = kb / documents.library.list(BASE)[base.documents // 2].source
    with changed.open("a", encoding="utf-8") as file:
        file.write(f"\n\n{MARK}\n")
    one_changed_s = timed(sync)
    if not documents.indexes.current[BASE].words.document_frequency(MARK):
        raise AssertionError(f"{changed} was changed, and the index does not know it")
    return {
        "index_s": round(index_s, 3),
        "unchanged_s": round(unchanged_s, 3),
        "one_changed_s": round(one_changed_s, 3),
    }


def answering(documents: Documents, questions: Sequence[Expected]) -> dict[str, float]:
    """Milliseconds from a question to its whole answer, and whether the expected file is cited.

    A question counts as right when its file is among the citations (at most 5), as ``kb ask --json`` gives them.
    """
    times: list[float] = []
    right = first = answered = 0
    for expected in questions:
        began = time.perf_counter()
        asked = asyncio.run(ask(documents, expected.question, BASE, addressed=True))
        times.append((time.perf_counter() - began) * 1000)
        sources = [citation.source for citation in asked.citations]
        right += expected.file in sources
        first += sources[:1] == [expected.file]
        answered += asked.decision is Verdict.ANSWER
        if expected.file not in sources:
            _log(f"not cited: {expected.question!r} wants {expected.file}, has {sources}")
    count = max(len(questions), 1)
    _log(f"{right} of {len(questions)} cited right, {first} of them first; {answered} answered")
    return {
        "p50_ms": round(float(np.percentile(times, 50)), 2),
        "p95_ms": round(float(np.percentile(times, 95)), 2),
        "right_file_rate": round(right / count, 4),
    }


def gating(documents: Documents, good: Path | None, bad: Path | None) -> dict[str, float | None]:
    """Shares of the messages that are answered though nobody addressed the bot, and F1 of "should be answered"."""

    async def all_of(lines: Sequence[str]) -> list[Asked]:
        return [await ask(documents, line, BASE, addressed=False) for line in lines]

    if good is None or bad is None:
        return {"answered_good": None, "answered_bad": None, "f1_label_free": None}
    goods, bads = read_messages(good), read_messages(bad)
    hits = sum(asked.decision is Verdict.ANSWER for asked in asyncio.run(all_of(goods)))
    false_alarms = sum(asked.decision is Verdict.ANSWER for asked in asyncio.run(all_of(bads)))
    _log(f"{hits} of {len(goods)} good and {false_alarms} of {len(bads)} bad messages answered")
    return {
        "answered_good": round(hits / max(len(goods), 1), 4),
        "answered_bad": round(false_alarms / max(len(bads), 1), 4),
        "f1_label_free": round(2 * hits / max(len(goods) + hits + false_alarms, 1), 4),
    }


def read_messages(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def serving_mib(settings: Settings, questions: Sequence[str]) -> float:
    """MiB that the process of ``maodou up`` holds once its room has answered the questions."""
    command = [sys.executable, "-m", "benchmarks._serving", str(settings.data_dir)]
    asked = "\n".join(json.dumps(question) for question in questions)
    run = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True, timeout=SERVING_TIMEOUT_S)
    told = json.loads(run.stdout.splitlines()[-1])
    _log(f"serving: {told}")
    return float(told["rss_mib"])


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
