"""LoRA, or QLoRA in four bits, with the trainer of transformers: watched, resumed after a death, told step by step.

``run`` is the folder of the run, kept until it ends well: checkpoints lie there, and a run that is begun again with the
same job goes on from the last one.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

from finetune_xtuner.worker import watch
from finetune_xtuner.worker.masks import encoded, padded
from finetune_xtuner.worker.memory import must_fit, must_have_room
from finetune_xtuner.worker.models import CARD, card_of, kind_of, open_model, open_tokenizer
from finetune_xtuner.worker.telling import Refused, tell

CHECKPOINTS = 2
SAVED_BYTES = 12
"""Of a trained weight in a checkpoint: itself and two moments of Adam."""


def run(job: dict[str, Any]) -> dict[str, object]:
    """``base``, ``run``: folders; ``needs``: bytes by kind; ``rows``, ``held_out``: lists of messages; the rest are
    the training's settings."""
    import torch

    base, folder = Path(job["base"]), Path(job["run"])
    torch.set_num_threads(int(job["threads"]))
    kind = kind_of(bool(job["four_bit"]))
    must_fit(job["needs"], kind, "train")
    must_have_room(folder, int(job["adapter_parameters"]) * SAVED_BYTES * (CHECKPOINTS + 1))
    tokenizer = open_tokenizer(base)
    rows = _encoded(tokenizer, job["rows"], int(job["max_tokens"]))
    held_out = _encoded(tokenizer, job["held_out"], int(job["max_tokens"]))
    torch.manual_seed(int(job["seed"]))
    model = _with_adapter(open_model(base, kind), job, kind)
    tell("ready", kind=kind, rows=len(rows), trained=_trained(model))
    history = _fit(model, tokenizer, rows, held_out, job, folder, kind)
    losses, rates = [each["loss"] for each in history], [each["rate"] for each in history]
    if wrong := watch.trouble(losses, rates, float(job["learning_rate"])):
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        raise Refused(f"{wrong} No adapter was written; the curve is in {folder / 'history.json'}.")
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / CARD).write_text(json.dumps(card_of(base), indent=1), "utf-8")
    return {"first_loss": losses[0], "last_loss": losses[-1], "steps": len(losses), "adapter": str(folder / "adapter")}


def _encoded(tokenizer: Any, rows: list[list[dict[str, str]]], max_tokens: int) -> list[dict[str, list[int]]]:
    found = [encoded(tokenizer, row, max_tokens) for row in rows]
    lost = sum(row is None for row in found)
    if lost:
        tell("note", sentence=f"{lost} rows are longer than max_tokens before their answer begins, and are left out.")
    kept = [row for row in found if row is not None]
    if rows and not kept:
        raise Refused("Nothing to learn is left: every row is longer than max_tokens. Take a larger max_tokens.")
    return kept


def _with_adapter(model: Any, job: dict[str, Any], kind: str) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    model.config.use_cache = False
    if kind == "four_bit":
        model = prepare_model_for_kbit_training(model)
    elif job["checkpointing"]:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    settings = LoraConfig(
        r=int(job["rank"]),
        lora_alpha=2 * int(job["rank"]),
        lora_dropout=float(job["dropout"]),
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, settings)


def _trained(model: Any) -> int:
    return sum(each.numel() for each in model.parameters() if each.requires_grad)


def _fit(
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, list[int]]],
    held_out: list[dict[str, list[int]]],
    job: dict[str, Any],
    folder: Path,
    kind: str,
) -> list[dict[str, float]]:
    """Train to the end; one entry a step."""
    import torch
    from transformers import Trainer, TrainingArguments

    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    size, checkpoints = int(job["batch_size"]), folder / "checkpoints"
    steps = int(job["steps"]) or math.ceil(len(rows) / size) * int(job["epochs"])
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=size,
        per_device_eval_batch_size=size,
        max_steps=steps,
        learning_rate=float(job["learning_rate"]),
        lr_scheduler_type="cosine",
        warmup_steps=min(int(job["warmup_steps"]), max(steps // 5, 1)),
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=int(job["save_steps"]),
        save_total_limit=CHECKPOINTS,
        bf16=kind != "float32",
        use_cpu=not torch.cuda.is_available(),
        seed=int(job["seed"]),
        data_seed=int(job["seed"]),
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=True,
    )

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, Any]:
        return {name: torch.tensor(ids) for name, ids in padded(batch, pad)}

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=held_out or None,
        data_collator=collate,
        callbacks=[_listener(folder, steps)],
    )
    last = _last_checkpoint(checkpoints)
    if last is not None:
        tell("note", sentence=f"Going on from step {last.name.rpartition('-')[2]}, where the last run ended.")
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    history = _history(trainer.state.log_history)
    _write_history(folder, history)
    if wrong := watch.diverged([each["loss"] for each in history]):
        raise Refused(f"{wrong} No adapter was written; the curve is in {folder / 'history.json'}.")
    if held_out:
        tell("held_out", loss=trainer.evaluate()["eval_loss"])
    return history


def _listener(folder: Path, steps: int) -> Any:
    from transformers import TrainerCallback

    class Listener(TrainerCallback):  # type: ignore[misc]  # this base has no types here
        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            entry = state.log_history[-1]
            if "loss" not in entry:
                return
            loss = float(entry["loss"])
            tell("step", step=state.global_step, of=steps, loss=loss, rate=float(entry["learning_rate"]))
            if watch.diverged([loss]):
                control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            tell("saved", step=state.global_step)

    return Listener()


def _history(log: list[dict[str, float]]) -> list[dict[str, float]]:
    return [
        {"step": entry["step"], "loss": float(entry["loss"]), "rate": float(entry["learning_rate"])}
        for entry in log
        if "loss" in entry
    ]


def _write_history(folder: Path, history: list[dict[str, float]]) -> None:
    (folder / "history.json").write_text(json.dumps(history), "utf-8")


def _last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest that was written to its end: the trainer's state is what it writes last."""
    found = [path for path in checkpoints.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
