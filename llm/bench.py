"""``maodou llm bench``: one model in five ways, each in a process of its own, on an equal number of tokens.

Quantised keys and values do not lower the memory that TurboMind takes: its cache is a share of what is free, and a
smaller entry only makes more of them. So each arm gets the share that holds the same tokens, computed from the
model's shape, and the engine's own line about its budget is read back; where it is off, the arm is run once more
with the share that the engine's own figure of free memory asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.errors import MaodouError, UsageError
from llm.environments import Environment
from llm.machine import Machine
from llm.serving import KV_HEADS, cache_ratio
from llm.shape import MIB, NotEnoughMemory, check_memory, read_config, shape_of
from llm.worker_process import run

BUDGET = re.compile(r"Object cache budget: ([\d.]+) MB from free ([\d.]+) MB and ratio ([\d.]+)")
NEAR = 0.02
"""A cache that is off by more than this share of the prediction is made anew."""
ANSWER_TOKENS = 32
NO_CUDA = "no CUDA device here, and TurboMind computes on nothing else"


@dataclass(frozen=True, slots=True)
class Arm:
    """``engine``: ``turbomind`` or ``transformers``."""

    name: str
    engine: str
    w4: bool = False
    kv: int = 16


def arms(kv: int) -> tuple[Arm, ...]:
    """In the order of the table. ``kv``: bits of quantised keys and values, 8 or 4."""
    return (
        Arm("TurboMind", "turbomind"),
        Arm("TurboMind, W4A16", "turbomind", w4=True),
        Arm(f"TurboMind, KV{kv}", "turbomind", kv=kv),
        Arm(f"TurboMind, W4A16 and KV{kv}", "turbomind", w4=True, kv=kv),
        Arm("Hugging Face", "transformers"),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One arm at one shape. ``mem_before_mib``: loaded and warm, ``mem_after_mib``: after the work; of the device, on a
    processor of the process and its peak. ``predicted_mib``: weights and keys and values by the shape. ``ttft_ms``:
    the first prompt alone. ``answers_agree``: the share of prompts answered as transformers does. ``reason``: why not.
    """

    arm: str
    shape: str
    mem_before_mib: float | None = None
    mem_after_mib: float | None = None
    predicted_mib: float | None = None
    tok_s: float | None = None
    ttft_ms: float | None = None
    answers_agree: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cache:
    """What TurboMind said of its cache: as it prints it, in its MB."""

    arm: str
    shape: str
    predicted_mib: float
    budget_mb: float
    free_mb: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured. ``packed``: its W4A16 copy, where there is one. ``environments`` by engine: how to get one."""

    folder: Path
    packed: Path | None
    environments: Mapping[str, Callable[[], Environment]]
    prompts: tuple[str, ...]
    agreement: bool
    threads: int = 0


def shapes_of(given: Sequence[str]) -> list[tuple[int, int]]:
    """``8x2048``: conversations at once, tokens of each. Raises ``UsageError``."""
    found = []
    for text in given:
        matched = re.fullmatch(r"(\d{1,4})[x×](\d{1,7})", text)
        if matched is None or int(matched[1]) < 1 or int(matched[2]) < 16:
            raise UsageError(f"{text!r} is no shape: 8x2048 means 8 conversations of 2048 tokens, prompt and answer.")
        found.append((int(matched[1]), int(matched[2])))
    return found


class Bench:
    """``rows`` and ``caches`` grow as :meth:`run` goes on."""

    def __init__(
        self, subject: Subject, machine: Machine, progress: Callable[[int, int, str], None] | None = None
    ) -> None:
        self.subject = subject
        self.machine = machine
        self.rows: list[Row] = []
        self.caches: list[Cache] = []
        self.process_mib: dict[str, float] = {}
        self.versions: dict[str, str] = {}
        self._progress = progress
        self._shape = shape_of(read_config(subject.folder), subject.folder / "config.json")
        self._answers: dict[str, list[str]] = {}

    def run(self, shapes: Sequence[tuple[int, int]], kv: int = 8) -> list[Row]:
        """Transformers goes first: the others' answers are compared with its. Returns the rows in the table's order."""
        chosen = arms(kv)
        order = sorted(((shape, arm) for shape in shapes for arm in chosen), key=lambda pair: pair[1].engine)
        order.sort(key=lambda pair: pair[1].engine != "transformers")
        made: dict[tuple[str, tuple[int, int]], Row] = {}
        for done, (shape, arm) in enumerate(order):
            if self._progress is not None:
                self._progress(done, len(order), f"{arm.name}, {_named(shape)}")
            try:
                made[arm.name, shape] = self._one(arm, shape)
            except MaodouError as error:
                made[arm.name, shape] = Row(arm.name, _named(shape), reason=str(error))
        self.rows = [made[arm.name, shape] for shape in shapes for arm in chosen]
        return self.rows

    def _one(self, arm: Arm, shape: tuple[int, int]) -> Row:
        reason = self._missing(arm, shape)
        if reason:
            return Row(arm.name, _named(shape), reason=reason)
        if arm.engine == "transformers":
            return self._transformers(arm, shape)
        return self._turbomind(arm, shape)

    def _missing(self, arm: Arm, shape: tuple[int, int]) -> str:
        """Why an arm cannot be run here; empty when it can."""
        if shape[1] > self._shape.context:
            return f"the model takes {self._shape.context:,} tokens at most"
        if arm.engine == "turbomind" and not self.machine.has_cuda:
            return NO_CUDA
        if arm.w4 and self.subject.packed is None:
            return f"no W4A16 copy here: maodou llm quantize {self.subject.folder.name} --w4 makes it"
        if arm.kv < 16 and not self._shape.takes_kv_quantisation():
            return KV_HEADS.format(dimensions=self._shape.head_dim)
        return ""

    def _transformers(self, arm: Arm, shape: tuple[int, int]) -> Row:
        cuda = self.machine.has_cuda
        small = self._shape.parameters < 1_000_000_000
        dtype = "float32" if small and not cuda else "float16" if cuda else "bfloat16"
        bits = 32 if dtype == "float32" else 16
        tokens = shape[0] * shape[1]
        predicted = (self._shape.weight_bytes(bits=bits) + self._shape.kv_bytes_per_token(bits) * tokens) / MIB
        free = max((each.free for each in self.machine.devices), default=self.machine.free_memory)
        if predicted * MIB > free:
            raise NotEnoughMemory(f"it needs about {predicted:,.0f} MiB, and {free // MIB:,} MiB are free")
        job = self._job(self.subject.folder, shape) | {"device": "cuda" if cuda else "cpu", "dtype": dtype}
        told = self._run(arm, "bench_hf", job)
        self._answers["reference"] = told["answers"]
        return self._row(arm, shape, told, predicted, None)

    def _turbomind(self, arm: Arm, shape: tuple[int, int]) -> Row:
        model, tokens = self._shape, shape[0] * shape[1]
        folder = self.subject.packed if arm.w4 and self.subject.packed is not None else self.subject.folder
        device = max(self.machine.devices, key=lambda each: each.free)
        check_memory(model, device.free, w4=arm.w4, kv_bits=arm.kv, tokens=tokens, where=device.name)
        ratio = cache_ratio(model, device.free, w4=arm.w4, kv_bits=arm.kv, tokens=tokens)
        wanted = model.kv_mib(tokens, arm.kv)
        for _ in range(2):
            told = self._run(
                arm, "bench_turbomind", self._job(folder, shape) | {"w4": arm.w4, "kv": arm.kv, "ratio": ratio}
            )
            cache = cache_said(arm.name, _named(shape), wanted, told["said"])
            if abs(cache.budget_mb / wanted - 1) <= NEAR:
                break
            ratio = wanted / cache.free_mb
        self.caches.append(cache)
        predicted = model.weight_bytes(w4=arm.w4) / MIB + wanted
        return self._row(arm, shape, told, predicted, agreement(self._answers.get("reference"), told["answers"]))

    def _job(self, folder: Path, shape: tuple[int, int]) -> dict[str, Any]:
        subject = self.subject
        return {
            "model": str(folder),
            "shape": shape,
            "prompts": subject.prompts,
            "answers": subject.agreement,
            "answer_tokens": ANSWER_TOKENS,
            "threads": subject.threads,
        }

    def _run(self, arm: Arm, script: str, job: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        said: list[str] = []

        def overhear(line: str) -> None:
            if BUDGET.search(line):
                said.append(line)

        environment = self.subject.environments[arm.engine]()
        known = environment.versions()
        self.versions |= {name: known[name] for name in ("lmdeploy", "torch", "transformers") if name in known}
        device = max(self.machine.devices, key=lambda each: each.free, default=None)
        extra = {"TM_LOG_LEVEL": "INFO"} | (device.environ if device else {})
        extra |= {"OMP_NUM_THREADS": str(job["threads"])} if job["threads"] else {}
        run(environment, script, job, told.update, what=arm.name, overhear=overhear, extra_environ=extra)
        if "tok_s" not in told:
            raise MaodouError("the process ended without a figure")
        return told | {"said": said}

    def _row(
        self, arm: Arm, shape: tuple[int, int], told: dict[str, Any], predicted: float, agree: float | None
    ) -> Row:
        self.process_mib[arm.engine] = round(told["empty_mib"], 1)
        return Row(
            arm.name,
            _named(shape),
            round(told["before_mib"], 1),
            round(told["after_mib"], 1),
            round(predicted, 1),
            round(told["tok_s"], 1),
            round(told["ttft_ms"], 1),
            agree if self.subject.agreement else None,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.subject.folder.name,
            "parameters": self._shape.parameters,
            "machine": self.machine.name,
            "versions": self.versions,
            "threads": self.subject.threads,
            "process_mib": self.process_mib,
            "rows": [asdict(row) for row in self.rows],
            "caches": [asdict(cache) for cache in self.caches],
        }


def cache_said(arm: str, shape: str, wanted_mib: float, lines: Sequence[str]) -> Cache:
    """The engine's last line about its cache. Raises ``MaodouError`` where it said none: then nothing is compared."""
    found = BUDGET.search(lines[-1]) if lines else None
    if found is None:
        raise MaodouError("the engine did not say how large its cache is, so the memory of arms cannot be compared")
    return Cache(arm, shape, round(wanted_mib, 1), float(found[1]), float(found[2]), float(found[3]))


def agreement(reference: Sequence[str] | None, answers: Sequence[str]) -> float | None:
    """The share of answers that are the same to the letter; None without a reference."""
    if not reference or len(reference) != len(answers):
        return None
    return round(sum(a.strip() == b.strip() for a, b in zip(reference, answers, strict=True)) / len(reference), 3)


def _named(shape: tuple[int, int]) -> str:
    return f"{shape[0]}x{shape[1]}"
