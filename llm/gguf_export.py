"""``maodou llm export``: a model folder as one GGUF file, which llama.cpp serves on any processor.

Rotary positions: transformers turns the two halves of a head against each other, llama.cpp neighbouring pairs; so the
rows of queries and keys are put in pairs here, as llama.cpp's own converter does it (``LlamaModel.permute``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import MaodouError
from llm.errors import ModelFolderError
from llm.gguf_tokenizer import Vocabulary, vocabulary
from llm.half_written import only_one
from llm.llama_layout import LlamaFolder

Array = np.ndarray[Any, Any]

KINDS = ("f16", "q8_0", "q4_0")
ROOM_FOR_OTHERS = 2**26
"""Bytes to be free beside the file itself."""

_TENSORS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}

Progress = Callable[[int, int, str], None]


def export(folder: Path, into: Path, kind: str = "q8_0", progress: Progress | None = None) -> int:
    """Write ``into``; returns its bytes. The file appears when it is whole. ``kind``: of the matrices, see ``KINDS``.

    Raises ``ModelFolderError`` for what cannot be mapped, ``MaodouError`` for a disk without room.
    """
    if kind not in KINDS:
        raise MaodouError(f"{kind!r} is no kind of number that can be written; there are {', '.join(KINDS)}.")
    model = LlamaFolder.open(folder)
    words = vocabulary(folder, model.shape.vocab, model.config)
    rope = _rope(model)
    bits = {"f16": 16, "q8_0": 8.5, "q4_0": 4.5}[kind]
    _check_room(into, int(model.shape.parameters * bits / 8))
    half = into.with_name(f".{into.name}.half")
    with only_one(half, f"{into} is being written by another process."):
        _write(model, words, rope, half, kind, progress)
        half.replace(into)
    return into.stat().st_size


def _check_room(into: Path, needed: int) -> None:
    import shutil

    if not into.parent.is_dir():
        raise MaodouError(f"There is no folder {into.parent}.")
    free = shutil.disk_usage(into.parent).free
    if free < needed + ROOM_FOR_OTHERS:
        raise MaodouError(f"{into} needs about {needed // 2**20:,} MiB, and {free // 2**20:,} MiB are free there.")


def _rope(model: LlamaFolder) -> tuple[float, str, float]:
    """Base, kind of scaling (``none``, ``linear``) and factor."""
    config = model.config
    told = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = float(told.get("rope_theta") or config.get("rope_theta") or 10_000.0)
    kind = told.get("rope_type") or told.get("type") or "default"
    if kind in (
        "default",
        "dynamic",
    ):  # dynamic changes nothing up to max_position_embeddings, which is written as the limit
        return base, "none", 1.0
    if kind == "linear":
        return base, "linear", float(told.get("factor", 1.0))
    raise ModelFolderError(f"{model.folder}: positions scaled in the way {kind!r} are not mapped to GGUF here.")


def _write(
    model: LlamaFolder,
    words: Vocabulary,
    rope: tuple[float, str, float],
    into: Path,
    kind: str,
    progress: Progress | None,
) -> None:
    os.environ.setdefault("NO_COLOR", "1")
    import gguf

    writer = gguf.GGUFWriter(into, "llama")
    try:
        _write_shape(writer, model, rope, kind)
        _write_words(writer, words)
        names = [name for name in model.names() if not (name == "lm_head.weight" and model.shape.tied)]
        plan = [(name, _kind_for(model, name, kind)) for name in names]
        for name, number in plan:
            shape, as_ = model.shape_of(name), gguf.GGMLQuantizationType[number]
            bytes_ = gguf.quants.quant_shape_to_byte_shape(shape, as_)
            stored = {"F32": np.float32, "F16": np.float16}.get(number, np.uint8)
            raw = as_ if stored is np.uint8 else None
            writer.add_tensor_info(
                _gguf_name(model, name), bytes_ if raw else shape, np.dtype(stored), int(np.prod(bytes_)), raw_dtype=raw
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for done, (name, number) in enumerate(plan, 1):
            if progress is not None:
                progress(done, len(plan), name)
            values = _in_pairs(model, name, model.read(name).astype(np.float32, copy=False))
            writer.write_tensor_data(gguf.quants.quantize(values, gguf.GGMLQuantizationType[number]))
    finally:
        writer.close()


def _write_shape(writer: Any, model: LlamaFolder, rope: tuple[float, str, float], kind: str) -> None:
    shape, (base, scaling, factor) = model.shape, rope
    writer.add_name(model.folder.name)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(float(model.config.get("rms_norm_eps", 1e-6)))
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(base)
    if scaling == "linear":
        import gguf

        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(factor)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type({"f16": 1, "q4_0": 2, "q8_0": 7}[kind])  # llama.cpp's LLAMA_FTYPE


def _write_words(writer: Any, words: Vocabulary) -> None:
    writer.add_tokenizer_model(words.model)
    writer.add_tokenizer_pre(words.words)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.kinds)
    if words.model == "llama":
        writer.add_token_scores(words.scores)
        writer.add_add_space_prefix(words.space_first)
    else:
        writer.add_token_merges(words.merges)
    for name, number in words.special.items():
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(words.adds_bos)
    writer.add_add_eos_token(words.adds_eos)
    if words.template:
        writer.add_chat_template(words.template)


def _gguf_name(model: LlamaFolder, name: str) -> str:
    if name in _OUTER:
        return _OUTER[name]
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if found is None or found[2] not in _TENSORS:
        raise ModelFolderError(f"{model.folder} has a tensor {name} that llama.cpp's Llama does not know.")
    return f"blk.{found[1]}.{_TENSORS[found[2]]}.{found[3]}"


def _kind_for(model: LlamaFolder, name: str, kind: str) -> str:
    """Vectors stay as they are; embeddings keep 8 bits, as llama.cpp's quantiser does; rows must be whole blocks."""
    shape = model.shape_of(name)
    if len(shape) == 1:
        return "F32"
    if kind == "f16" or shape[-1] % 32:
        return "F16"
    return "Q8_0" if name in _OUTER else kind.upper()


def _in_pairs(model: LlamaFolder, name: str, values: Array) -> Array:
    """The rows of queries and keys so that what is turned together stands together."""
    if not re.search(r"\.[qk]_proj\.", name):
        return values
    heads = model.shape.heads if ".q_proj." in name else model.shape.kv_heads
    rest = values.shape[1:]
    return np.ascontiguousarray(values.reshape(heads, 2, -1, *rest).swapaxes(1, 2)).reshape(values.shape)
