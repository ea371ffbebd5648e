"""The bench: equal tokens for each arm, the engine's own word on its cache, and a reason for what was not run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bot.errors import MaodouError, UsageError
from llm import bench as benching
from llm.bench import NO_CUDA, Bench, Row, Subject, agreement, arms, cache_said, shapes_of
from llm.bench_report import markdown, svg
from llm.environments import Environment, find
from llm.machine import Device, Machine
from tests.conftest import ENVIRONMENTS
from tests.llm import tiny_llama

GIB = 2**30
CPU = Machine((), "a processor", 2, 24 * GIB, 20 * GIB)
GPU = Machine((Device("A100", 80 * GIB, 79 * GIB),), "a processor", 2, 24 * GIB, 20 * GIB)
CONFIG: dict[str, Any] = {
    "model_type": "internlm3", "num_hidden_layers": 48, "hidden_size": 4_096, "intermediate_size": 10_240,
    "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 128_512,
    "max_position_embeddings": 32_768,
}  # fmt: skip


class Made:
    """Stands in for an environment: nothing is run in it here."""

    @staticmethod
    def versions() -> dict[str, str]:
        return {"lmdeploy": "0.18.0", "torch": "2.12.1", "other": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "internlm3"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(CONFIG))
    return made


def subject(folder: Path, packed: Path | None = None, *, agreement: bool = True) -> Subject:
    made: Any = Made
    environments: Mapping[str, Callable[[], Environment]] = dict.fromkeys(("turbomind", "transformers"), lambda: made)
    return Subject(folder, packed, environments, ("怎么安装？", "How?"), agreement)


class Engine:
    """Stands in for the processes of a CUDA machine: tells figures, and the line that TurboMind logs."""

    def __init__(self, free_mb: float) -> None:
        self.free_mb = free_mb
        self.jobs: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, environment: object, script: str, job: dict[str, Any], hear: Any, *, what: str,
                 overhear: Any, extra_environ: Mapping[str, str]) -> list[str]:  # fmt: skip
        self.jobs.append((script, job))
        if script == "bench_turbomind":
            assert extra_environ["TM_LOG_LEVEL"] == "INFO"
            overhear(
                f"[TM][INFO] Object cache budget: {job['ratio'] * self.free_mb:.2f} MB from free {self.free_mb:.2f} MB "
                f"and ratio {job['ratio']:.3f}\n"
            )
        hear({"empty_mib": 500.0, "before_mib": 20_000.0, "after_mib": 20_010.0, "tok_s": 100.04, "ttft_ms": 25.0,
              "new_tokens": 400, "seconds": 4.0, "answers": ["yes", "no" if job.get("w4") else "yes"]})  # fmt: skip
        return []


# ── what runs where ──────────────────────────────────────────────────────────────────────────────────────


def test_without_cuda_four_arms_are_rows_with_their_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(1.0)
    monkeypatch.setattr(benching, "run", engine)
    rows = Bench(subject(folder), CPU).run([(1, 512)])
    assert [row.arm for row in rows] == [arm.name for arm in arms(8)]
    assert [row.reason for row in rows[:4]] == [NO_CUDA] * 4
    assert all(row.tok_s is row.mem_after_mib is row.predicted_mib is None for row in rows[:4])
    assert (rows[4].tok_s, rows[4].reason) == (100.0, "")
    assert [script for script, _ in engine.jobs] == ["bench_hf"]


def test_on_cuda_each_arm_gets_the_same_tokens(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has other memory free than was thought; the second go has the share that makes it right."""
    engine = Engine(free_mb=50_000.0)
    monkeypatch.setattr(benching, "run", engine)
    made = Bench(subject(folder, tmp_path), GPU)
    rows = made.run([(8, 2_048)])
    assert [row.reason for row in rows] == [""] * 5
    budgets = {cache.arm: cache.budget_mb for cache in made.caches}
    assert budgets["TurboMind"] == pytest.approx(768, rel=0.001)
    assert budgets["TurboMind, KV8"] == pytest.approx(396, rel=0.001)
    saved = budgets["TurboMind"] - budgets["TurboMind, KV8"]
    assert saved == pytest.approx(768 * (1 - (128 + 4) / 256), rel=0.05)
    assert engine.jobs[0][0] == "bench_hf"  # its answers are what the others' are compared with
    assert [row.answers_agree for row in rows] == [1.0, 0.5, 1.0, 0.5, None]
    assert rows[1].predicted_mib is not None
    assert rows[0].predicted_mib is not None
    assert rows[1].predicted_mib < rows[0].predicted_mib / 2


def test_random_weights_have_no_agreement(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benching, "run", Engine(50_000.0))
    rows = Bench(subject(folder, agreement=False), GPU).run([(1, 512)])
    assert {row.answers_agree for row in rows} == {None}


