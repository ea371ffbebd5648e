"""What ``maodou llm serve`` starts: the plan of a server, made and checked before anything is loaded.

On a CUDA device that is LMDeploy's ``api_server`` with TurboMind, for a GGUF file llama.cpp's. Both listen on this
machine alone and want a key. LMDeploy's ``--cache-max-entry-count`` is a share of the memory that is free once the
weights are loaded, so it is computed here from the tokens that are to fit: with the default of 0.8 a smaller cache
entry only makes more of them.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import MaodouError, UsageError
from llm.machine import Machine, memory
from llm.shape import MIB, WORKSPACE_MIB, NotEnoughMemory, Shape, check_memory, read_config, shape_of
from llm.weights import Weights

KEY = "LLM_SERVER_KEY"
"""The environment variable of the server's key; ``config.yaml`` names it as the endpoint's ``key_env``."""

MIN_RATIO, MAX_RATIO = 0.01, 0.9

NO_CUDA = (
    "This machine has no CUDA device, and LMDeploy serves on nothing else. Instead: let `model` in config.yaml name a "
    "server elsewhere; or make a GGUF of the model and serve that here with llama.cpp (maodou llm export MODEL --gguf, "
    "then maodou llm serve FILE.gguf); or leave `model` out, and answers are the documents' own words."
)
NO_LLAMA = (
    "A GGUF is served by llama.cpp, which is not installed here: put its llama-server on the PATH, or "
    "pip install xllamacpp."
)
KV_HEADS = "Keys and values can be quantised where a head has 128 dimensions; this model's have {dimensions}."


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the server is to be. ``tokens``: the longest conversation, ``sessions``: how many of those at once."""

    w4: bool = False
    kv_bits: int = 16
    port: int = 23_333
    tokens: int = 8_192
    sessions: int = 8
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """``engine``: ``turbomind`` or ``llama.cpp``. ``script``: of :mod:`llm.worker`, ``job`` what it gets; or a
    ``program`` with its arguments. ``note``: what the operator should know. ``environ``: for its process."""

    engine: str
    name: str
    url: str
    note: str
    script: str = ""
    job: dict[str, Any] | None = None
    program: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def config_line(self) -> str:
        """What goes into ``config.yaml``."""
        return f"model: {{endpoints: [{{url: {self.url}/v1, model: {self.name}, key_env: {KEY}}}]}}"


def plan_turbomind(folder: Path, machine: Machine, wishes: Wishes) -> Plan:
    """Raises ``UsageError``, ``ModelFolderError`` and ``NotEnoughMemory``, each with a sentence."""
    if not machine.has_cuda:
        raise UsageError(NO_CUDA)
    config = read_config(folder)
    shape = shape_of(config, folder / "config.json")
    Weights.open(folder)
    packed = (config.get("quantization_config") or {}).get("quant_method") == "awq"
    if wishes.w4 and not packed:
        raise UsageError(f"{folder} is not quantised: maodou llm quantize {folder} --w4 makes it so.")
    if wishes.kv_bits < 16 and not shape.takes_kv_quantisation():
        raise UsageError(KV_HEADS.format(dimensions=shape.head_dim))
    if config["model_type"].startswith("internlm") and "auto_map" in config and not wishes.trust_remote_code:
        raise UsageError(
            f"{folder} brings Python code of its own (auto_map), which its tokenizer may need. Look at it, and allow "
            "it with --trust-remote-code."
        )
    tokens = wishes.tokens * wishes.sessions
    device = max(machine.devices, key=lambda each: each.free)
    check_memory(shape, device.free, w4=packed, kv_bits=wishes.kv_bits, tokens=tokens, where=device.name)
    ratio = cache_ratio(shape, device.free, w4=packed, kv_bits=wishes.kv_bits, tokens=tokens)
    note = (
        f"{device.name}: {shape.weight_bytes(w4=packed) // MIB:,} MiB of weights, "
        f"{shape.kv_mib(tokens, wishes.kv_bits):,.0f} MiB for {wishes.sessions} × {wishes.tokens:,} tokens "
        f"(a share of {ratio:.3f} of what is free then)"
    )
    url = f"http://127.0.0.1:{wishes.port}"
    arguments = arguments_of(folder, packed, ratio, wishes)
    environ = device.environ | {"UVICORN_LOG_LEVEL": "warning"}  # or each look at it would be a line in its log
    return Plan("turbomind", folder.name, url, note, "lmdeploy_server", {"arguments": arguments}, environ=environ)


