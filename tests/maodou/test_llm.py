"""``maodou llm``: what an operator types, and the sentence that they get."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.blocking import ROOT
from tests.llm import tiny_llama
from tests.llm.hub_server import hub
from tests.maodou.conftest import Maodou

NAME = "Shanghai_AI_Laboratory/internlm2_5-1_8b-chat"


@pytest.fixture(autouse=True)
def no_device(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A machine without NVIDIA's driver, whatever this one has."""
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")
    monkeypatch.setattr("llm.machine.cuda_devices", tuple)


@pytest.fixture
def model(home: Path) -> Path:
    folder = home / "tiny"
    folder.mkdir()
    tiny_llama.write(folder, len(tiny_llama.byte_bpe(folder)))
    return folder


def test_without_cuda_serving_says_what_else_there_is_before_it_fetches_anything(maodou: Maodou) -> None:
    ended = maodou("llm", "serve", "internlm3-8b-instruct")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "no CUDA device" in ended.err
    assert "maodou llm export MODEL --gguf" in ended.err


def test_a_model_is_fetched_with_its_size_and_licence_shown(maodou: Maodou, home: Path) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"x" * 3_000_000}
    with hub("modelscope", {NAME: files}, licence="other") as (address, _):
        asked = maodou("llm", "fetch", "internlm2_5-1_8b-chat", "--mirror", address)
        assert asked.code == 2
        assert "Nothing was fetched; --yes" in asked.err
        ended = maodou("llm", "fetch", "internlm2_5-1_8b-chat", "--mirror", address, "--yes")
        again = maodou("llm", "fetch", NAME)
    assert ended.code == 0, ended.err
    assert f"{NAME} from {address}: 0.0 GiB in 2 files, licence: other." in ended.err
    assert (Path(ended.out.strip()) / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert again.out == ended.out


def test_wrong_names_and_folders_are_said(maodou: Maodou, home: Path) -> None:
    assert "none of the models known by name" in maodou("llm", "fetch", "internlm4").err
    assert "There is no folder ./nothing" in maodou("llm", "fetch", "./nothing").err
    assert "no model of that name was fetched" in maodou("llm", "export", "internlm4", "--gguf").err
    (home / "empty").mkdir()
    assert "no config.json" in maodou("llm", "export", "empty", "--gguf").err
    assert "Say what as" in maodou("llm", "export", "empty").err
    assert "Say how" in maodou("llm", "quantize", "empty").err
    assert "There is no file" in maodou("llm", "serve", "no.gguf").err
    assert "--kv is 16, 8 or 4" in maodou("llm", "serve", "x", "--kv", "5").err


@pytest.mark.transformers
def test_quantising_needs_text(maodou: Maodou, model: Path, home: Path) -> None:
    assert "The knowledge base default is empty" in maodou("llm", "quantize", str(model), "--w4").err
    assert "cannot be read" in maodou("llm", "quantize", str(model), "--w4", "--calibration", "no.txt").err
    (home / "latin.txt").write_bytes("é".encode("latin-1"))
    assert "is not UTF-8" in maodou("llm", "quantize", str(model), "--w4", "--calibration", "latin.txt").err
    text = home / "text.txt"
    text.write_text("毛豆")
    ended = maodou("llm", "quantize", str(model), "--w4", "--calibration", str(text), "--device", "cuda")
    assert "no CUDA device" in ended.err


def test_the_knowledge_bases_passages_are_what_it_is_calibrated_with(maodou: Maodou, home: Path) -> None:
    from maodou.config import load
    from maodou.llm_models import calibration_texts

    (home / "docs").mkdir()
    (home / "docs" / "pods.md").write_text("# 毛豆怎么煮\n\n先加盐，再煮五分钟。\n")
    assert maodou("kb", "add", str(home / "docs")).code == 0
    texts = calibration_texts(load(), None, "default")
    assert texts == ["# 毛豆怎么煮\n\n先加盐，再煮五分钟。"]


@pytest.mark.transformers
def test_an_export_is_not_written_over(maodou: Maodou, model: Path) -> None:
    ended = maodou("llm", "export", str(model), "--gguf", "--type", "q4_0", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["file"].endswith("tiny-q4_0.gguf")
    assert Path(told["file"]).stat().st_size == told["bytes"]
    assert "is there already" in maodou("llm", "export", str(model), "--gguf", "--type", "q4_0").err


@pytest.mark.llama_server
def test_a_gguf_is_served_until_it_is_told_to_stop(home: Path) -> None:
    """The whole command in a process of its own, with the real llama.cpp behind it."""
    import socket

    from tests.llm.tiny_model import write

    write(home / "tiny.gguf", "Run make run first.")
    (home / "config.yaml").write_text("web:\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [
        "llm",
        "serve",
        "tiny.gguf",
        "--port",
        str(port),
        "--tokens",
        "2048",
        "--sessions",
        "1",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "maodou", "--config", str(home / "config.yaml"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    said = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if "key_env" in line:
                break
        key = (home / ".env").read_text().strip().removeprefix("LLM_SERVER_KEY=")
        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json={"model": "tiny", "messages": [{"role": "user", "content": "how?"}], "max_tokens": 20},
            headers={"Authorization": f"Bearer {key}"},
            timeout=20,
        )
        assert answer.json()["choices"][0]["message"]["content"].strip() == "Run make run first."
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, "".join(said) + rest
    assert key not in "".join(said) + rest
    ends = time.monotonic() + 10
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=1)
        except httpx.HTTPError:
            break
        assert time.monotonic() < ends, "the server outlived its command"


@pytest.mark.transformers
def test_a_bench_without_questions_or_shapes_is_said(maodou: Maodou, model: Path, home: Path) -> None:
    (home / "none.txt").write_text("\n\n")
    assert "has no question in it" in maodou("llm", "bench", str(model), "--prompts", "none.txt").err
    (home / "asked.txt").write_text("how?\n")
    ended = maodou("llm", "bench", str(model), "--prompts", "asked.txt", "--shape", "8")
    assert "is no shape" in ended.err
    assert "--kv is 8 or 4" in maodou("llm", "bench", str(model), "--prompts", "asked.txt", "--kv", "16").err