def test_each_thing_that_keeps_an_arm_from_running_is_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benching, "run", Engine(50_000.0))
    rows = {row.arm: row.reason for row in Bench(subject(folder), GPU).run([(1, 512)], kv=4)}
    assert "no W4A16 copy here" in rows["TurboMind, W4A16"]
    assert rows["TurboMind, KV4"] == ""
    (folder / "config.json").write_text(json.dumps(CONFIG | {"head_dim": 64}))
    rows = {row.arm: row.reason for row in Bench(subject(folder), GPU).run([(1, 512)])}
    assert "128 dimensions; this model's have 64" in rows["TurboMind, KV8"]
    (row, *_) = Bench(subject(folder), GPU).run([(1, 40_000)])
    assert "32,768 tokens at most" in row.reason
    (folder / "config.json").write_text(json.dumps(CONFIG))
    small = Machine((Device("T4", 16 * GIB, 8 * GIB),), "", 2, 24 * GIB, 20 * GIB)
    assert {"MiB" in row.reason for row in Bench(subject(folder), small).run([(1, 512)]) if "W4" not in row.arm} == {
        True
    }


def test_a_process_that_fails_is_a_row_and_the_rest_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(environment: object, script: str, *_: Any, **__: Any) -> list[str]:
        raise MaodouError("TurboMind failed: CUDA error: out of memory.")

    monkeypatch.setattr(benching, "run", fails)
    rows = Bench(subject(folder), GPU).run([(1, 512)])
    assert "out of memory" in rows[0].reason
    assert "out of memory" in rows[4].reason


# ── words and tables ─────────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_says_nothing_of_its_cache_is_not_compared() -> None:
    line = "[INFO] Object cache budget: 768.00 MB from free 50000.00 MB and ratio 0.015"
    assert cache_said("a", "1x1", 768, ["earlier", line]).budget_mb == 768
    with pytest.raises(MaodouError, match="did not say how large its cache is"):
        cache_said("a", "1x1", 768, [])


@pytest.mark.parametrize("text", ["8", "x512", "0x512", "8x2", "8x2048x2", "-1x512"])
def test_what_is_no_shape_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="8x2048 means 8 conversations"):
        shapes_of([text])
    assert shapes_of(["1x512", "8×2048"]) == [(1, 512), (8, 2_048)]


def test_agreement_is_to_the_letter() -> None:
    assert agreement(["a", "b "], ["a", "b"]) == 1
    assert agreement(["a", "b"], ["a", "c"]) == 0.5
    assert agreement(None, ["a"]) is None
    assert agreement(["a"], []) is None


def test_table_and_plot_show_reasons_and_no_figure_for_what_was_not_run(folder: Path) -> None:
    rows = [Row("TurboMind", "1x512", reason="no <device>"), Row("Hugging Face", "1x512", 10, 20, 15, 1_234.5, 5, 0.5)]
    made = Bench(subject(folder), CPU)
    made.rows = rows
    table = markdown(made.as_json(), rows)
    assert "| TurboMind | 1x512 | not run: no <device> | – | – | – | – |" in table
    assert "| Hugging Face | 1x512 | 10 → 20 | 15 | 1,234 | 5 | 50% |" in table
    assert "2 cores, 24 GiB, a processor" in table
    drawn = ElementTree.fromstring(svg(rows))
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert "not run" in texts
    assert "1,234" in texts
    assert len([element for element in drawn.iter() if element.tag.endswith("rect")]) == 2


# ── for real ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.quantiser
@pytest.mark.transformers
@pytest.mark.timeout(300)
def test_transformers_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    model = tmp_path / "tiny"
    model.mkdir()
    tiny_llama.write(model, len(tiny_llama.byte_bpe(model)))
    found = find("lmdeploy-cpu", ENVIRONMENTS)
    assert found is not None
    environments = dict.fromkeys(("turbomind", "transformers"), lambda: found)
    made = Bench(Subject(model, None, environments, ("怎么安装？", "How?"), True, threads=1), CPU)
    (row,) = [row for row in made.run([(2, 64)]) if not row.reason]
    assert row.arm == "Hugging Face"
    assert row.tok_s
    assert row.ttft_ms
    assert row.mem_after_mib
    assert row.predicted_mib == pytest.approx(3, rel=0.5)
    assert row.mem_before_mib
    assert row.mem_after_mib >= row.mem_before_mib > row.predicted_mib
    assert len(made._answers["reference"]) == 2
    assert made.versions["lmdeploy"] == "0.18.0"
    told = made.as_json()
    assert set(told["rows"][0]) == {
        "arm", "shape", "mem_before_mib", "mem_after_mib", "predicted_mib", "tok_s", "ttft_ms", "answers_agree",
        "reason",
    }  # fmt: skip
