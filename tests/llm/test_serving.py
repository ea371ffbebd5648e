"""The plan of a server is checked before anything is loaded; a server is watched, started again and ended."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.errors import MaodouError, UsageError
from llm.environments import find
from llm.errors import ModelFolderError
from llm.machine import Device, Machine, chosen, device_of
from llm.serving import KEY, Wishes, cache_ratio, key_in, plan_llama, plan_turbomind
from llm.shape import MIB, NotEnoughMemory, Shape, shape_of
from llm.watching import Fell, Watch, WatchSettings, check_port
from tests.conftest import ENVIRONMENTS

INTERNLM3_8B: dict[str, Any] = {
    "model_type": "internlm3",
    "num_hidden_layers": 48,
    "hidden_size": 4_096,
    "intermediate_size": 10_240,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "vocab_size": 128_512,
    "max_position_embeddings": 32_768,
}
GIB = 2**30


def machine(free_gib: float | None) -> Machine:
    devices = () if free_gib is None else (Device("A100", 80 * GIB, int(free_gib * GIB)),)
    return Machine(devices, "a processor", 2, 24 * GIB, 20 * GIB)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder of InternLM3-8B's shape, with one small tensor."""
    folder = tmp_path / "internlm3-8b-instruct"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(INTERNLM3_8B))
    header = json.dumps({"x": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    return folder


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_shape_tells_weights_and_cache() -> None:
    shape = shape_of(INTERNLM3_8B)
    assert 8.5e9 < shape.parameters < 9.0e9
    assert shape.kv_bytes_per_token() == 2 * 48 * 2 * 128 * 2
    assert shape.kv_mib(2_048 * 8) == 768
    assert shape.kv_bytes_per_token(8) == 2 * 48 * 2 * (128 + 4)
    assert shape.kv_bytes_per_token(4) == 2 * 48 * 2 * (64 + 4)
    assert 0.25 < shape.weight_bytes(w4=True) / shape.weight_bytes() < 0.40


def test_internlm_chat_7b_saves_what_lmdeploy_published() -> None:
    """MiB at 2,048 tokens with 16 and 8 bits, from the table for internlm-chat-7b in LMDeploy v0.2.0's
    docs/en/quantization/kv_int8.md; its entries had no scales of their own."""
    shape = Shape("internlm", 32, 4_096, 11_008, 32, 32, 128, 103_168, 2_048, False)
    published = {8: 22_337 - 18_241, 16: 30_593 - 22_369, 32: 47_073 - 30_625, 48: 63_553 - 38_881}
    for batch, measured_mib in published.items():
        tokens = batch * 2_048
        saved = shape.kv_mib(tokens, 16) - shape.kv_mib(tokens, 8)
        scales = 2 * 32 * 32 * 4 * tokens / MIB
        assert saved + scales == pytest.approx(measured_mib, rel=0.004)
        assert saved == pytest.approx(measured_mib, rel=0.05)  # with the scales that LMDeploy has had since
    assert shape.kv_mib(512) / 2 == 128
    smaller = Shape("internlm2", 32, 4_096, 14_336, 32, 8, 128, 92_544, 32_768, False)
    assert [smaller.kv_mib(512, bits) for bits in (16, 8, 4)] == [64, 33, 17]


def test_equal_tokens_take_a_smaller_share_with_fewer_bits() -> None:
    shape = shape_of(INTERNLM3_8B)
    full, half = (cache_ratio(shape, 40 * GIB, w4=False, kv_bits=bits, tokens=65_536) for bits in (16, 8))
    assert half / full == pytest.approx((128 + 4) / 256)
    with pytest.raises(MaodouError, match="fewer will do"):
        cache_ratio(shape, 19 * GIB, w4=False, kv_bits=16, tokens=65_536)


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────


def test_without_cuda_one_sentence_offers_the_three_other_ways(model: Path) -> None:
    with pytest.raises(UsageError) as caught:
        plan_turbomind(model, machine(None), Wishes())
    said = str(caught.value)
    assert "no CUDA device" in said
    assert all(way in said for way in ("config.yaml", "maodou llm export MODEL --gguf", "the documents' own words"))


def test_the_server_listens_here_alone_and_its_key_is_not_on_the_command_line(model: Path) -> None:
    plan = plan_turbomind(model, machine(40), Wishes(kv_bits=8, port=2_000))
    assert plan.job is not None
    arguments = plan.job["arguments"]
    assert arguments[arguments.index("--server-name") + 1] == "127.0.0.1"
    assert arguments[arguments.index("--quant-policy") + 1] == "8"
    assert "--enable-prefix-caching" in arguments
    assert "--api-keys" not in arguments
    assert 0.01 < float(arguments[arguments.index("--cache-max-entry-count") + 1]) < 0.2
    assert plan.config_line == (
        "model: {endpoints: [{url: http://127.0.0.1:2000/v1, model: internlm3-8b-instruct, key_env: LLM_SERVER_KEY}]}"
    )


def test_too_little_memory_is_said_from_the_shape(model: Path) -> None:
    with pytest.raises(NotEnoughMemory, match=r"A100 has 12,288 MiB free, and this model needs about .*--w4"):
        plan_turbomind(model, machine(12), Wishes())


def test_what_does_not_fit_together_is_said(model: Path) -> None:
    with pytest.raises(UsageError, match=r"maodou llm quantize .* --w4"):
        plan_turbomind(model, machine(40), Wishes(w4=True))
    narrow = {**INTERNLM3_8B, "head_dim": 64}
    (model / "config.json").write_text(json.dumps(narrow))
    with pytest.raises(UsageError, match="128 dimensions; this model's have 64"):
        plan_turbomind(model, machine(40), Wishes(kv_bits=4))
    (model / "config.json").write_text(json.dumps({**INTERNLM3_8B, "auto_map": {}}))
    with pytest.raises(UsageError, match="--trust-remote-code"):
        plan_turbomind(model, machine(40), Wishes())
    (model / "config.json").write_text(json.dumps({**INTERNLM3_8B, "num_hidden_layers": None}))
    with pytest.raises(ModelFolderError, match="does not tell the model's shape"):
        plan_turbomind(model, machine(40), Wishes())


@pytest.mark.parametrize("header", [b"[1, 2]", b'{"x": 3}', b'{"x": {"dtype": "F16", "shape": [2]}}'])
def test_a_header_that_is_none_is_said(model: Path, header: bytes) -> None:
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelFolderError, match="is no safetensors file: its header is not one"):
        plan_turbomind(model, machine(40), Wishes())


@pytest.mark.quantiser
def test_lmdeploys_own_command_line_understands_ours(model: Path) -> None:
    plan = plan_turbomind(model, machine(40), Wishes(kv_bits=4))
    assert plan.job is not None
    found = find("lmdeploy-cpu", ENVIRONMENTS)
    assert found is not None
    script = (
        "import json, sys\nfrom lmdeploy.cli.serve import SubCliServe\nSubCliServe.add_parser_api_server()\n"
        "told = SubCliServe.subparsers.choices['api_server'].parse_args(json.loads(sys.argv[1]))\n"
        "print('@', json.dumps([told.server_name, told.quant_policy, told.cache_max_entry_count, told.api_keys]))"
    )
    arguments = [*plan.job["arguments"][2:], "--api-keys", "k"]
    said = subprocess.run(
        [found.python, "-c", script, json.dumps(arguments)], capture_output=True, text=True, timeout=100, check=False
    )
    assert said.returncode == 0, said.stderr[-2_000:]
    host, policy, ratio, keys = json.loads(said.stdout.partition("@ ")[2])
    assert (host, policy, keys) == ("127.0.0.1", 4, ["k"])
    assert 0 < ratio < 0.2


def test_a_gguf_is_looked_at_before_a_server_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        plan_llama(tmp_path / "x.gguf", "llama-server", Wishes())
    (tmp_path / "x.gguf").write_bytes(b"<html>")
    with pytest.raises(UsageError, match="no GGUF file, or half of one"):
        plan_llama(tmp_path / "x.gguf", "llama-server", Wishes())
    (tmp_path / "x.gguf").write_bytes(b"GGUF....")
    with pytest.raises(UsageError, match="not installed here"):
        plan_llama(tmp_path / "x.gguf", None, Wishes())
    with pytest.raises(UsageError, match="are LMDeploy's"):
        plan_llama(tmp_path / "x.gguf", "llama-server", Wishes(kv_bits=4))
    plan = plan_llama(tmp_path / "x.gguf", "/opt/llama-server", Wishes(), threads=2)
    assert plan.program[:3] == ("/opt/llama-server", "--model", str(tmp_path / "x.gguf"))
    assert not any("key" in argument for argument in plan.program)
    with (tmp_path / "x.gguf").open("ab") as file:
        file.truncate(2**42)  # a hole, which takes no room
    with pytest.raises(NotEnoughMemory, match=r"alone has 4,194,304 MiB, and .* MiB of memory are free"):
        plan_llama(tmp_path / "x.gguf", "/opt/llama-server", Wishes())


def test_the_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OTHER=1")
    environ: dict[str, str] = {}
    key, new = key_in(file, environ)
    assert new
    assert file.read_text() == f"OTHER=1\n{KEY}={key}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key_in(file, environ) == (key, False)
    assert len(key) >= 32
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("line", "name"),
    [("GPU-7f2c, NVIDIA A100, 80GB, 81920, 80500", "NVIDIA A100, 80GB"), ("No devices were found", None)],
)
def test_what_nvidia_says(line: str, name: str | None) -> None:
    found = device_of(line)
    assert (found.name if found else None) == name
    assert (found.uuid if found else None) == (name and "GPU-7f2c")


