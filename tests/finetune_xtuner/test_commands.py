"""``maodou finetune`` as an operator types it, without the environment that trains."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_xtuner.sampling import FORM, PAIRS
from tests.blocking import ROOT


def maodou(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    (folder / "config.yaml").touch()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "maodou", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    done = maodou(folder, "finetune", "data", "--form", FORM, "--pairs", PAIRS, "--out", "made", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["train"] > told["held_out"] > 100
    return folder / "made"


def test_a_data_set_is_a_folder_with_a_report_to_look_at(dataset: Path) -> None:
    assert {path.name for path in dataset.iterdir()} == {
        *("train.jsonl", "held_out.jsonl", "check.jsonl", "xtuner.json", "report.md")
    }
    assert "| who | zh |" in (dataset / "report.md").read_text("utf-8")
    turns = json.loads((dataset / "xtuner.json").read_text("utf-8"))[0]["conversation"]
    assert set(turns[0]) == {"system", "input", "output"}


def test_the_data_set_goes_to_other_tools_with_a_configuration_that_warms_up(dataset: Path, tmp_path: Path) -> None:
    done = maodou(tmp_path, "finetune", "export", dataset, "--base", "internlm/x", "--out", "other", "--four-bit")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "other" / "xtuner" / "config.py").read_text("utf-8")
    names = {target.id for node in ast.parse(text).body if isinstance(node, ast.Assign) for target in node.targets}  # type: ignore[attr-defined]
    assert {"model", "tokenizer", "train_dataloader", "optim_wrapper", "param_scheduler", "train_cfg"} <= names
    assert "begin=0, end=10" in text
    assert "load_in_4bit=True" in text
    rows = (tmp_path / "other" / "paddlenlp" / "train.json").read_text("utf-8").splitlines()
    assert set(json.loads(rows[0])) == {"src", "tgt"}
    assert (tmp_path / "other" / "ms-swift" / "train.jsonl").exists()


def test_pairs_that_a_knowledge_base_holds_are_taken_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\n怎么装豆机,用 make。\n怎么删豆机,删文件夹。\n", "utf-8")
    assert maodou(tmp_path, "kb", "add", "faq.csv").returncode == 0
    done = maodou(tmp_path, "finetune", "data", "--kb", "default", "--out", "made", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["train"] == 10  # two questions, each in five surroundings


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data", "--out", "x"], "There is nothing to learn: name a --form"),
        (["data", "--form", "no.yaml", "--out", "x"], "The form no.yaml cannot be read: No such file"),
        (["data", "--pairs", "broken.csv", "--out", "x"], "broken.csv, line 3: it has no answer"),
        (["train", "nodata", "--base", "nobase", "--out", "x"], "nobase is no folder with a model in it"),
        (["train", "nodata", "--base", "nobase", "--out", "x", "--learning-rate", "7"], "--learning-rate: "),
        (["merge", "--base", "nobase", "--adapter", "a", "--out", "x"], "There is no adapter at a"),
        (["check", "nodata", "--base", "b"], "Name either --adapter or --model"),
        (["check", "nodata", "--base", "b", "--model", "m"], "is no data set: it has no check.jsonl"),
        (["export", "nodata", "--base", "b", "--out", "x"], "is no data set: it has no train.jsonl"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "broken.csv").write_text("question,answer\na,b\nc,\n")
    done = maodou(tmp_path, "finetune", *arguments)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()
