"""W4A16 for real, by LMDeploy on the processor: what knows a text keeps it, what loses itself is thrown away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.errors import MaodouError, UsageError
from llm import quantise as quantising
from llm.environments import Environment, find
from llm.llama_layout import LlamaFolder
from llm.machine import Device, Machine
from llm.quantise import (
    MIN_TOKENS,
    Bounds,
    Rejected,
    Report,
    Settings,
    check_memory,
    prompts_of,
    quantise,
    split,
)
from llm.shape import NotEnoughMemory
from llm.weights import Weights
from llm.worker_process import WorkerFailed
from tests.conftest import ENVIRONMENTS
from tests.llm import tiny_llama
from tests.llm.full_disk import no_file_larger_than

SMALL = Settings(window_tokens=64, samples=16, held_out_windows=4, prompts=4, answer_tokens=12, threads=1)
REPEATED = [f"{number}. {text}" for number in range(12) for text in tiny_llama.TEXTS]


@pytest.fixture(scope="module")
def environment() -> Environment:
    found = find("lmdeploy-cpu", ENVIRONMENTS)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt the texts by heart."""
    folder = tmp_path_factory.mktemp("taught")
    words = tiny_llama.byte_bpe(folder)
    tiny_llama.write(folder, len(words), initializer_range=0.05)
    ids = [words(text + "\n", add_special_tokens=False)["input_ids"] for text in REPEATED]
    chats = [
        words(
            words.apply_chat_template(
                [{"role": "user", "content": prompt}, {"role": "assistant", "content": tiny_llama.TEXTS[0]}],
                tokenize=False,
            ),
            add_special_tokens=False,
        )["input_ids"]
        for prompt in prompts_of(split(REPEATED)[1], 4)
    ]
    tiny_llama.teach(folder, [*ids[:4], *chats], steps=90)
    return folder


