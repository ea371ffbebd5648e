"""Does it know who it is, and what has it forgotten? Questions that it was not trained on, before and after.

Two things decide: of the questions about the form's fields the share that is answered right, and of the questions that
the model answered right *before* the share that it still does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune_xtuner.fitting import check_base, needs_to_load
from finetune_xtuner.form import INTENTS
from finetune_xtuner.likeness import holds, likeness
from finetune_xtuner.process import OnEvent, Python, run_job
from finetune_xtuner.writing import Probe

TAUGHT = ("who", "maker")
"""The fields that must be right; the others are shown."""
LIKE_ENOUGH = 0.7
"""F1 of characters (zh) or words (en) from which on an answer says what another one says."""
STRIDE = 13
"""Neighbours are phrasings of one group: questions are taken from a pile in steps of this, a prime."""
BATCH_SIZE = 32
ANSWER_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``passed`` is None where nothing depends on it."""

    what: str
    questions: int
    before: int
    after: int
    passed: bool | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wrong``: question and answer after, of what had to be right and is not."""

    rows: tuple[Row, ...]
    wrong: tuple[tuple[str, str], ...]

    @property
    def passed(self) -> bool:
        return all(row.passed is not False for row in self.rows)


def ask(
    python: Python, model: Path, adapter: Path | None, probes: Sequence[Probe], on_event: OnEvent, *, threads: int = 1
) -> list[str]:
    """The answers of a model, in the order of the questions. Raises ``JobFailed``."""
    job = {
        "job": "ask",
        "model": str(model.absolute()),
        "adapter": str(adapter.absolute()) if adapter else None,
        "needs": dict(needs_to_load(check_base(model))),
        "rows": [probe.messages for probe in probes],
        "batch_size": BATCH_SIZE,
        "answer_tokens": ANSWER_TOKENS,
        "threads": threads,
    }
    with tempfile.NamedTemporaryFile(prefix="maodou-ask-", suffix=".log", delete=False) as log_file:
        done = run_job(python, job, on_event, log_file=Path(log_file.name))
    Path(log_file.name).unlink()
    return [str(answer) for answer in done["answers"]]


def at_most(probes: Sequence[Probe], count: int) -> list[Probe]:
    """A part of the questions that has all topics and languages in it: dealt in turns."""
    piles: dict[tuple[str, str], list[Probe]] = {}
    for probe in probes:
        piles.setdefault((probe.topic, probe.language), []).append(probe)
    dealt: list[Probe] = []
    for turn in range(max(map(len, piles.values()), default=0)):
        for pile in piles.values():
            if turn < len(pile):
                dealt.append(pile[turn * STRIDE % len(pile)] if len(pile) % STRIDE else pile[turn])
    return dealt[:count]


def judge(probes: Sequence[Probe], before: Sequence[str], after: Sequence[str], at_least: float) -> Verdict:
    """``at_least``: the share of each thing that decides, 0–1."""
    rows, wrong = [], []
    for topic in INTENTS:
        own = [at for at, probe in enumerate(probes) if probe.topic == topic]
        if own:
            right_before, right = _right(probes, before, own), _right(probes, after, own)
            passed = len(right) >= at_least * len(own) if topic in TAUGHT else None
            rows.append(Row(topic, len(own), len(right_before), len(right), passed))
            wrong += [(probes[at].question, after[at]) for at in own if topic in TAUGHT and at not in right]
    others = [at for at, probe in enumerate(probes) if probe.topic not in INTENTS]
    known = _right(probes, before, others)
    if others:
        kept = _right(probes, after, sorted(known))
        rows.append(Row("known before, kept", len(known), len(known), len(kept), len(kept) >= at_least * len(known)))
        wrong += [(probes[at].question, after[at]) for at in sorted(known - kept)]
        fresh = [at for at in others if at not in known]
        rows.append(Row("not known before", len(fresh), 0, len(_right(probes, after, fresh)), None))
    return Verdict(tuple(rows), tuple(wrong))


def _right(probes: Sequence[Probe], answers: Sequence[str], which: Sequence[int]) -> set[int]:
    return {at for at in which if is_right(probes[at], answers[at])}


def is_right(probe: Probe, answer: str) -> bool:
    """All that is expected is in it, or it says what the right answer says."""
    if probe.expects:
        return all(holds(answer, each, probe.ignores) for each in probe.expects)
    return likeness(answer, probe.answer) >= LIKE_ENOUGH


def as_json(verdict: Verdict) -> Mapping[str, object]:
    return {
        "passed": verdict.passed,
        "rows": [
            {
                "what": row.what,
                "questions": row.questions,
                "before": row.before,
                "after": row.after,
                "passed": row.passed,
            }
            for row in verdict.rows
        ],
        "wrong": [{"question": question, "answer": answer} for question, answer in verdict.wrong],
    }
