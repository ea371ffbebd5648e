"""The measure behind every citation, on sentences that are and are not what their passage says.

``answers_pairs.jsonl``: the measure was made on the set ``tuned``, mended once on ``seen``, and never touched after
``unseen`` was written. What it should refuse is hard on purpose: one word, number or negation differs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.ports import Passage
from rag import support as measure
from rag.citing import Checker
from rag.support import holds, names, negators, numbers, squeezed
from rag.units import Unit, UnitKind

PAIRS = [json.loads(line) for line in Path(__file__).with_name("answers_pairs.jsonl").read_text("utf-8").splitlines()]


def is_shown(pair: dict[str, str]) -> bool:
    checker = Checker("?", [Passage("pods", "doc.md", pair["heading"], pair["passage"], 1.0)])
    return checker.check(Unit(UnitKind.SENTENCE, f"{pair['sentence']} [1]")).text is not None


def rates(*sets: str) -> tuple[float, float]:
    """The shares that are shown of what is supported and of what is not."""
    chosen = [pair for pair in PAIRS if pair["set"] in sets]
    by_truth = {truth: [is_shown(pair) for pair in chosen if pair["supported"] is truth] for truth in (True, False)}
    return tuple(sum(shown) / len(shown) for shown in by_truth.values())  # type: ignore[return-value]


def test_most_of_what_the_passage_says_is_shown_and_little_of_what_it_does_not() -> None:
    true, false = rates("unseen")
    assert true >= 0.90
    assert false <= 0.20


def test_nor_did_it_get_worse_where_it_was_made() -> None:
    true, false = rates("tuned", "seen")
    assert true >= 0.90
    assert false <= 0.08


def test_words_alone_would_let_more_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: without numbers, names, negation and the rest, coverage believes half of it."""
    for rule in ("numbers", "names", "quotations"):
        monkeypatch.setattr(measure, rule, lambda text: set())
    for rule in ("_contradicts", "_overstates", "_reverses"):
        monkeypatch.setattr(measure, rule, lambda *arguments: False)
    measure._read.cache_clear()
    try:
        assert rates("unseen", "seen")[1] >= 0.5
    finally:
        measure._read.cache_clear()


@pytest.mark.parametrize(
    ("text", "stretch", "found"),
    [
        ("run rm -rf /tmp/x now", "rm -rf /", False),
        ("run rm -rf /tmp/x now", "rm -rf /tmp/x", True),
        ("needs 1.2.3", "1.2", False),
        ("needs v1.2.3.", "1.2.3", False),
        ("needs 1.2.3.", "1.2.3", True),
        ("用 pip install doujia 安装", "pip install doujia", True),
        ("用`pip install doujia`安装", "pip install doujia", True),
        ("pip install doujia-cpu", "pip install doujia", False),
        ("https://a.example/b/c", "https://a.example/b", False),
        ("see a.example, or b", "a.example", True),
        ("No module named 'doujia.\\_ext'", "doujia._ext", True),
        ("打开 --half", "--half", True),
        ("打开 --half-precision", "--half", False),
        ("ＣＵＤＡ　１１．８", "CUDA 11.8", True),
    ],
)
def test_verbatim_means_the_whole_of_it(text: str, stretch: str, found: bool) -> None:
    assert holds(squeezed(text), stretch) is found


def test_numbers_are_the_same_however_they_are_written() -> None:
    assert numbers("三种方法，1,000 个，v1.2.3，two ways") == {"3", "1000", "1.2.3", "2"}


def test_names_are_what_a_reader_would_copy() -> None:
    assert names("Use `tools/export.py --format onnx` with CUDA on Windows in config.yaml, e.g. well-known words") >= {
        "tools/export.py", "--format", "CUDA", "config.yaml",
    }  # fmt: skip
    assert not names("a plain sentence of well-known words")


@pytest.mark.parametrize(
    ("text", "denies"),
    [("不支持", True), ("不仅支持", False), ("是否支持", False), ("cannot", True), ("don't", True), ("notable", False)],
)
def test_negation(text: str, denies: bool) -> None:
    assert bool(negators(text)) is denies
