"""``python -m benchmarks gate --kb DIR --train-good F --train-bad F --test-good F --test-bad F [--labels N]``.

How well the gate tells the messages that the documents of ``DIR`` can answer from those they cannot: first without
a label (``f1_label_free``), then trained on the training files. With ``--labels N``: trained on N of them, drawn in
the files' proportion, mean of seeds 0 to 4. Everything through the object that rooms ask, with the settings as
shipped; the threshold comes from the training files alone. ``ms_per_message``: from text to decision, retrieval
included, mean over the test messages. The files: one message a line, or a JSON list of messages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev

from bot.logs import LogSettings, Secrets, configure
from bot.ports import Question, Verdict
from bot.room_settings import Eagerness
from bot.texts import language_of
from maodou.config import Settings
from maodou.database import open_store
from maodou.documents import Documents
from rag.examples import Example, Examples, read_examples, read_messages
from rag.gate.deciding import chance
from rag.gate.fitted import Fitted
from rag.knowledge import GatedKnowledge

BASE = "default"
SEEDS = range(5)
WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Score:
    precision: float
    recall: float
    ms_per_message: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def main(argv: Sequence[str]) -> int:
    configure(LogSettings(level="warning"), Secrets(()))
    arguments = _arguments(argv)
    given, both = read_examples(arguments.train_good, arguments.train_bad)
    if both:
        _log(f"{both} messages stand in both training files and are left out")
    good, bad = read_messages(arguments.test_good), read_messages(arguments.test_bad)
    with tempfile.TemporaryDirectory(prefix="maodou-bench-") as folder:
        settings = Settings(data_dir=Path(folder), sample=False)
        store = open_store(settings)
        try:
            with Documents.open(settings, store) as documents:
                documents.library.add(arguments.kb, BASE)
                documents.indexes.refresh()
                free = measured(documents.knowledge, good, bad)
                _log(f"without a label: {_told(free)}")
                fits = trained(documents.knowledge, Examples(store), given, arguments.labels, good, bad)
        finally:
            store.close()
    scores = [score for score, _ in fits]
    if len(scores) > 1:
        _log(f"f1 over the draws: {mean(s.f1 for s in scores):.4f} ± {pstdev(s.f1 for s in scores):.4f}")
    result = {
        "f1_label_free": round(free.f1, 4),
        "f1": round(mean(score.f1 for score in scores), 4),
        "precision": round(mean(score.precision for score in scores), 4),
        "recall": round(mean(score.recall for score in scores), 4),
        "threshold": round(mean(chance(fitted.helpful.log_odds) for _, fitted in fits), 4),
        "ms_per_message": round(mean([free.ms_per_message, *(score.ms_per_message for score in scores)]), 3),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gate")
    parser.add_argument("--kb", type=Path, required=True)
    for name in ("--train-good", "--train-bad", "--test-good", "--test-bad"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--labels", type=int)
    return parser.parse_args(argv)


def trained(
    knowledge: GatedKnowledge,
    examples: Examples,
    given: Sequence[Example],
    labels: int | None,
    good: Sequence[str],
    bad: Sequence[str],
) -> list[tuple[Score, Fitted]]:
    """The score after each training: one on all that is given, or one per seed on a draw of ``labels``."""
    fits: list[tuple[Score, Fitted]] = []
    draws = [list(given)] if labels is None else [drawn(given, labels, seed) for seed in SEEDS]
    for draw in draws:
        examples.remove(BASE)
        examples.add(BASE, draw)
        began = time.perf_counter()
        fitted = knowledge.learner.refit([BASE])
        if fitted is None:
            raise SystemExit("too few examples of one kind to learn from")
        seconds = time.perf_counter() - began
        score = measured(knowledge, good, bad)
        _log(f"{fitted.good} good and {fitted.bad} bad examples, fitted in {seconds:.1f} s: {_told(score)}")
        believed = fitted.helpful
        _log(
            f"  by cross-validation on them: helpful f1 {believed.f1:.4f} (precision {believed.precision:.3f}, recall "
            f"{believed.recall:.3f}), quiet precision {fitted.quiet.precision:.3f}, recall {fitted.quiet.recall:.3f}"
        )
        fits.append((score, fitted))
    return fits


def drawn(given: Sequence[Example], labels: int, seed: int) -> list[Example]:
    """``labels`` of the examples, good and bad in the proportion of all."""
    chosen: list[Example] = []
    picking = random.Random(seed)
    for good in (True, False):
        kind = [example for example in given if example.good is good]
        count = min(len(kind), round(labels * len(kind) / max(len(given), 1)))
        chosen.extend(picking.sample(kind, count))
    return chosen


def measured(knowledge: GatedKnowledge, good: Sequence[str], bad: Sequence[str]) -> Score:
    """What the gate does with messages that nobody addressed to it, in a room that lets it be helpful."""
    for text in [*good, *bad][:WARM_UP]:
        asyncio.run(_answers(knowledge, [text]))
    began = time.perf_counter()
    hits = asyncio.run(_answers(knowledge, good))
    false_alarms = asyncio.run(_answers(knowledge, bad))
    seconds = time.perf_counter() - began
    return Score(
        hits / max(hits + false_alarms, 1),
        hits / max(len(good), 1),
        1000 * seconds / max(len(good) + len(bad), 1),
    )


async def _answers(knowledge: GatedKnowledge, texts: Sequence[str]) -> int:
    """How many of the messages would be answered."""
    answered = 0
    for text in texts:
        question = Question(text, (BASE,), language=language_of(text), eagerness=Eagerness.HELPFUL)
        answered += (await knowledge.judge(question)).verdict is Verdict.ANSWER
    return answered


def _told(score: Score) -> str:
    figures = f"f1 {score.f1:.4f}, precision {score.precision:.3f}, recall {score.recall:.3f}"
    return f"{figures}, {score.ms_per_message:.2f} ms a message"


def _log(text: str) -> None:
    sys.stderr.write(text + "\n")
