"""The file of a base's index: arrays one after the other, mapped into memory and used where they lie.

Layout: a mark, the length of a table in JSON, the table (name, type, shape and place of each array, and what the index
says of itself), then the arrays, each at a multiple of 64 bytes. Nothing is unpacked and nothing copied: a start costs
the table, and of the rest what questions touch. No pickle.

The file is written beside and renamed, never changed: whoever has the old one mapped keeps it. A mapped file that
somebody else cuts off where it lies ends the process; nothing of ours does that.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MARK = b"maodou index\n"
_ALIGN = 64

Arrays = Mapping[str, npt.NDArray[Any]]


def write(path: Path, head: Mapping[str, object], arrays: Arrays) -> None:
    """Write ``head`` and ``arrays`` to ``path``, whole or not at all. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table: list[tuple[str, str, list[int], int]] = []
    at = 0
    for name, array in arrays.items():
        table.append((name, array.dtype.str, list(array.shape), at))
        at += -(-array.nbytes // _ALIGN) * _ALIGN
    told = json.dumps({"head": head, "arrays": table, "bytes": at}).encode()
    start = -(-(len(MARK) + 8 + len(told)) // _ALIGN) * _ALIGN
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MARK + len(told).to_bytes(8, "little") + told)
            for (_, _, _, place), array in zip(table, arrays.values(), strict=True):
                file.seek(start + place)
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            file.truncate(start + at)
            file.flush()
            os.fsync(file.fileno())  # a rename may outlive a power cut that the contents do not
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What :func:`write` wrote; the arrays cannot be changed.

    Raises ``OSError``, ``ValueError`` for a file that is none of these or not whole.
    """
    with path.open("rb") as file:
        mark = file.read(len(MARK) + 8)
        if not mark.startswith(MARK) or len(mark) < len(MARK) + 8:
            raise ValueError("it is no index")
        length, size = int.from_bytes(mark[len(MARK) :], "little"), os.fstat(file.fileno()).st_size
        if len(mark) + length > size:
            raise ValueError("it is cut off")
        told = json.loads(file.read(length))
        start = -(-(len(mark) + length) // _ALIGN) * _ALIGN
        if start + told["bytes"] != size:
            raise ValueError("it is cut off")
        data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8, told["bytes"], start)
    arrays = {}
    for name, dtype, shape, at in told["arrays"]:
        kind = np.dtype(dtype)
        if kind.hasobject:
            raise ValueError("it holds objects")
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(data, kind, count, at).reshape(shape)
    return told["head"], arrays