def arguments_of(folder: Path, packed: bool, ratio: float, wishes: Wishes) -> list[str]:
    """Of LMDeploy 0.18's command line."""
    arguments = ["serve", "api_server", str(folder), "--backend", "turbomind"]
    arguments += ["--server-name", "127.0.0.1", "--server-port", str(wishes.port), "--model-name", folder.name]
    arguments += ["--session-len", str(wishes.tokens), "--max-batch-size", str(wishes.sessions)]
    arguments += ["--cache-max-entry-count", f"{ratio:.4f}", "--enable-prefix-caching"]
    arguments += ["--quant-policy", str(wishes.kv_bits if wishes.kv_bits < 16 else 0), "--disable-fastapi-docs"]
    arguments += ["--model-format", "awq"] if packed else []
    return arguments + (["--trust-remote-code"] if wishes.trust_remote_code else [])


def cache_ratio(shape: Shape, free: int, *, w4: bool, kv_bits: int, tokens: int) -> float:
    """The share of the memory that is free after loading which holds ``tokens``. Raises ``MaodouError``."""
    left = free - shape.weight_bytes(w4=w4) - WORKSPACE_MIB * MIB // 2
    ratio = shape.kv_bytes_per_token(kv_bits) * tokens / max(left, 1)
    if not 0 < ratio <= MAX_RATIO:
        raise MaodouError(f"{tokens:,} tokens would take {ratio:.0%} of what the weights leave free; fewer will do.")
    return max(ratio, MIN_RATIO)


def plan_llama(file: Path, server: str | None, wishes: Wishes, threads: int = 0) -> Plan:
    """A GGUF through llama.cpp; ``server`` as :func:`llm.machine.llama_server` found it. Raises ``UsageError``
    and ``NotEnoughMemory``, the second by the file's size: its cache comes on top."""
    if not file.is_file():
        raise UsageError(f"There is no file {file}.")
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise UsageError(f"{file} is no GGUF file, or half of one.")
    if server is None:
        raise UsageError(NO_LLAMA)
    if wishes.w4 or wishes.kv_bits < 16:
        raise UsageError(
            "--w4 and --kv are LMDeploy's; a GGUF has its bits in the file: maodou llm export … --type q4_0."
        )
    size, (_, free) = file.stat().st_size, memory()
    if size > free:
        raise NotEnoughMemory(
            f"{file} alone has {size // MIB:,} MiB, and {free // MIB:,} MiB of memory are free: a smaller model, or "
            "one of fewer bits (maodou llm export … --type q4_0), will do."
        )
    url = f"http://127.0.0.1:{wishes.port}"
    note = f"llama.cpp on {threads or 'its own choice of'} threads, {wishes.sessions} × {wishes.tokens:,} tokens"
    if server == "xllamacpp":
        job = {"model": str(file), "name": file.stem, "port": wishes.port, "threads": threads}
        job |= {"tokens": wishes.tokens, "sessions": wishes.sessions}
        return Plan("llama.cpp", file.stem, url, note, "llama_server", job)
    program = [server, "--model", str(file), "--alias", file.stem, "--host", "127.0.0.1", "--port", str(wishes.port)]
    program += ["--ctx-size", str(wishes.tokens * wishes.sessions), "--parallel", str(wishes.sessions), "--no-webui"]
    program += ["--threads", str(threads)] if threads else []
    return Plan("llama.cpp", file.stem, url, note, program=tuple(program))


def key_in(env_file: Path, environ: dict[str, str] | os._Environ[str]) -> tuple[str, bool]:
    """The server's key, and whether it is new: made once and kept in ``.env``, which nobody else may read."""
    if key := environ.get(KEY):
        return key, False
    key = secrets.token_urlsafe(24)
    before = env_file.read_text("utf-8") if env_file.exists() else ""
    gap = "" if not before or before.endswith("\n") else "\n"
    half = env_file.with_name(f".{env_file.name}.{os.getpid()}")
    try:
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{before}{gap}{KEY}={key}\n")
        half.replace(env_file)
    finally:
        half.unlink(missing_ok=True)
    environ[KEY] = key
    return key, True
