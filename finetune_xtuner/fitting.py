"""How much memory teaching takes, said from a model's shape before anything is loaded.

Activations of training are 34 bytes per token, layer and unit of width with numbers of two bytes (Korthikanti et al.
2022, "Reducing Activation Recomputation in Large Transformer Models", without the attention matrices, which today's
kernels do not keep), twice that in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llm.shape import Shape, read_config, shape_of
from llm.weights import Weights

KINDS = ("float32", "bfloat16", "four_bit")
"""What a base is loaded as: on a processor, on CUDA, on CUDA with QLoRA."""
OPTIMIZER_BYTES = 16
"""Of a trained weight: itself, its gradient, and two moments of Adam, in float32."""
ACTIVATION_BYTES = 34


def check_base(folder: Path) -> Shape:
    """The shape of a base that is there and whole. Raises ``ModelFolderError`` with a sentence."""
    shape = shape_of(read_config(folder), folder / "config.json")
    Weights.open(folder)
    return shape


def loading_bytes(shape: Shape, kind: str) -> int:
    return shape.weight_bytes(w4=True) if kind == "four_bit" else shape.weight_bytes(bits=_bits(kind))


def adapter_parameters(shape: Shape, rank: int) -> int:
    """LoRA on every matrix of every layer: rank times (inputs + outputs) each."""
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention = 2 * (shape.hidden + q) + 2 * (shape.hidden + kv)
    return shape.layers * rank * (attention + 3 * (shape.hidden + shape.intermediate))


def training_bytes(shape: Shape, kind: str, rank: int, tokens: int) -> int:
    """With an adapter, for batches of ``tokens`` tokens in all; logits and their gradient are in float32."""
    activations = tokens * shape.layers * shape.hidden * ACTIVATION_BYTES * _bits(kind) // 16
    logits = tokens * shape.vocab * 4 * 2
    trained = adapter_parameters(shape, rank) * OPTIMIZER_BYTES
    return loading_bytes(shape, kind) + trained + activations + logits


def needs_to_load(shape: Shape) -> Mapping[str, int]:
    """Bytes by kind: the machine that loads it knows which one it will be."""
    return {kind: loading_bytes(shape, kind) for kind in KINDS}


def needs_to_train(shape: Shape, rank: int, tokens: int) -> Mapping[str, int]:
    return {kind: training_bytes(shape, kind, rank, tokens) for kind in KINDS}


def _bits(kind: str) -> int:
    return 32 if kind == "float32" else 16
