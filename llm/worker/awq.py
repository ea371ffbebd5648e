"""W4A16 with LMDeploy's own ``auto_awq``, calibrated on given texts, and measured: run in ``lmdeploy-cpu``.

Three steps, so that one copy of the model is in memory at a time: the original's answers and perplexity; the
quantisation, with the error of each layer's packed weights; the same questions to what was written to the disk.
"""

from __future__ import annotations

import gc
import json
import math
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

PACK_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Where eight neighbouring columns stand in one int32 of AWQ's layout, the lowest four bits first."""


def tell(**what: Any) -> None:
    sys.stdout.write(f"@maodou {json.dumps(what)}\n")
    sys.stdout.flush()


# ── packed weights, read by code of our own ──────────────────────────────────────────────────────────────


def unpacked(packed: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``(rows, columns / 8)`` int32 → ``(rows, columns)`` of 0 … 15."""
    out = np.empty((packed.shape[0], packed.shape[1], 8), np.int8)
    bits = packed.astype(np.int64) & 0xFFFFFFFF
    for place, column in enumerate(PACK_ORDER):
        out[:, :, column] = (bits >> (4 * place)) & 15
    return out.reshape(packed.shape[0], -1)


def dequantised(
    weight: np.ndarray[Any, Any], zeros: np.ndarray[Any, Any], scales: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """The linear layer's weight, ``(out, in)`` float32."""
    group = weight.shape[0] // scales.shape[0]
    zero = np.repeat(unpacked(zeros), group, axis=0)
    scale = np.repeat(scales.astype(np.float32), group, axis=0)
    return np.ascontiguousarray(((unpacked(weight) - zero) * scale).T)


def packed_checksum(weight: np.ndarray[Any, Any], zeros: np.ndarray[Any, Any], scales: np.ndarray[Any, Any]) -> int:
    sum_ = 0
    for array in (weight, zeros, scales):
        sum_ = zlib.crc32(np.ascontiguousarray(array).tobytes(), sum_)
    return sum_


# ── what a model says ────────────────────────────────────────────────────────────────────────────────────


class Subject:
    """A model that is asked. ``dtype``: as the job says, float32 where the memory allows."""

    def __init__(self, model: Any, tokenizer: Any, job: dict[str, Any]) -> None:
        self.model = model.to(device=job["device"], dtype=getattr(torch, job["dtype"])).eval()
        self.tokenizer = tokenizer
        self.job = job

    def perplexity(self, windows: torch.Tensor) -> float:
        """exp of the mean loss a token over ``windows``, ``(number, tokens)``."""
        total = count = 0.0
        for window in windows:
            ids = window[None].to(self.job["device"])
            logits = self._logits(ids)[:-1].float()
            loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
            total, count = total + float(loss), count + ids.shape[1] - 1
        return math.exp(min(total / count, 50.0))

    def answers(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """Greedy, at most ``answer_tokens`` each."""
        said = []
        for prompt in prompts:
            ids = torch.tensor([prompt], device=self.job["device"])
            out = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.job["answer_tokens"],
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id or 0,
            )
            said.append([int(token) for token in out[0][len(prompt) :]])
        return said

    def same_choices(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> float:
        """The share of an answer's tokens that this model would have chosen, too, at the same place."""
        same = count = 0
        for prompt, answer in zip(prompts, answers, strict=True):
            if not answer:
                continue
            ids = torch.tensor([[*prompt, *answer]], device=self.job["device"])
            chosen = self._logits(ids)[len(prompt) - 1 : -1].argmax(-1).cpu()
            same += int((chosen == torch.tensor(list(answer))).sum())
            count += len(answer)
        return same / count if count else 1.0

    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = self.model(ids, use_cache=False).logits[0]
        return logits


def asked(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """Prompts as the model's own template puts them; as they stand where it has none."""
    if tokenizer.chat_template is None:
        return [list(tokenizer(prompt)["input_ids"]) for prompt in prompts]
    return [
        tokenizer(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            ),
            add_special_tokens=False,
        )["input_ids"]
        for prompt in prompts
    ]


def windows(tokenizer: Any, texts: Sequence[str], tokens: int, most: int) -> torch.Tensor:
    """The texts one after the other, cut into pieces of ``tokens``; of shorter ones where there is less."""
    ids: list[int] = []
    for text in texts:
        ids += tokenizer(text + "\n", add_special_tokens=False)["input_ids"]
        if len(ids) >= tokens * most:
            break
    tokens = min(tokens, len(ids))
    count = min(len(ids) // tokens, most) if tokens else 0
    return torch.tensor(ids[: count * tokens], dtype=torch.long).view(count, -1)


# ── the three steps ──────────────────────────────────────────────────────────────────────────────────────


def quantise(job: dict[str, Any], calibration: torch.Tensor) -> dict[str, Any]:
    """LMDeploy's ``auto_awq``, which reads its text from us and shows us each layer as it packs it."""
    from lmdeploy.lite.apis import auto_awq as awq
    from lmdeploy.lite.apis import calibrate

    layers: dict[str, Any] = {}
    pack = awq.quant_weights

    def quant_weights(model: Any, fcs: dict[str, Any], *rest: Any, **more: Any) -> Any:
        skipped: list[str] = []
        for done, (name, linear) in enumerate(fcs.items(), 1):
            before = linear.weight.detach().float().cpu().numpy().copy()
            skipped = pack(model, {name: linear}, *rest, **more)
            made = model.get_submodule(name)
            if hasattr(made, "qweight"):
                parts = [getattr(made, part).cpu().numpy() for part in ("qweight", "qzeros", "scales")]
                error = np.linalg.norm(dequantised(*parts) - before) / max(float(np.linalg.norm(before)), 1e-12)
                layers[name] = {"error": float(error), "checksum": packed_checksum(*parts)}
            tell(progress=[done, len(fcs), name])
        return skipped

    awq.quant_weights = quant_weights
    calibrate.get_calib_loaders = lambda name, tokenizer, nsamples, seqlen: [row[None] for row in calibration]
    awq.auto_awq(
        job["model"],
        work_dir=job["into"],
        calib_samples=len(calibration),
        calib_seqlen=calibration.shape[1],
        batch_size=1,
        w_group_size=job["group"],
        device=job["device"],
        dtype="float16",
    )
    for left in ("inputs_stats.pth", "outputs_stats.pth"):
        (Path(job["into"]) / left).unlink(missing_ok=True)
    return layers


def reopened(folder: Path, layers: dict[str, Any], dtype: torch.dtype) -> tuple[Any, list[str]]:
    """The written model with its weights unpacked, as transformers runs it, and which layers differ from those made."""
    config = AutoConfig.from_pretrained(folder)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    state: dict[str, torch.Tensor] = {}
    packed: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 – it is no mapping
                stem, _, part = name.rpartition(".")
                if part in ("qweight", "qzeros", "scales"):
                    packed.setdefault(stem, {})[part] = opened.get_tensor(name).numpy()
                else:
                    state[name] = opened.get_tensor(name).to(dtype)
    changed = []
    for name, parts in packed.items():
        weight, zeros, scales = parts["qweight"], parts["qzeros"], parts["scales"]
        if packed_checksum(weight, zeros, scales) != layers.get(name, {}).get("checksum"):
            changed.append(name)
        state[f"{name}.weight"] = torch.from_numpy(dequantised(weight, zeros, scales)).to(dtype)
    maker: Any = AutoModelForCausalLM
    model = maker.from_config(config, dtype=dtype)
    missing = [
        name
        for name in model.load_state_dict(state, strict=False).missing_keys
        if not (name == "lm_head.weight" and config.tie_word_embeddings)
    ]
    if missing:
        raise RuntimeError(f"the written model lacks {', '.join(missing[:4])}")
    model.tie_weights()
    return model, sorted(changed) + sorted(set(layers) - set(packed))


def main(file: str) -> None:
    job = json.loads(Path(file).read_text("utf-8"))
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    calibration = windows(tokenizer, job["calibration"], job["window_tokens"], job["samples"])
    held_out = windows(tokenizer, job["held_out"], job["window_tokens"], job["held_out_windows"])
    tell(calibration=list(calibration.shape), held_out=list(held_out.shape))
    if calibration.numel() < job["min_tokens"] or held_out.numel() < 2:
        tell(too_little=int(calibration.numel()))
        return
    prompts = asked(tokenizer, job["prompts"])

    tell(step="the original")
    subject = Subject(AutoModelForCausalLM.from_pretrained(job["model"]), tokenizer, job)
    before: dict[str, Any] = {"perplexity": subject.perplexity(held_out), "answers": subject.answers(prompts)}
    del subject
    gc.collect()

    tell(step="quantising")
    layers = quantise(job, calibration)
    gc.collect()

    tell(step="the quantised one")
    model, changed = reopened(Path(job["into"]), layers, getattr(torch, job["dtype"]))
    subject = Subject(model, tokenizer, job)
    after: dict[str, Any] = {
        "perplexity": subject.perplexity(held_out),
        "answers": subject.answers(prompts),
        "same_choices": subject.same_choices(prompts, before["answers"]),
    }
    tell(
        layers={name: each["error"] for name, each in layers.items()},
        changed=changed,
        perplexity=[before["perplexity"], after["perplexity"]],
        answers=[
            [tokenizer.decode(old, skip_special_tokens=True), tokenizer.decode(new, skip_special_tokens=True)]
            for old, new in zip(before["answers"], after["answers"], strict=True)
        ],
        same_answers=sum(a == b for a, b in zip(before["answers"], after["answers"], strict=True)),
        same_choices=after["same_choices"],
    )


if __name__ == "__main__":
    main(sys.argv[1])
