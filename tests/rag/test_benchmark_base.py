"""The benchmark ``base`` keeps its contract: what it reads, and the keys that it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main, names
from benchmarks.base import KEYS, Expected, read_questions
from tests.blocking import ROOT


def test_questions_are_read_from_json_lines_and_from_tabs(tmp_path: Path) -> None:
    file = tmp_path / "questions"
    file.write_text('{"question": "怎么装？", "file": "a.md"}\n\nhow to install\tdocs/b.md\n', encoding="utf-8")
    assert read_questions(file) == [Expected("怎么装？", "a.md"), Expected("how to install", "docs/b.md")]


@pytest.mark.parametrize("line", ["just words", '{"question": "x"}', "{broken"])
def test_a_line_that_is_neither_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "questions"
    file.write_text(f"a\tb.md\n{line}\n")
    with pytest.raises(ValueError, match="questions:2"):
        read_questions(file)


def test_an_unknown_benchmark_is_used_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    assert "base" in names()
    assert main(["nothing"]) == 2
    assert "base" in capsys.readouterr().err


def test_it_measures_the_base_and_leaves_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    questions, good, bad = (tmp_path / name for name in ("questions.jsonl", "good.txt", "bad.txt"))
    questions.write_text('{"question": "豆荚支持哪些推理后端？", "file": "README.md"}\n', encoding="utf-8")
    good.write_text("豆荚支持哪些推理后端？\n", encoding="utf-8")
    bad.write_text("今天中午吃什么\n哈哈\n", encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks", "base", "--kb", folder, "--questions", questions]
    command += ["--good", good, "--bad", bad]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110)
    result = json.loads(run.stdout.splitlines()[-1])
    assert tuple(result) == KEYS
    assert result["right_file_rate"] == 1.0
    assert result["answered_bad"] == 0.0
    assert 20 < result["rss_mib"] < 2_000
    assert all(result[key] > 0 for key in ("index_s", "unchanged_s", "one_changed_s", "p50_ms", "p95_ms"))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
