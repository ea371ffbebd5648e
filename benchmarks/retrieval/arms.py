"""What the driver asks of an arm, and the process that an arm runs in.

``python -m benchmarks.retrieval.arms raw|llama_index|ours build|serve FOLDER``: prints what it measured as JSON. The
corpus lies in ``FOLDER/corpus``, the arm's own files go to ``FOLDER/<arm>``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from benchmarks._memory import peak_mib, rss_mib
from benchmarks.retrieval.corpus import Corpus, Vectors

LIMIT = 10
CANDIDATES = 50
"""Of each channel, before they are fused: what ours takes as shipped."""

WARM_UP_QUESTIONS = 10

Ask = Callable[[str, Vectors], list[str]]
"""A question and its vector, shape (dim,), to the texts of the best ten chunks, best first."""


class Arm(Protocol):
    """A module of this package. It imports its libraries when it is imported."""

    def build(self, corpus: Corpus, folder: Path) -> dict[str, float]:
        """Everything that is to lie in ``folder``, and an index that can be asked; seconds of its parts, by name."""
        ...

    def opened(self, folder: Path, corpus: Corpus) -> Ask:
        """The index from ``folder``. ``corpus`` is for a double of the embedding, not to be searched."""
        ...


def arm_named(name: str) -> Arm:
    return cast(Arm, import_module(f"benchmarks.retrieval.{name}"))


def build(arm: Arm, corpus: Corpus, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    began, cpu = time.perf_counter(), time.process_time()
    parts = arm.build(corpus, folder)
    build_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return {"build_s": build_s, "peak_mib": peak_mib(), "build_cpu_s": cpu_s, "parts": parts}


def serve(arm: Arm, folder: Path, corpus: Corpus) -> dict[str, float]:
    """``corpus``: only its questions are used; a few of them are asked twice, to warm up."""
    began, cpu = time.perf_counter(), time.process_time()
    ask = arm.opened(folder, corpus)
    load_s, load_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    questions = list(zip(corpus.asked, corpus.asked_vectors, strict=True))
    for text, vector in questions[:WARM_UP_QUESTIONS]:
        ask(text, vector)
    times, cpu, answers = [], time.process_time(), []
    for text, vector in questions:
        began = time.perf_counter()
        answers.append(ask(text, vector))
        times.append((time.perf_counter() - began) * 1000)
    return {
        "load_s": load_s,
        "load_cpu_s": load_cpu_s,
        "p50_ms": float(np.percentile(times, 50)),
        "p95_ms": float(np.percentile(times, 95)),
        "cpu_ms": (time.process_time() - cpu) * 1000 / len(times),
        "rss_mib": rss_mib(),
        "found": sum(text in found for text, found in zip(corpus.texts, answers, strict=True)) / len(answers),
    }


def questions_of(folder: Path) -> Corpus:
    """The questions alone, with the texts that they mean: a serving process holds no second copy of the chunks."""
    corpus = Corpus.load(folder)
    meant = [corpus.texts[number] for number in corpus.meant]
    return Corpus(meant, corpus.asked_vectors[:0], corpus.asked, corpus.asked_vectors, list(range(len(meant))))


def main(argv: list[str]) -> None:
    name, phase, folder = argv[0], argv[1], Path(argv[2])
    arm = arm_named(name)
    if phase == "build":
        result: dict[str, Any] = build(arm, Corpus.load(folder / "corpus"), folder / name)
    else:
        result = serve(arm, folder / name, Corpus.load(folder / "questions"))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
