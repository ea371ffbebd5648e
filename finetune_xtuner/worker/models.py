"""A base, opened: its tokenizer, its weights in the kind of numbers that the machine can do, and what belongs to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from finetune_xtuner.worker.telling import Refused, tell

CARD = "maodou.json"
"""Beside an adapter: of which base and which tokenizer it is."""


def kind_of(four_bit: bool) -> str:
    """The kind of numbers: four bits or bfloat16 on CUDA, float32 on a CPU."""
    import torch

    if four_bit and not torch.cuda.is_available():
        raise Refused("four_bit (QLoRA) needs a CUDA machine, and none is found here: leave four_bit out.")
    if four_bit:
        return "four_bit"
    return "bfloat16" if torch.cuda.is_available() else "float32"


def card_of(base: Path) -> dict[str, str]:
    """What ties an adapter to its base: the shape, the tokenizer, and the weights' own header and beginning."""
    config = json.loads((base / "config.json").read_text("utf-8"))
    names = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    first = min(base.glob("*.safetensors"))
    digest = hashlib.sha256(first.name.encode())
    with first.open("rb") as file:
        digest.update(file.read(4_000_000))
    return {
        "shape": json.dumps({name: config.get(name) for name in names}, sort_keys=True),
        "weights": digest.hexdigest(),
        "tokenizer": tokenizer_digest(base),
    }


def tokenizer_digest(folder: Path) -> str:
    """Of the vocabulary and its rules; not of the settings beside it, which each saving may order anew."""
    digest = hashlib.sha256()
    for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt"):
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            if name == "tokenizer.json":
                whole = json.loads(content)
                content = json.dumps(
                    {key: whole.get(key) for key in ("model", "added_tokens", "pre_tokenizer")}
                ).encode()
            digest.update(content)
    return digest.hexdigest()


def must_belong(adapter: Path, base: Path) -> None:
    """Raises ``Refused`` where the adapter was made for another base or tokenizer."""
    if not (adapter / "adapter_config.json").is_file():
        raise Refused(f"{adapter} is no adapter: it has no adapter_config.json.")
    if not (adapter / CARD).is_file():
        tell("note", sentence=f"{adapter} has no {CARD}: whether it belongs to {base} is known from its shapes alone.")
        return
    told, here = json.loads((adapter / CARD).read_text("utf-8")), card_of(base)
    if told["shape"] != here["shape"] or told["weights"] != here["weights"]:
        raise Refused(f"{adapter} was trained on another base than {base}: name the base it was trained on.")
    if told["tokenizer"] != here["tokenizer"]:
        raise Refused(f"The tokenizer in {base} is another version than the one {adapter} was trained with.")


def open_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise Refused(f"The tokenizer in {folder} cannot be read by this version: {_first(error)}") from error
    if not tokenizer.is_fast:
        raise Refused(f"The tokenizer in {folder} has no tokenizer.json: only fast tokenizers know where words stand.")
    if not tokenizer.chat_template:
        raise Refused(f"{folder} is no chat model: its tokenizer has no chat template.")
    return tokenizer


def open_model(folder: Path, kind: str) -> Any:
    """The weights, where they will be worked with."""
    import torch
    from transformers import AutoModelForCausalLM

    more: dict[str, Any] = {"dtype": torch.float32 if kind == "float32" else torch.bfloat16}
    if torch.cuda.is_available():
        more["device_map"] = {"": 0}
    if kind == "four_bit":
        from transformers import BitsAndBytesConfig

        more["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant=True,
        )
    try:
        return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, **more)
    except (ValueError, KeyError, RuntimeError) as error:
        raise Refused(f"The model in {folder} cannot be loaded: {_first(error)}") from error


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