@pytest.mark.parametrize("layout", ["llama", "internlm2"])
@pytest.mark.quantiser
@pytest.mark.transformers
@pytest.mark.timeout(300)
def test_a_model_that_knows_a_text_still_knows_it_in_four_bits(
    taught: Path, environment: Environment, tmp_path: Path, layout: str
) -> None:
    model = taught
    if layout == "internlm2":
        model = tmp_path / "internlm2"
        tiny_llama.as_internlm2(taught, model)
    steps: list[str] = []
    report = quantise(
        model,
        tmp_path / "w4",
        REPEATED,
        environment,
        device="cpu",
        settings=SMALL,
        progress=lambda done, total, what: steps.append(what),
    )
    assert report.failures == []
    assert len(report.layers) == 14
    assert 0.05 < report.worst[1] < 0.15  # four bits leave an error, and no large one
    assert report.same_choices >= 0.85
    assert report.mib[1] < report.mib[0] * 0.6
    assert "model.layers.1.mlp.down_proj" in steps
    written = Weights.open(tmp_path / "w4")
    assert written["model.layers.0.self_attn.q_proj.qweight"].shape == (128, 16)
    config = json.loads((tmp_path / "w4" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "awq"
    told = json.loads((tmp_path / "w4" / "quantisation.json").read_text())
    assert told["layers"] == report.layers
    assert "Within all bounds" in (tmp_path / "w4" / "quantisation.md").read_text()
    assert {each.name for each in tmp_path.iterdir()} - {"w4", "internlm2"} == set()


@pytest.mark.quantiser
@pytest.mark.transformers
@pytest.mark.timeout(300)
def test_a_model_that_loses_itself_is_thrown_away_loudly(environment: Environment, tmp_path: Path) -> None:
    model = tmp_path / "random"
    model.mkdir()
    tiny_llama.write(model, len(tiny_llama.byte_bpe(model)))  # random and chaotic: a little error changes every answer
    with pytest.raises(Rejected, match=r"at least 0\.85 is right\. The result was thrown away"):
        quantise(model, tmp_path / "w4", REPEATED, environment, device="cpu", settings=SMALL)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["random", "w4.rejected.json", "w4.rejected.md"]
    assert "**Thrown away**" in (tmp_path / "w4.rejected.md").read_text()


@pytest.mark.transformers
def test_packed_weights_are_read_in_their_order() -> None:
    import numpy as np

    from llm.worker.awq import dequantised, unpacked

    values = np.random.default_rng(0).integers(0, 16, (3, 16))
    packed = np.zeros((3, 2), np.uint32)
    for column in range(16):  # AWQ's order: columns 0 2 4 6 1 3 5 7, the lowest bits first
        place = [0, 2, 4, 6, 1, 3, 5, 7].index(column % 8)
        packed[:, column // 8] |= (values[:, column] << (4 * place)).astype(np.uint32)
    assert (unpacked(packed.view(np.int32)) == values).all()
    zeros = np.zeros((1, 2), np.int32)
    assert (dequantised(packed.view(np.int32), zeros, np.full((1, 16), 0.5, np.float16)) == values.T * 0.5).all()


# ── without LMDeploy ─────────────────────────────────────────────────────────────────────────────────────


def test_texts_are_split_the_same_way_each_time_and_no_text_is_on_both_sides() -> None:
    texts = [f"text {number}" for number in range(40)]
    calibration, held_out = split([*texts, *texts, "  "])
    assert (calibration, held_out) == split(texts)
    assert len(held_out) == 5
    assert set(calibration) | set(held_out) == set(texts)
    assert not set(calibration) & set(held_out)
    one = "x" * 80
    assert split([one]) == (["x" * 70], ["x" * 10])
    assert all(split(["a", "b"]))
    assert split([]) == ([""], [""])


def test_prompts_are_first_lines() -> None:
    assert prompts_of(["## 怎么安装\n先…", "# 怎么安装\n再…", "plain words\n", ""], 5) == ["怎么安装", "plain words"]


def told(**changes: Any) -> dict[str, Any]:
    layers = {f"model.layers.{n}.{part}": 0.1 for n in range(2) for part in "abcdefg"}
    return {
        "layers": layers,
        "changed": [],
        "perplexity": [3.0, 3.1],
        "same_choices": 0.97,
        "same_answers": 3,
        "answers": [["a", "a"]],
        "calibration": [16, 64],
        "held_out": [4, 64],
    } | changes


class _Opened:
    class shape:
        layers = 2

    class weights:
        bytes = 2**20


class _Environment:
    @staticmethod
    def versions() -> dict[str, str]:
        return {"lmdeploy": "0.18.0", "other": "1"}


def report(tmp_path: Path, **changes: Any) -> Report:
    opened: Any = _Opened
    environment: Any = _Environment
    return quantising._report(Path("tiny"), opened, tmp_path, told(**changes), "cpu", environment, Settings())


def test_each_bound_fails_the_report_with_its_sentence(tmp_path: Path) -> None:
    assert report(tmp_path).failures == []
    worse = {**told()["layers"], "model.layers.1.b": Bounds().weight_error + 0.01}
    (said,) = report(tmp_path, layers=worse).failures
    assert "model.layers.1.b are off by 0.160" in said
    assert "went from 3.000 to 3.600" in report(tmp_path, perplexity=[3.0, 3.6]).failures[0]
    assert "at most × 1.15" in report(tmp_path, perplexity=[3.0, float("nan")]).failures[0]
    assert "0.840 of the original's tokens" in report(tmp_path, same_choices=0.84).failures[0]
    assert "not what was made, in 1 layers" in report(tmp_path, changed=["x"]).failures[0]
    assert "0 of 14 layers" in report(tmp_path, layers={}).failures[0]


def test_too_little_text_is_said_before_anything_is_begun(tmp_path: Path) -> None:
    environment: Any = _Environment
    texts = ["毛豆", "Maodou is here"] * 100  # the same text again is no more text
    with pytest.raises(UsageError, match=rf"20 bytes, and at least {MIN_TOKENS} tokens are needed"):
        quantise(tmp_path / "model", tmp_path / "w4", texts, environment, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    environment: Any = _Environment
    (tmp_path / "w4").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        quantise(tmp_path, tmp_path / "w4", [], environment, device="cpu")


@pytest.mark.transformers
def test_what_cannot_be_packed_is_said_before_anything_is_loaded(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: Any = _Environment
    odd = tmp_path / "odd"
    odd.mkdir()
    tiny_llama.write(odd, len(tiny_llama.byte_bpe(odd)), hidden=96)
    with pytest.raises(MaodouError, match="hidden_size of 96 is no multiple of 128"):
        quantise(odd, tmp_path / "w4", REPEATED, environment, device="cpu")
    shutil.copytree(taught, tmp_path / "other")
    tiny_llama.byte_bpe(tmp_path / "other", 404)
    with pytest.raises(MaodouError, match="of another version"):
        quantise(tmp_path / "other", tmp_path / "w4", REPEATED, environment, device="cpu")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**40, 2**40, 2**10))
    with pytest.raises(MaodouError, match="MiB are free there"):
        quantise(taught, tmp_path / "w4", REPEATED, environment, device="cpu")
    assert not (tmp_path / "w4").exists()


@pytest.mark.transformers
def test_what_a_killed_process_left_is_taken_away_and_another_at_work_is_said(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: Any = _Environment
    left = tmp_path / ".w4.half"
    (left / "made").mkdir(parents=True)
    (left / "made" / "model.safetensors").write_bytes(b"half")

    def fails(*_: Any, **__: Any) -> list[str]:
        assert list(left.iterdir()) == []
        with pytest.raises(UsageError, match="is being made by another process"):
            quantise(taught, tmp_path / "w4", REPEATED, environment, device="cpu")
        raise WorkerFailed("The quantisation", ["RuntimeError: [Errno 28] No space left on device"])

    monkeypatch.setattr(quantising, "run", fails)
    with pytest.raises(WorkerFailed, match=r"The quantisation failed: the disk is full\."):
        quantise(taught, tmp_path / "w4", REPEATED, environment, device="cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.quantiser
@pytest.mark.transformers
@pytest.mark.timeout(300)
def test_a_disk_that_becomes_full_is_said_and_leaves_nothing(
    taught: Path, environment: Environment, tmp_path: Path
) -> None:
    with no_file_larger_than(200_000), pytest.raises(WorkerFailed, match="the disk is full"):
        quantise(taught, tmp_path / "w4", REPEATED, environment, device="cpu", settings=SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.transformers
def test_too_little_memory_is_said_from_the_shape(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = LlamaFolder.open(taught)
    device = Device("A100", 2**36, 2**36, "GPU-aa1")
    assert check_memory(opened, "cuda", Machine((device,), "", 2, 2**34, 2**33))["CUDA_VISIBLE_DEVICES"] == "GPU-aa1"
    assert check_memory(opened, "cpu", Machine((device,), "", 2, 2**34, 2**33)) == {}
    with pytest.raises(NotEnoughMemory, match="This machine has 1 MiB of memory free"):
        check_memory(opened, "cpu", Machine((), "", 2, 2**34, 2**20))
    small = Device("A100", 2**36, 2**30)
    with pytest.raises(NotEnoughMemory, match="A100 has 1,024 MiB of memory free"):
        check_memory(opened, "cuda", Machine((small,), "", 2, 2**34, 2**33))
