"""Training and merging, as the commands and the demonstration call them: a job, its folder, its curve.

A run has a folder of its own beside the place of its adapter, ``.NAME.run``: killed and started again with the same
wishes it goes on there, and when it ends well the adapter is moved into its place and the folder goes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.errors import UsageError
from finetune_xtuner.fitting import adapter_parameters, check_base, needs_to_load, needs_to_train
from finetune_xtuner.folders import must_be_new, whole_folder
from finetune_xtuner.plot import curve
from finetune_xtuner.process import Event, OnEvent, Python, run_job
from finetune_xtuner.writing import HELD_OUT, TRAIN, balanced, read_rows

MAX_HELD_OUT_ROWS = 256
"""Of which the loss is measured at the end."""


class TrainSettings(BaseModel):
    """``steps`` counts where it is not 0, ``epochs`` otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(16, ge=1, le=1024)
    learning_rate: float = Field(2e-4, gt=0, lt=1)
    batch_size: int = Field(8, ge=1)
    max_tokens: int = Field(512, ge=16, description="Of a row; a longer one is cut.")
    epochs: int = Field(3, ge=1)
    steps: int = Field(0, ge=0)
    warmup_steps: int = Field(10, ge=0, description="At most a fifth of all steps.")
    save_steps: int = Field(50, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    four_bit: bool = False
    checkpointing: bool = False
    balance: bool = True
    seed: int = 1
    threads: int = Field(1, ge=1)


def train(python: Python, data: Path, base: Path, out: Path, settings: TrainSettings, on_event: OnEvent) -> Event:
    """Teach ``base`` the data set in ``data``; the adapter is then in ``out``, with ``history.json``, ``curve.svg``.

    Raises ``UsageError``, ``BrokenRow``, ``JobFailed`` with a sentence.
    """
    must_be_new(out)
    shape = check_base(base)
    rows = read_rows(data / TRAIN)
    if settings.balance:
        rows = balanced(rows)
    held_out = read_rows(data / HELD_OUT)[:MAX_HELD_OUT_ROWS] if (data / HELD_OUT).stat().st_size else []
    job = {
        "job": "train",
        "base": str(base.absolute()),
        "rows": rows,
        "held_out": held_out,
        "needs": dict(needs_to_train(shape, settings.rank, settings.batch_size * settings.max_tokens)),
        "adapter_parameters": adapter_parameters(shape, settings.rank),
        **settings.model_dump(exclude={"balance"}),
    }
    run = _run_folder(out, job)
    done = run_job(python, {**job, "run": str(run)}, on_event, log_file=run / "log.txt")
    history = json.loads((run / "history.json").read_text("utf-8"))
    adapter = run / "adapter"
    losses, rates = [each["loss"] for each in history], [each["rate"] for each in history]
    (adapter / "curve.svg").write_text(curve(losses, rates, out.name), "utf-8")
    shutil.copyfile(run / "history.json", adapter / "history.json")
    (adapter / "README.md").unlink(missing_ok=True)  # a card of empty headings
    adapter.rename(out)
    shutil.rmtree(run)
    return {**done, "adapter": str(out)}


def _run_folder(out: Path, job: dict[str, object]) -> Path:
    """The run's folder: the one of the same wishes, or a new one. Raises ``UsageError`` where another lies there."""
    run = out.absolute().parent / f".{out.name}.run"
    wishes = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
    if (run / "wishes").is_file() and (run / "wishes").read_text() != wishes:
        raise UsageError(
            f"{run} holds a run that was broken off and had other data or settings: give those again to go on with it, "
            "or remove the folder."
        )
    run.mkdir(parents=True, exist_ok=True)
    (run / "wishes").write_text(wishes)
    shutil.rmtree(run / "adapter", ignore_errors=True)
    return run


def merge(python: Python, base: Path, adapter: Path, out: Path, on_event: OnEvent, *, threads: int = 1) -> Event:
    """Base and adapter as one model in ``out``, compared with the two. Raises ``UsageError``, ``JobFailed``."""
    if not adapter.is_dir():
        raise UsageError(f"There is no adapter at {adapter}.")
    must_be_new(out)
    needs = dict(needs_to_load(check_base(base)))
    log_file = out.absolute().parent / f".{out.name}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(out) as folder:
        job = {
            "job": "merge",
            "base": str(base.absolute()),
            "adapter": str(adapter.absolute()),
            "out": str(folder.absolute()),
            "needs": needs,
            "threads": threads,
        }
        done = run_job(python, job, on_event, log_file=log_file)
    log_file.unlink()
    return {**done, "out": str(out)}


def unpack(python: Python, packed: Path, out: Path, on_event: OnEvent) -> Event:
    """W4A16 weights as 16 bits in ``out``. ``python``: of LMDeploy's environment. Raises as :func:`merge` does."""
    log_file = out.absolute().parent / f".{out.name}.log"
    with whole_folder(out) as folder:
        job = {"job": "unpack", "model": str(packed.absolute()), "out": str(folder.absolute())}
        done = run_job(python, job, on_event, log_file=log_file)
    log_file.unlink()
    return {**done, "out": str(out)}
