"""Training, merging and asking in their own environment, on a base of a few seconds: failing, and going on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bot.errors import UsageError
from finetune_xtuner import checking, fitting, teaching, writing
from finetune_xtuner.conversation import BrokenRow
from finetune_xtuner.process import Event, JobFailed
from finetune_xtuner.sampling import BaseSettings, make_base, sample_data
from finetune_xtuner.teaching import TrainSettings
from llm.environments import find
from llm.errors import ModelFolderError
from tests.conftest import ENVIRONMENTS
from tests.llm.full_disk import no_file_larger_than

pytestmark = [pytest.mark.tuner, pytest.mark.timeout(400)]

QUICK = TrainSettings(rank=4, learning_rate=1e-2, batch_size=8, max_tokens=64, steps=12, save_steps=4)


@pytest.fixture(scope="module")
def python() -> Path:
    environment = find("finetune", ENVIRONMENTS)
    assert environment is not None
    return environment.python


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Path:
    """A folder with a data set and two small bases that differ in their seed; each knows nothing."""
    folder = tmp_path_factory.mktemp("made")
    data = sample_data()
    writing.write(data, folder / "data")
    for name, seed in (("base", 1), ("other", 2)):
        settings = BaseSettings(vocabulary=600, layers=1, steps=16, batch_size=8, seed=seed)
        make_base(python, folder / name, data, ignore, settings)
    return folder


@pytest.fixture(scope="module")
def adapter(made: Path, python: Path) -> Path:
    teaching.train(python, made / "data", made / "base", made / "adapter", QUICK, ignore)
    return made / "adapter"


def ignore(event: Event) -> None:
    pass


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_an_adapter_comes_with_its_curve_and_merges_into_a_model_that_answers(
    python: Path, made: Path, adapter: Path, tmp_path: Path
) -> None:
    history = json.loads((adapter / "history.json").read_text())
    assert len(history) == QUICK.steps
    assert history[-1]["loss"] < history[0]["loss"]
    assert max(each["rate"] for each in history) == pytest.approx(QUICK.learning_rate, rel=0.1)
    assert (adapter / "curve.svg").read_text().startswith("<svg")
    done = teaching.merge(python, made / "base", adapter, tmp_path / "merged", ignore)
    assert done["difference"] < 1e-3
    probes = writing.read_probes(made / "data")[:3]
    said = checking.ask(python, tmp_path / "merged", None, probes, ignore)
    assert said == checking.ask(python, made / "base", adapter, probes, ignore)
    assert left_in(tmp_path) == {"merged"}


def test_a_run_that_was_killed_goes_on_where_it_was(python: Path, made: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def die_after_eight(event: Event) -> None:
        if event["event"] == "saved" and event["step"] == 8:
            raise Killed

    with pytest.raises(Killed):
        teaching.train(python, made / "data", made / "base", tmp_path / "adapter", QUICK, die_after_eight)
    assert left_in(tmp_path) == {".adapter.run"}
    changed = QUICK.model_copy(update={"rank": 8})
    with pytest.raises(UsageError, match="had other data or settings"):
        teaching.train(python, made / "data", made / "base", tmp_path / "adapter", changed, ignore)

    events: list[Event] = []
    teaching.train(python, made / "data", made / "base", tmp_path / "adapter", QUICK, events.append)
    assert [each["sentence"] for each in events if each["event"] == "note"] == [
        "Going on from step 8, where the last run ended."
    ]
    assert [each["step"] for each in events if each["event"] == "step"] == [9, 10, 11, 12]
    assert left_in(tmp_path) == {"adapter"}
    assert len(json.loads((tmp_path / "adapter" / "history.json").read_text())) == QUICK.steps


def test_a_run_that_learns_nothing_fails_and_writes_no_adapter(python: Path, made: Path, tmp_path: Path) -> None:
    stuck = QUICK.model_copy(update={"learning_rate": 1e-9})
    with pytest.raises(JobFailed, match=r"The loss is flat: .* It did not learn\. No adapter was written"):
        teaching.train(python, made / "data", made / "base", tmp_path / "adapter", stuck, ignore)
    assert left_in(tmp_path) == {".adapter.run"}
    assert "checkpoints" not in left_in(tmp_path / ".adapter.run")


def test_an_adapter_belongs_to_its_base_and_its_tokenizer(
    python: Path, made: Path, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(JobFailed, match="was trained on another base than"):
        teaching.merge(python, made / "other", adapter, tmp_path / "merged", ignore)
    renewed = tmp_path / "renewed"
    shutil.copytree(made / "base", renewed)
    tokenizer = json.loads((renewed / "tokenizer.json").read_text("utf-8"))
    tokenizer["model"]["merges"].pop()
    (renewed / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    with pytest.raises(JobFailed, match="is another version than the one"):
        teaching.merge(python, renewed, adapter, tmp_path / "merged", ignore)
    assert left_in(tmp_path) == {"renewed", ".merged.log"}


def test_too_little_memory_is_said_before_anything_is_loaded(
    python: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "ACTIVATION_BYTES", 10**12)
    events: list[Event] = []
    with pytest.raises(JobFailed, match=r"Not enough memory to train: it needs about .* GiB, by the model's shape"):
        teaching.train(python, made / "data", made / "base", tmp_path / "adapter", QUICK, events.append)
    assert events == []


def test_a_full_disk_is_a_sentence_and_leaves_no_half_model(
    python: Path, made: Path, adapter: Path, tmp_path: Path
) -> None:
    with no_file_larger_than(300_000), pytest.raises(JobFailed, match="The disk is full"):
        teaching.merge(python, made / "base", adapter, tmp_path / "merged", ignore)
    assert left_in(tmp_path) == {".merged.log"}


def test_what_is_wrong_with_the_input_is_said_before_a_process_starts(
    made: Path, adapter: Path, tmp_path: Path
) -> None:
    nobody = tmp_path / "no-python"
    with pytest.raises(ModelFolderError, match="is no folder with a model in it"):
        teaching.train(nobody, made / "data", tmp_path / "nowhere", tmp_path / "adapter", QUICK, ignore)
    half = tmp_path / "half"
    shutil.copytree(made / "base", half)
    with (half / "model.safetensors").open("rb+") as weights:
        weights.truncate(10_000)
    with pytest.raises(ModelFolderError, match="is half a download"):
        teaching.train(nobody, made / "data", half, tmp_path / "adapter", QUICK, ignore)
    broken = tmp_path / "data"
    shutil.copytree(made / "data", broken)
    with (broken / "train.jsonl").open("a") as rows:
        rows.write('{"messages": [{"role": "user", "content": "a"}]}\n')
    with pytest.raises(BrokenRow, match=r"train\.jsonl, line \d+: the last message must be the assistant's"):
        teaching.train(nobody, broken, made / "base", tmp_path / "adapter", QUICK, ignore)
    with pytest.raises(UsageError, match="is there already"):
        teaching.merge(nobody, made / "base", adapter, adapter, ignore)
    assert left_in(tmp_path) == {"half", "data"}
