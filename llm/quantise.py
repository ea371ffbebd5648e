"""``maodou llm quantize``: W4A16 from the community's own text, and the proof that the model is still itself.

LMDeploy's ``lite auto_awq`` runs in an environment of its own (:mod:`llm.worker.awq`), on a CUDA device or a processor.
What it wrote is unpacked by other code and put to the same questions as the original; beyond :class:`Bounds` the
result is thrown away and the report stays.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.errors import MaodouError, UsageError
from llm.environments import Environment
from llm.errors import ModelFolderError
from llm.gguf_tokenizer import check_tokenizer
from llm.half_written import only_one
from llm.llama_layout import LlamaFolder
from llm.machine import Machine, machine
from llm.shape import MIB, WORKSPACE_MIB, NotEnoughMemory
from llm.worker_process import run

REPORT = "quantisation"
"""The report's name, as ``.json`` and ``.md`` beside the weights."""

MIN_TOKENS = 512
"""With less text the scales say more about the text than about the model."""
SMALL = 1_000_000_000
"""Models of fewer parameters are computed in float32."""
HELD_OUT_EVERY = 8
"""Each eighth text is kept from the calibration and asked afterwards."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Beyond these the result is thrown away.

    ``weight_error``: |packed − original| / |original| of the worst layer. Rounding normal weights to 16 steps in groups
    of 128 gives about 0.10. ``perplexity_ratio``: after over before, on text kept from the calibration.
    ``same_choices``: the share of the original's greedy tokens that the quantised model would have chosen, too.
    """

    weight_error: float = 0.15
    perplexity_ratio: float = 1.15
    same_choices: float = 0.85


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one quantisation. Windows and samples are LMDeploy's own defaults, but shorter windows: chat is short."""

    window_tokens: int = 512
    samples: int = 128
    held_out_windows: int = 16
    prompts: int = 12
    answer_tokens: int = 32
    group: int = 128
    threads: int = max(1, (os.cpu_count() or 2) // 2)
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Report:
    """What was done and how it went. ``layers``: relative error by layer. ``failures``: sentences; empty is good."""

    model: str
    device: str
    versions: dict[str, str]
    group: int
    calibration: list[int]
    held_out: list[int]
    mib: list[float]
    layers: dict[str, float]
    perplexity: list[float]
    same_choices: float
    same_answers: int
    answers: list[list[str]]
    bounds: dict[str, float]
    failures: list[str]

    @property
    def worst(self) -> tuple[str, float]:
        return max(self.layers.items(), key=lambda pair: pair[1], default=("none", 0.0))

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    def as_markdown(self) -> str:
        name, error = self.worst
        mean = sum(self.layers.values()) / max(len(self.layers), 1)
        rows = [
            ("size of the weights", f"{self.mib[0]:,.1f} → {self.mib[1]:,.1f} MiB"),
            ("error of a layer's weights, mean", f"{mean:.4f}"),
            (f"error, the worst layer ({name})", f"{error:.4f} (at most {self.bounds['weight_error']})"),
            (
                f"perplexity on {self.held_out[0]} × {self.held_out[1]} tokens held out",
                f"{self.perplexity[0]:.3f} → {self.perplexity[1]:.3f} (at most × {self.bounds['perplexity_ratio']})",
            ),
            (
                "tokens chosen as the original chose them",
                f"{self.same_choices:.3f} (at least {self.bounds['same_choices']})",
            ),
            ("answers that are the same to the letter", f"{self.same_answers} of {len(self.answers)}"),
        ]
        lines = [f"# {self.model}, W4A16", ""]
        lines += [f"**Thrown away**: {failure}" for failure in self.failures]
        lines += ["" if self.failures else "Within all bounds.", "", "| | |", "|---|---|"]
        lines += [f"| {what} | {value} |" for what, value in rows]
        versions = ", ".join(f"{package} {version}" for package, version in self.versions.items())
        lines += ["", f"Calibrated on {self.calibration[0]} × {self.calibration[1]} tokens, groups of {self.group}, "
                  f"device {self.device}; {versions}.", ""]  # fmt: skip
        return "\n".join(lines)


class Rejected(MaodouError):
    """The quantised model is not the original any more; ``report`` says in what."""

    def __init__(self, report: Report, file: Path) -> None:
        self.report = report
        super().__init__(f"{' '.join(report.failures)} The result was thrown away; the figures are in {file}.")


Hear = Callable[[int, int, str], None]


def quantise(
    model: Path,
    into: Path,
    texts: Sequence[str],
    environment: Environment,
    *,
    device: str,
    settings: Settings = Settings(),
    progress: Hear | None = None,
) -> Report:
    """Write ``into``, a new folder, and its report; blocks for minutes to hours.

    Raises ``UsageError`` for too little text, ``ModelFolderError`` for a model that is none, ``NotEnoughMemory``,
    ``MaodouError`` for a disk without room, ``Rejected`` beyond the bounds, ``WorkerFailed`` for what LMDeploy says.
    Nothing half-written is left; what a killed process left is taken away by the next.
    """
    if into.exists():
        raise UsageError(f"{into} is there already: take it away, or name another folder with --into.")
    if (bytes_ := sum(len(text.encode()) for text in dict.fromkeys(texts))) < MIN_TOKENS:  # no token is shorter
        raise _too_little(f"{bytes_} bytes")
    opened = LlamaFolder.open(model)
    check_tokenizer(model, opened.shape.vocab)
    _check(opened, into, settings)
    place = check_memory(opened, device, machine())
    work = into.with_name(f".{into.name}.half")
    told: dict[str, Any] = {}
    into.parent.mkdir(parents=True, exist_ok=True)
    with only_one(work, f"{into} is being made by another process."):
        work.mkdir()
        source = model
        if opened.config["model_type"] == "internlm2":  # current transformers cannot run the code that it brings
            source = work / "llama"
            opened.write_as_llama(source)
        job = _job(source, work / "made", texts, device, opened, settings)

        def hear(said: dict[str, Any]) -> None:
            told.update(said)
            if progress is not None and "progress" in said:
                progress(*said["progress"])
            elif progress is not None and "step" in said:
                progress(0, 1, str(said["step"]))

        run(environment, "awq", job, hear, what="The quantisation", extra_environ=place)
        if "too_little" in told:
            raise _too_little(f"{told['too_little']} tokens")
        report = _report(model, opened, work / "made", told, device, environment, settings)
        _write_report(work / "made", report)
        if report.failures:
            file = into.with_name(f"{into.name}.rejected.md")
            for kind in ("json", "md"):
                shutil.copyfile(work / "made" / f"{REPORT}.{kind}", file.with_suffix(f".{kind}"))
            raise Rejected(report, file)
        (work / "made").replace(into)
    return report


def split(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """To calibrate with, and to ask afterwards. The same texts always fall the same way."""
    known = [text.strip() for text in dict.fromkeys(texts) if text.strip()]
    if len(known) < 2:  # one long text: its last eighth
        whole = known[0] if known else ""
        cut = len(whole) - len(whole) // HELD_OUT_EVERY
        return [whole[:cut]], [whole[cut:]]
    every = min(HELD_OUT_EVERY, len(known))
    held_out = known[every - 1 :: every]
    return [text for number, text in enumerate(known, 1) if number % every], held_out


def prompts_of(texts: Sequence[str], most: int, longest: int = 80) -> list[str]:
    """What a member might ask about a text: its first line."""
    lines = (text.splitlines()[0].lstrip("#- ").strip()[:longest] for text in texts if text)
    return list(dict.fromkeys(line for line in lines if line))[:most]


def _too_little(what: str) -> UsageError:
    return UsageError(
        f"There is too little text to calibrate with: {what}, and at least {MIN_TOKENS} tokens are needed. "
        "Add documents to the knowledge base, or name a file with --calibration."
    )


def _check(opened: LlamaFolder, into: Path, settings: Settings) -> None:
    shape = opened.shape
    for what, size in (("hidden_size", shape.hidden), ("intermediate_size", shape.intermediate)):
        if size % settings.group:
            raise ModelFolderError(
                f"{opened.folder}: its {what} of {size} is no multiple of {settings.group}, the group of W4A16."
            )
    needed = shape.weight_bytes(w4=True) * 2
    if opened.config["model_type"] == "internlm2":
        needed += shape.weight_bytes()
    place = next(parent for parent in into.parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise MaodouError(f"{into} needs about {needed // 2**20:,} MiB, and {free // 2**20:,} MiB are free there.")


def check_memory(opened: LlamaFolder, device: str, here: Machine) -> dict[str, str]:
    """What the process gets into its environment, so that it takes the device that was looked at.

    The machine's own memory holds what was written twice for a moment: unpacked, and as the model that is asked
    (:func:`llm.worker.awq.reopened`); a device holds one model. Raises ``NotEnoughMemory``.
    """
    weights = opened.shape.weight_bytes(bits=32 if opened.shape.parameters < SMALL else 16)
    places = [("This machine", here.free_memory, 2 * weights)]
    chosen = max(here.devices, key=lambda each: each.free, default=None) if device == "cuda" else None
    if chosen is not None:
        places.append((chosen.name, chosen.free, weights + WORKSPACE_MIB * MIB))
    for name, free, needed in places:
        if needed > free:
            raise NotEnoughMemory(
                f"{name} has {free // MIB:,} MiB of memory free, and quantising {opened.folder.name} needs about "
                f"{needed // MIB:,} MiB: do it on a larger machine; the folder that it makes can be carried here."
            )
    return chosen.environ if chosen else {}


def _job(
    model: Path, into: Path, texts: Sequence[str], device: str, opened: LlamaFolder, settings: Settings
) -> dict[str, Any]:
    calibration, held_out = split(texts)
    return {
        "model": str(model),
        "into": str(into),
        "calibration": calibration,
        "held_out": held_out,
        "prompts": prompts_of(held_out, settings.prompts),
        "samples": settings.samples,
        "window_tokens": min(settings.window_tokens, opened.shape.context),
        "held_out_windows": settings.held_out_windows,
        "answer_tokens": settings.answer_tokens,
        "min_tokens": MIN_TOKENS,
        "group": settings.group,
        "device": device,
        "dtype": "float32" if opened.shape.parameters < SMALL else "float16" if device == "cuda" else "bfloat16",
        "threads": settings.threads,
    }


def _report(
    model: Path,
    opened: LlamaFolder,
    made: Path,
    told: dict[str, Any],
    device: str,
    environment: Environment,
    settings: Settings,
) -> Report:
    bounds = settings.bounds
    layers: dict[str, float] = told["layers"]
    before, after = told["perplexity"]
    failures = []
    if told["changed"]:
        failures.append(f"What was written is not what was made, in {len(told['changed'])} layers.")
    if len(layers) != 7 * opened.shape.layers:
        failures.append(f"{len(layers)} of {7 * opened.shape.layers} layers were packed.")
    worst = max(layers.items(), key=lambda pair: pair[1], default=("none", 0.0))
    if not worst[1] <= bounds.weight_error:  # not: a figure that is no number fails, too
        failures.append(f"The weights of {worst[0]} are off by {worst[1]:.3f}; at most {bounds.weight_error} is right.")
    if not after / before <= bounds.perplexity_ratio:
        failures.append(
            f"Perplexity went from {before:.3f} to {after:.3f}; at most × {bounds.perplexity_ratio} is right."
        )
    if not told["same_choices"] >= bounds.same_choices:
        failures.append(
            f"It would choose {told['same_choices']:.3f} of the original's tokens; "
            f"at least {bounds.same_choices} is right."
        )
    versions = environment.versions()
    return Report(
        model.name,
        device,
        {name: versions[name] for name in ("lmdeploy", "torch", "transformers") if name in versions},
        settings.group,
        told["calibration"],
        told["held_out"],
        [
            round(each / 2**20, 2)
            for each in (opened.weights.bytes, sum(f.stat().st_size for f in made.glob("*.safetensors")))
        ],
        {name: round(error, 5) for name, error in layers.items()},
        [round(before, 4), round(after, 4)],
        round(told["same_choices"], 4),
        told["same_answers"],
        told["answers"],
        asdict(bounds),
        failures,
    )


def _write_report(folder: Path, report: Report) -> None:
    (folder / f"{REPORT}.json").write_text(report.as_json(), "utf-8")
    (folder / f"{REPORT}.md").write_text(report.as_markdown(), "utf-8")
