"""Does it fit? What a job needs was computed from the model's shape; what is free is known where it runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from finetune_xtuner.worker.telling import Refused

SPARE_BYTES = 600 * 2**20
"""What torch and transformers take by themselves."""


def free_bytes() -> tuple[int, str]:
    """What is free where the model goes, and that place's name."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0]), "the GPU"
    return available_bytes(), "this machine"


def available_bytes() -> int:
    """What this machine, or the container's limit, leaves to a new process."""
    free = 2**63
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, StopIteration, ValueError):
        return free  # elsewhere than on Linux nothing is known, and nothing is refused
    return free


def must_fit(needs: Mapping[str, int], kind: str, what: str) -> None:
    """Raises ``Refused`` when it does not."""
    needed = needs[kind] + SPARE_BYTES
    free, where = free_bytes()
    if needed > free:
        raise Refused(
            f"Not enough memory to {what}: it needs about {_gib(needed)}, by the model's shape, and {where} has "
            f"{_gib(free)} free. Take a smaller model, batch size or max_tokens, or four bits on CUDA."
        )


def must_have_room(folder: Path, needed: int) -> None:
    """Raises ``Refused`` when the disk has less than ``needed`` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Refused(
            f"Not enough room in {folder.parent}: {needed / 2**20:.0f} MiB are needed, {free / 2**20:.0f} MiB are free."
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
