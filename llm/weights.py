"""A model's weights as they lie on the disk, in the safetensors format, without a library that knows tensors.

The format (https://huggingface.co/docs/safetensors): eight bytes with the length of a JSON header, the header, the
data. The header says of each tensor its type, its shape and where its bytes stand; so it also says how long the file
must be, and whether a download came to its end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm.errors import ModelFolderError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "|u1", "I8": "|i1"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor stands. ``begin``, ``end``: bytes from the beginning of the file."""

    name: str
    file: Path
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    def read(self) -> np.ndarray[Any, Any]:
        """The tensor in memory; bfloat16, which numpy does not know, as float32. Raises ``ModelFolderError``."""
        if self.kind not in _TYPES:
            raise ModelFolderError(f"{self.file} has numbers of the kind {self.kind}, which cannot be read here.")
        stored = np.memmap(self.file, np.dtype(_TYPES[self.kind]), "r", self.begin, self.shape or (1,))
        if self.kind == "BF16":
            return (stored.astype("<u4") << 16).view("<f4")
        return np.array(stored)


class Weights(Mapping[str, Tensor]):
    """Every tensor of a model folder, by name. Opening reads headers alone."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = dict(tensors)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def bytes(self) -> int:
        return sum(tensor.end - tensor.begin for tensor in self._tensors.values())

    @classmethod
    def open(cls, folder: Path) -> Weights:
        """Raises ``ModelFolderError`` for what is missing, cut off or no safetensors."""
        tensors: dict[str, Tensor] = {}
        for file in files_of(folder):
            tensors |= headers(file)
        index = folder / INDEX
        if index.is_file():
            missing = sorted(set(_index(index)) - tensors.keys())
            if missing:
                raise ModelFolderError(
                    f"{folder}: {len(missing)} tensors that {INDEX} names are missing: {missing[0]} …"
                )
        return cls(tensors)


def files_of(folder: Path) -> list[Path]:
    """The files that hold the weights. Raises ``ModelFolderError`` when one that should be there is not."""
    index = folder / INDEX
    if index.is_file():
        wanted = sorted(set(_index(index).values()))
        missing = [name for name in wanted if not (folder / name).is_file()]
        if missing:
            raise ModelFolderError(
                f"{folder} is half a download: {len(missing)} of {len(wanted)} weight files are missing, "
                f"{missing[0]} for one. Fetch the model again; what is there is kept."
            )
        return [folder / name for name in wanted]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if list(folder.glob("pytorch_model*.bin")):
        raise ModelFolderError(
            f"{folder} has its weights as pickle (.bin), which can run code: take a safetensors copy."
        )
    raise ModelFolderError(f"{folder} has no weights: neither {SINGLE} nor {INDEX} is there.")


def headers(file: Path) -> dict[str, Tensor]:
    """The tensors of one file. Raises ``ModelFolderError``."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size):
            raise ModelFolderError(f"{file} is no safetensors file, or was cut off in its header ({size:,} bytes).")
        try:
            told = json.loads(opened.read(length))
        except ValueError:
            raise ModelFolderError(f"{file} is no safetensors file: its header cannot be read.") from None
    found = {}
    try:
        for name, about in told.items():
            if name == "__metadata__":
                continue
            begin, end = (8 + length + int(offset) for offset in about["data_offsets"])
            found[name] = Tensor(name, file, str(about["dtype"]), tuple(map(int, about["shape"])), begin, end)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ModelFolderError(f"{file} is no safetensors file: its header is not one.") from None
    must_be = max((tensor.end for tensor in found.values()), default=8 + length)
    if size != must_be:
        raise ModelFolderError(
            f"{file} is half a download: it has {size:,} of {must_be:,} bytes. Fetch the model again; "
            "what is there is kept."
            if size < must_be
            else f"{file} is {size - must_be:,} bytes longer than its header says: fetch it again."
        )
    return found


def _index(file: Path) -> dict[str, str]:
    try:
        known = json.loads(file.read_text("utf-8"))["weight_map"]
        return {str(name): str(where) for name, where in known.items()}
    except (ValueError, KeyError, AttributeError):
        raise ModelFolderError(f"{file} cannot be read: fetch it again.") from None
