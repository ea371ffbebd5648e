"""What a model's ``config.json`` says about its size: weights and keys and values in bytes, before anything is loaded.

The cache of keys and values takes ``2 · layers · kv_heads · head_dim · bits / 8`` bytes a token. With 8 or 4 bits each
head of each token has a scale and a zero besides, 2 + 2 bytes for its keys and as much for its values:
https://lmdeploy.readthedocs.io/en/latest/quantization/kv_quant.html ("per-head per-token asymmetric").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import MaodouError
from llm.errors import ModelFolderError

MIB = 2**20
GROUP = 128
"""W4A16's group: so many weights share a scale of 2 bytes and a zero of 4 bits."""
WORKSPACE_MIB = 1_200
"""What an engine takes beside weights and cache: CUDA context, activations, logits. A rough figure on the safe side,
not a measured one."""

LLAMA_LIKE = ("llama", "mistral", "internlm2", "internlm3")
"""``model_type``s that are a Llama by another name."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder-only transformer, by its dimensions. ``parameters``: computed from them."""

    kind: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    tied: bool

    @property
    def parameters(self) -> int:
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        each = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.layers * each + self.embeddings + self.hidden

    @property
    def embeddings(self) -> int:
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def linear(self) -> int:
        """Weights of the linear layers, which W4A16 packs; embeddings and norms it leaves."""
        return self.parameters - self.embeddings - self.hidden - self.layers * 2 * self.hidden

    def weight_bytes(self, *, w4: bool = False, bits: int = 16) -> int:
        if not w4:
            return self.parameters * bits // 8
        packed = self.linear // 2 + self.linear // GROUP * 5 // 2
        return packed + (self.parameters - self.linear) * 2

    def kv_bytes_per_token(self, bits: int = 16) -> int:
        """``bits``: 16, 8 or 4."""
        values = 2 * self.layers * self.kv_heads * self.head_dim * bits // 8
        scales = 2 * self.layers * self.kv_heads * 4 if bits < 16 else 0
        return values + scales

    def kv_mib(self, tokens: int, bits: int = 16) -> float:
        return self.kv_bytes_per_token(bits) * tokens / MIB

    def takes_kv_quantisation(self) -> bool:
        """TurboMind quantises keys and values of 128 dimensions a head alone."""
        return self.head_dim == 128


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json``. Raises ``ModelFolderError``."""
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder with a model in it.")
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(f"{folder} has no config.json, so it is no model in Hugging Face's layout.") from None
    except ValueError:
        raise ModelFolderError(f"{folder}/config.json cannot be read: fetch the model again.") from None
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelFolderError(f"{folder}/config.json does not say what kind of model it is (model_type).")
    return config


def shape_of(config: dict[str, Any], where: object = "config.json") -> Shape:
    """Raises ``ModelFolderError`` where a dimension is missing or no number."""
    try:
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        return Shape(
            str(config["model_type"]),
            int(config["num_hidden_layers"]),
            hidden,
            int(config["intermediate_size"]),
            heads,
            int(config.get("num_key_value_heads") or heads),
            int(config.get("head_dim") or hidden // heads),
            int(config["vocab_size"]),
            int(config.get("max_position_embeddings") or 2_048),
            bool(config.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelFolderError(f"{where} does not tell the model's shape: {error}.") from None


class NotEnoughMemory(MaodouError):
    """Said from the shape, before anything is loaded."""


def check_memory(shape: Shape, free_bytes: int, *, w4: bool, kv_bits: int, tokens: int, where: str) -> None:
    """Raises ``NotEnoughMemory`` where weights, a cache for ``tokens`` and the engine's own needs do not fit."""
    weights, cache = shape.weight_bytes(w4=w4), shape.kv_bytes_per_token(kv_bits) * tokens
    needed = weights + cache + WORKSPACE_MIB * MIB
    if needed <= free_bytes:
        return
    advice = "--w4 makes its weights a quarter" if not w4 else "a smaller model, or fewer tokens, will do"
    raise NotEnoughMemory(
        f"{where} has {free_bytes // MIB:,} MiB free, and this model needs about {needed // MIB:,} MiB: "
        f"{weights // MIB:,} for its weights, {cache // MIB:,} for {tokens:,} tokens, {WORKSPACE_MIB:,} besides; "
        f"{advice}."
    )
