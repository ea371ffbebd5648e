"""The benchmark's figures, and the project's own small sets. Those are the work of who wrote the lists: they show that
the model works, not how well it does on a stranger's texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.filter import figures, main, read_texts
from moderation.judging import Filter

HERE = Path(__file__).parent


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, float | None]:
    found: dict[str, float | None] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_figures_are_shares_and_null_where_they_mean_nothing() -> None:
    assert figures([True, True, False, False], [True, False, True, False]) == {
        "recall": 0.5,
        "precision": 0.5,
        "false_positive_rate": 0.5,
    }
    assert figures([False], [False]) == {"recall": None, "precision": None, "false_positive_rate": 0.0}
    assert figures([], []) == {"recall": None, "precision": None, "false_positive_rate": None}


@pytest.mark.parametrize(
    ("name", "recall", "false_positives"),
    [
        ("development", 0.95, 0.02),
        ("held_out", 0.9, 0.05),
        ("unseen", 0.5, 0.06),
        ("unseen_long", 0.9, 0.06),
        ("hints", 0.55, 0.12),
    ],
)
def test_the_project_s_own_sets(
    name: str, recall: float, false_positives: float, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--texts", str(HERE / f"{name}.jsonl")]) == 0
    told = last_line(capsys)
    assert told["recall"] is not None
    assert told["recall"] >= recall
    assert told["false_positive_rate"] is not None
    assert told["false_positive_rate"] <= false_positives
    assert told["us_per_char"] is not None


def test_the_documentation_of_the_filter_passes_the_filter(words: Filter) -> None:
    pages = [*(HERE.parents[1] / "docs").glob("**/*.md"), *HERE.parents[1].glob("*.md")]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 300
    assert [line for line in lines if words.judge(line).hides] == []


def test_an_empty_file_has_no_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.jsonl").write_text("\n")
    assert main(["--texts", str(tmp_path / "none.jsonl")]) == 0
    assert set(last_line(capsys).values()) == {None}


@pytest.mark.parametrize("line", ["porn", '{"text": "porn"}', '{"text": "porn", "label": 2}', "[]"])
def test_a_line_that_is_no_labelled_text_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a", "label": 0}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"texts\.jsonl:2"):
        read_texts(path)
