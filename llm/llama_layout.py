"""InternLM2, InternLM3, Mistral and Llama as what they all are: a Llama, under the names of transformers' own class.

InternLM2 keeps queries, keys and values of each group in one matrix and calls the rest differently
(https://huggingface.co/internlm/internlm2_5-7b-chat, ``modeling_internlm2.py``); unpacked, its numbers are a Llama's.
So it can be quantised and exported without the code that its folder brings, which current transformers cannot run.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm.errors import ModelFolderError
from llm.shape import LLAMA_LIKE, Shape, read_config, shape_of
from llm.weights import SINGLE, Weights

Array = np.ndarray[Any, Any]

_INTERNLM2 = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_INTERNLM2_OUTER = {
    "model.tok_embeddings.weight": "model.embed_tokens.weight",
    "output.weight": "lm_head.weight",
    "model.norm.weight": "model.norm.weight",
}
_WQKV = re.compile(r"model\.layers\.(\d+)\.attention\.wqkv\.(weight|bias)")
_KEPT = (
    "tokenizer",
    "special_tokens",
    "added_tokens",
    "vocab",
    "merges",
    "generation_config",
    "chat_template",
    "LICENSE",
)
"""Beginnings of the files that go along with the weights."""


@dataclass(frozen=True, slots=True)
class LlamaFolder:
    """A model folder that is a Llama underneath. Nothing is read before it is asked for."""

    folder: Path
    config: Mapping[str, Any]
    shape: Shape
    weights: Weights

    @classmethod
    def open(cls, folder: Path) -> LlamaFolder:
        """Raises ``ModelFolderError``: another kind of model, packed already, half a download."""
        config = read_config(folder)
        kind = config["model_type"]
        if kind not in LLAMA_LIKE:
            raise ModelFolderError(f"{folder} is a model of the kind {kind}; {', '.join(LLAMA_LIKE)} can be read here.")
        if "quantization_config" in config:
            raise ModelFolderError(f"{folder} is quantised already: name the model that it was made from.")
        opened = cls(folder, config, shape_of(config, folder / "config.json"), Weights.open(folder))
        table = opened._table()
        opened._check(table)
        return opened

    def names(self) -> Iterator[str]:
        """In Llama's own names, layer after layer."""
        yield from sorted(self._table(), key=_by_layer)

    def read(self, name: str) -> Array:
        """One tensor as float32, float16 as it is stored."""
        stored, part = self._table()[name]
        whole = self.weights[stored].read()
        if part is None:
            return whole
        shape = self.shape
        groups = whole.reshape(shape.kv_heads, -1, shape.head_dim, *whole.shape[1:])
        taken = groups[:, :-2] if part == "q" else groups[:, -2 if part == "k" else -1]
        return np.ascontiguousarray(taken).reshape(-1, *whole.shape[1:])

    def kind_of(self, name: str) -> str:
        """How it is stored: ``F16``, ``BF16``, ``F32``."""
        return self.weights[self._table()[name][0]].kind

    def _table(self) -> dict[str, tuple[str, str | None]]:
        """Llama's name to the stored one, and which part of it."""
        if self.config["model_type"] != "internlm2":
            return {name: (name, None) for name in self.weights if not name.endswith("rotary_emb.inv_freq")}
        table: dict[str, tuple[str, str | None]] = {}
        for name in self.weights:
            if name in _INTERNLM2_OUTER:
                table[_INTERNLM2_OUTER[name]] = (name, None)
            elif packed := _WQKV.fullmatch(name):
                table |= {
                    f"model.layers.{packed[1]}.self_attn.{part}_proj.{packed[2]}": (name, part)
                    for part in ("q", "k", "v")
                }
            elif found := re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
                if found[2] not in _INTERNLM2:
                    raise ModelFolderError(f"{self.folder} has a tensor {name} that no InternLM2 has.")
                table[f"model.layers.{found[1]}.{_INTERNLM2[found[2]]}.{found[3]}"] = (name, None)
        return table

    def _check(self, table: Mapping[str, object]) -> None:
        """That the tensors are those of the shape, and the embeddings those of the vocabulary."""
        for layer in range(self.shape.layers):
            for part in (
                "self_attn.q_proj",
                "self_attn.k_proj",
                "self_attn.v_proj",
                "self_attn.o_proj",
                "mlp.down_proj",
            ):
                if f"model.layers.{layer}.{part}.weight" not in table:
                    raise ModelFolderError(f"{self.folder} lacks layer {layer}'s {part}: fetch the model again.")
        stored = table.get("model.embed_tokens.weight")
        rows = self.weights[stored[0]].shape[0] if isinstance(stored, tuple) else 0
        if rows != self.shape.vocab:
            raise ModelFolderError(
                f"{self.folder}: config.json says {self.shape.vocab:,} tokens, the weights have {rows:,}: "
                "its files are of different versions."
            )

    def llama_config(self) -> dict[str, Any]:
        """``config.json`` for transformers' Llama."""
        config = {key: value for key, value in self.config.items() if key not in ("auto_map", "attn_implementation")}
        biased = bool(config.pop("bias", False) or config.pop("qkv_bias", False) or config.get("attention_bias"))
        return config | {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "attention_bias": biased}

    def write_as_llama(self, into: Path) -> None:
        """A copy that transformers reads as a plain Llama, in float16. ``into`` is a new folder."""
        into.mkdir()
        for file in self.folder.iterdir():
            if file.is_file() and file.name.startswith(_KEPT) and file.suffix != ".py":
                shutil.copyfile(file, into / file.name)
        config = self.llama_config() | {"torch_dtype": "float16"}
        (into / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
        names = list(self.names())
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        offset = 0
        for name in names:
            shape = self.shape_of(name)
            size = 2 * int(np.prod(shape))
            header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        told = json.dumps(header).encode()
        told += b" " * (-len(told) % 8)
        with (into / SINGLE).open("wb") as written:
            written.write(len(told).to_bytes(8, "little") + told)
            for name in names:
                self.read(name).astype("<f2").tofile(written)

    def shape_of(self, name: str) -> list[int]:
        """Of one tensor, without reading it."""
        stored, part = self._table()[name]
        whole = self.weights[stored].shape
        if part is None:
            return list(whole)
        rows = (self.shape.heads if part == "q" else self.shape.kv_heads) * self.shape.head_dim
        return [rows, *whole[1:]]


def _by_layer(name: str) -> tuple[int, str]:
    found = re.search(r"layers\.(\d+)\.", name)
    return (int(found[1]) if found else -1, name)
