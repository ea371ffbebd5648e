"""An adapter into its base: weights that TurboMind, llama.cpp and others can serve.

The merged model is loaded again and compared with base and adapter together on a few tokens: a merge that changed what
the model says is no merge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune_xtuner.worker.memory import must_fit, must_have_room
from finetune_xtuner.worker.models import must_belong, open_model, open_tokenizer
from finetune_xtuner.worker.telling import Refused

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.3}
"""Largest difference of a logit between adapter and merged model, by the kind of numbers."""
PROBE = "你是谁？ Who are you?"


def run(job: dict[str, Any]) -> dict[str, object]:
    """``base``, ``adapter``, ``out`` (there and empty): folders."""
    import torch
    from peft import PeftModel

    base, adapter, out = (Path(job[name]) for name in ("base", "adapter", "out"))
    torch.set_num_threads(int(job["threads"]))
    must_belong(adapter, base)
    kind = "bfloat16" if torch.cuda.is_available() else "float32"
    must_fit(job["needs"], kind, "merge")
    must_have_room(out, int(job["needs"][kind]))
    tokenizer = open_tokenizer(base)
    try:
        model = PeftModel.from_pretrained(open_model(base, kind), adapter)
    except (ValueError, RuntimeError, KeyError) as error:
        raise Refused(f"{adapter} does not fit {base}: {str(error).splitlines()[0]}") from error
    before = _logits(model, tokenizer)
    merged = model.merge_and_unload(safe_merge=True)
    merged.config.use_cache = True
    merged.save_pretrained(out)
    tokenizer.save_pretrained(out)
    del model, merged
    again = open_model(out, kind)
    difference = float((before - _logits(again, tokenizer)).abs().max())
    if not difference <= TOLERANCE[kind]:
        raise Refused(f"The merged model does not say what base and adapter say (logits differ by {difference:.3g}).")
    return {"difference": difference, "out": str(out)}


def _logits(model: Any, tokenizer: Any) -> Any:
    import torch

    ids = tokenizer(PROBE, return_tensors="pt", add_special_tokens=False)["input_ids"].to(model.device)
    with torch.inference_mode():
        return model.eval()(input_ids=ids).logits.float().cpu()
