"""What this machine has to run a model with: CUDA devices, memory, llama.cpp. Asked without loading a library."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, replace

from llm.shape import MIB

NVIDIA_SMI_S = 20.0


@dataclass(frozen=True, slots=True)
class Device:
    """A CUDA device; bytes. ``uuid``: what ``CUDA_VISIBLE_DEVICES`` may name it by; empty where it is not known."""

    name: str
    total: int
    free: int
    uuid: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """For a process that is to use this device and no other."""
        return {"CUDA_VISIBLE_DEVICES": self.uuid} if self.uuid else {}


@dataclass(frozen=True, slots=True)
class Machine:
    """``memory``, ``free_memory``: of the machine itself, in bytes."""

    devices: tuple[Device, ...]
    processor: str
    cores: int
    memory: int
    free_memory: int

    @property
    def has_cuda(self) -> bool:
        return bool(self.devices)

    @property
    def name(self) -> str:
        """In a table: what computed."""
        main = f"{self.cores} cores, {self.memory // 2**30} GiB, {self.processor}"
        return ", ".join([*(f"{each.name} {each.total // 2**30} GiB" for each in self.devices), main])


def machine() -> Machine:
    total, free = memory()
    return Machine(cuda_devices(), processor(), os.cpu_count() or 1, total, free)


def memory() -> tuple[int, int]:
    """All of it and what may be used now, in bytes; where the kernel does not tell the second, all of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next((int(line.split()[1]) * 1_024 for line in file if line.startswith("MemAvailable")), total)
    except OSError:
        free = total
    return total, free


def cuda_devices() -> tuple[Device, ...]:
    """By NVIDIA's own tool; without it there is no driver, and without a driver no device. Where
    ``CUDA_VISIBLE_DEVICES`` is set, those alone: the tool itself does not look at it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, "--query-gpu=uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    found = tuple(device for line in said.splitlines() if (device := device_of(line)))
    return chosen(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def device_of(line: str) -> Device | None:
    """``GPU-7f2c…, NVIDIA A100-SXM4-80GB, 81920, 80500`` in MiB; None for what is no such line."""
    uuid, _, rest = line.partition(",")
    parts = [part.strip() for part in rest.rsplit(",", 2)]
    try:
        name, total, free = parts
        return Device(name, int(total) * MIB, int(free) * MIB, uuid.strip())
    except ValueError:
        return None


def chosen(devices: tuple[Device, ...], visible: str | None) -> tuple[Device, ...]:
    """Those that ``CUDA_VISIBLE_DEVICES`` names, by number or by the beginning of their uuid; CUDA stops at the first
    name that it does not know. A part of a device (MIG) is not listed: then all are, and what was set stays so."""
    if visible is None:
        return devices
    names = [name.strip() for name in visible.split(",")]
    if names[0].startswith("MIG-"):
        return tuple(replace(device, uuid="") for device in devices)
    found: list[Device] = []
    for name in names:
        if name.isdecimal():
            device = devices[int(name)] if int(name) < len(devices) else None
        else:
            device = next((each for each in devices if name and each.uuid.startswith(name)), None)
        if device is None:
            break
        found.append(device)
    return tuple(found)


def processor() -> str:
    """As the kernel names it; the architecture where it does not."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            named = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        named = ""
    return named or platform.processor() or platform.machine()


def llama_server() -> str | None:
    """llama.cpp's server: the path of its program, ``xllamacpp`` for the Python package, None where neither is."""
    program = shutil.which("llama-server")
    if program is not None:
        return program
    return "xllamacpp" if importlib.util.find_spec("xllamacpp") is not None else None
