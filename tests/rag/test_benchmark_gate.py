"""The benchmark ``gate`` keeps its contract: what it reads, what it prints, and that labels are drawn fairly."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from benchmarks import gate
from rag.examples import Example
from tests.rag.messages import CORPUS, messages

KEYS = {"f1_label_free", "f1", "precision", "recall", "threshold", "ms_per_message"}


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A benchmark sets the log up for a process of its own; the tests after this one have theirs."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def arguments(folder: Path) -> list[str]:
    """The neighbours of the two plain cases, every other one for training: lines for good, a JSON list for bad."""
    given = ["--kb", str(CORPUS)]
    for name, kind, part in (
        ("train-good", "answerable", 0),
        ("train-bad", "chit_chat", 0),
        ("test-good", "answerable", 1),
        ("test-bad", "chit_chat", 1),
    ):
        texts = messages(kind)[part::2]
        path = folder / name
        path.write_text("\n".join(texts) if "good" in name else json.dumps(texts), encoding="utf-8")
        given += [f"--{name}", str(path)]
    return given


@pytest.mark.parametrize("labels", [[], ["--labels", "20"]])
def test_it_prints_the_contract_on_its_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[str]
) -> None:
    assert gate.main([*arguments(tmp_path), *labels]) == 0
    out, told = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert set(result) == KEYS
    assert result["f1_label_free"] == 1.0
    assert result["f1"] >= 0.95
    assert 0 < result["threshold"] < 1
    assert 0 < result["ms_per_message"] < 1_000
    assert told.count("good and") == (5 if labels else 1)


def test_draws_keep_the_proportion_and_differ_by_seed() -> None:
    given = [Example(f"good {number}", True) for number in range(30)]
    given += [Example(f"bad {number}", False) for number in range(90)]
    first, second = gate.drawn(given, 40, 0), gate.drawn(given, 40, 1)
    assert [sum(example.good for example in draw) for draw in (first, second)] == [10, 10]
    assert len(first) == len(second) == 40
    assert set(first) != set(second)
    assert gate.drawn(given, 40, 0) == first
    assert len(gate.drawn(given, 1_000, 0)) == 120