def test_the_operators_choice_of_devices_holds_and_the_server_gets_the_one_that_was_looked_at(model: Path) -> None:
    small = Device("T4", 16 * GIB, 4 * GIB, "GPU-aa1")
    large = Device("A100", 80 * GIB, 60 * GIB, "GPU-bb2")
    both = (small, large)
    assert chosen(both, None) == both
    assert chosen(both, "1,0") == (large, small)
    assert chosen(both, "GPU-aa,9,1") == (small,)
    assert chosen(both, "") == chosen(both, "-1") == ()
    assert [device.environ for device in chosen(both, "MIG-cc3")] == [{}, {}]
    plan = plan_turbomind(model, Machine(both, "a processor", 2, 24 * GIB, 20 * GIB), Wishes())
    assert plan.environ["CUDA_VISIBLE_DEVICES"] == "GPU-bb2"


# ── the watch ────────────────────────────────────────────────────────────────────────────────────────────

FAST = WatchSettings(
    ready_within_s=30, look_every_s=0.05, look_s=2, ill_before_restart=2, pause_first_s=0.05, pause_most_s=0.2,
    falls_in_a_row=2, end_within_s=5,
)  # fmt: skip


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


SERVER = """
import http.server, json, os, sys
job = json.load(open(sys.argv[1]))
open(job["pid"], "a").write(f"{os.getpid()}\\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists(job["ill"]) else 200)
        self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", job["port"]), Handler).serve_forever()
"""


