"""Questions to a model, each answered alone and greedily: what ``check`` compares before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune_xtuner.worker.memory import must_fit
from finetune_xtuner.worker.models import kind_of, must_belong, open_model, open_tokenizer
from finetune_xtuner.worker.telling import Refused, tell


def run(job: dict[str, Any]) -> dict[str, object]:
    """``model``: a folder; ``adapter``: a folder or nothing; ``rows``: lists of messages that end with a question."""
    import torch

    folder = Path(job["model"])
    torch.set_num_threads(int(job["threads"]))
    kind = kind_of(False)
    must_fit(job["needs"], kind, "ask")
    tokenizer = open_tokenizer(folder)
    model = open_model(folder, kind)
    if job.get("adapter"):
        from peft import PeftModel

        must_belong(Path(job["adapter"]), folder)
        try:
            model = PeftModel.from_pretrained(model, job["adapter"])
        except (ValueError, RuntimeError, KeyError) as error:
            raise Refused(f"{job['adapter']} does not fit {folder}: {str(error).splitlines()[0]}") from error
    model.eval()
    answers: list[str] = []
    size = int(job["batch_size"])
    for begin in range(0, len(job["rows"]), size):
        answers += _answers(model, tokenizer, job["rows"][begin : begin + size], int(job["answer_tokens"]))
        tell("asked", done=len(answers), of=len(job["rows"]))
    return {"answers": answers}


def _answers(model: Any, tokenizer: Any, rows: list[list[dict[str, str]]], limit: int) -> list[str]:
    """A batch, padded on the left so that all answers begin at the same place."""
    import torch

    texts = [tokenizer.apply_chat_template(row, tokenize=False, add_generation_prompt=True) for row in rows]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    longest = max(map(len, ids))
    inputs = torch.tensor([[pad] * (longest - len(row)) + row for row in ids], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=model.device)
    with torch.inference_mode():
        made = model.generate(
            input_ids=inputs,
            attention_mask=mask,
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=pad,
            eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
        )
    return [text.strip() for text in tokenizer.batch_decode(made[:, longest:], skip_special_tokens=True)]