@pytest.fixture
def watched(tmp_path: Path, port: int) -> Iterator[tuple[Watch, Path, list[float]]]:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    ready: list[float] = []
    job: dict[str, object] = {"port": port, "pid": str(tmp_path / "pids"), "ill": str(tmp_path / "ill")}
    watch = Watch(
        [sys.executable, str(script)], job, f"http://127.0.0.1:{port}", dict(os.environ), tmp_path / "log", FAST,
        ready=ready.append,
    )  # fmt: skip
    thread = threading.Thread(target=watch.run)
    thread.start()
    yield watch, tmp_path, ready
    watch.stop()
    thread.join(20)
    assert not thread.is_alive()


def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Waits for a thread's doing; fails when it does not come about."""
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().splitlines()] if (folder / "pids").exists() else []


def test_a_server_that_was_killed_comes_back_and_ends_with_the_watch(watched: tuple[Watch, Path, list[float]]) -> None:
    watch, folder, ready = watched
    until(lambda: len(ready) == 1)
    os.kill(pids(folder)[0], signal.SIGKILL)
    until(lambda: len(ready) == 2)
    watch.stop()
    until(lambda: not Path(f"/proc/{pids(folder)[1]}").exists())
    assert watch.starts == 2


def test_a_server_that_does_not_answer_any_more_is_started_again(watched: tuple[Watch, Path, list[float]]) -> None:
    _, folder, ready = watched
    until(lambda: len(ready) == 1)
    (folder / "ill").write_text("")
    until(lambda: len(pids(folder)) == 2)
    (folder / "ill").unlink()
    until(lambda: len(ready) == 2)


def test_one_that_never_comes_up_is_given_up_with_its_last_words(tmp_path: Path, port: int) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('RuntimeError: Found no NVIDIA driver on your system')"]
    watch = Watch(command, None, f"http://127.0.0.1:{port}", dict(os.environ), tmp_path / "log", FAST)
    with pytest.raises(Fell, match=r"fell 2 times without coming up: RuntimeError: Found no NVIDIA driver"):
        watch.run()
    assert watch.starts == 2


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match=r"is taken .* name another --port"):
            check_port(f"http://127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.llama_server
def test_a_gguf_is_served_with_the_key_and_to_nobody_else(tmp_path: Path, port: int) -> None:
    """The real llama.cpp, through the same script that ``maodou llm serve FILE.gguf`` starts."""
    from llm.worker_process import SCRIPTS
    from tests.llm.tiny_model import write

    write(tmp_path / "tiny.gguf", "Run make run first.")
    plan = plan_llama(tmp_path / "tiny.gguf", "xllamacpp", Wishes(port=port, tokens=512, sessions=1), threads=1)
    ready: list[float] = []
    environ = {**os.environ, KEY: "sesame"}
    command = [sys.executable, str(SCRIPTS / "llama_server.py")]
    watch = Watch(command, plan.job, plan.url, environ, tmp_path / "log", FAST, ready=ready.append)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        until(lambda: bool(ready))
        body = {"model": plan.name, "messages": [{"role": "user", "content": "how?"}], "max_tokens": 20}
        url = f"{plan.url}/v1/chat/completions"
        assert httpx.post(url, json=body).status_code == 401
        answer = httpx.post(url, json=body, headers={"Authorization": "Bearer sesame"}, timeout=20).json()
        assert answer["choices"][0]["message"]["content"].strip() == "Run make run first."
        assert "sesame" not in (tmp_path / "log").read_text()
    finally:
        watch.stop()
        thread.join(20)
