"""A model folder becomes a GGUF with which llama.cpp answers as transformers does, or a sentence says why not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.errors import MaodouError
from llm.errors import ModelFolderError
from llm.gguf_export import export
from tests.llm import tiny_llama

pytestmark = [pytest.mark.llama_server, pytest.mark.transformers]

PROMPTS = ("你是谁？", "How do I install it?", "x = 12345; y 🦆\n\nà")


@contextmanager
def served(model: Path) -> Iterator[httpx.Client]:
    script = Path(__file__).with_name("real_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(model), "k"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        address = next(line.split()[1] for line in process.stdout if line.startswith("ready "))
        with httpx.Client(base_url=address, headers={"Authorization": "Bearer k"}, timeout=30) as client:
            yield client
    finally:
        process.kill()
        process.communicate()


def said_by_server(client: httpx.Client, tokens: list[int], count: int) -> list[int]:
    answer = client.post(
        "/completion", json={"prompt": tokens, "n_predict": count, "temperature": 0, "return_tokens": True, "top_k": 1}
    ).json()
    return [int(token) for token in answer["tokens"]]


def said_by_transformers(model: Any, tokens: list[int], count: int) -> list[int]:
    import torch

    with torch.inference_mode():
        out = model.generate(torch.tensor([tokens]), max_new_tokens=count, do_sample=False, pad_token_id=0)
    return [int(token) for token in out[0][len(tokens) :]]


def tokens_of(client: httpx.Client, text: str) -> list[int]:
    answer = client.post("/tokenize", json={"content": text, "add_special": True, "parse_special": True}).json()
    return [int(token) for token in answer["tokens"]]


@pytest.fixture(scope="module")
def byte_bpe(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    folder = tmp_path_factory.mktemp("byte_bpe")
    words = tiny_llama.byte_bpe(folder)
    return folder, words, tiny_llama.write(folder, len(words))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    folder = tmp_path_factory.mktemp("pieces")
    words = tiny_llama.sentencepiece(folder)
    return folder, words, tiny_llama.write(folder, 448, bos_token_id=1, eos_token_id=2, seed=1)


def test_with_byte_level_bpe_llama_cpp_answers_as_transformers_does(
    byte_bpe: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    folder, words, model = byte_bpe
    export(folder, tmp_path / "tiny.gguf", "f16")
    with served(tmp_path / "tiny.gguf") as client:
        for prompt in PROMPTS:
            text = words.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            tokens = words(text, add_special_tokens=False)["input_ids"]
            assert tokens_of(client, text) == tokens
            told = client.post("/apply-template", json={"messages": [{"role": "user", "content": prompt}]}).json()
            assert told["prompt"] == text
            said = said_by_server(client, tokens, 24)
            assert said == said_by_transformers(model, tokens, 24)
            assert len(said) > 3


def test_with_sentencepiece_too(pieces: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder, words, model = pieces
    export(folder, tmp_path / "tiny.gguf", "f16")
    with served(tmp_path / "tiny.gguf") as client:
        for prompt in PROMPTS:
            tokens = [words.bos_id(), *words.encode(prompt)]
            assert tokens_of(client, prompt) == tokens
            assert said_by_server(client, tokens, 24) == said_by_transformers(model, tokens, 24)


def test_internlm2_is_the_same_model_by_other_names(pieces: tuple[Path, Any, Any], tmp_path: Path) -> None:
    tiny_llama.as_internlm2(pieces[0], tmp_path / "internlm2")
    export(pieces[0], tmp_path / "llama.gguf", "f16")
    export(tmp_path / "internlm2", tmp_path / "internlm2.gguf", "f16")
    assert tensors(tmp_path / "llama.gguf") == tensors(tmp_path / "internlm2.gguf")


def tensors(file: Path) -> dict[str, bytes]:
    os.environ.setdefault("NO_COLOR", "1")
    from gguf import GGUFReader

    return {tensor.name: tensor.data.tobytes() for tensor in GGUFReader(file).tensors}


@pytest.mark.parametrize(("kind", "bits"), [("q8_0", 8.5), ("q4_0", 4.5)])
def test_fewer_bits_make_a_smaller_file_that_still_runs(
    byte_bpe: tuple[Path, Any, Any], tmp_path: Path, kind: str, bits: float
) -> None:
    folder, words, model = byte_bpe
    full = export(folder, tmp_path / "full.gguf", "f16")
    small = export(folder, tmp_path / "small.gguf", kind)
    assert small < full * (bits + 3) / 16
    with served(tmp_path / "small.gguf") as client:
        tokens = words("你是谁？")["input_ids"]
        said = said_by_server(client, tokens, 8)
    assert len(said) == 8
    if kind == "q8_0":
        assert said[0] == said_by_transformers(model, tokens, 1)[0]


# ── what is refused, with nothing left behind ────────────────────────────────────────────────────────────


def copy(folder: Path, into: Path, **config: object) -> Path:
    shutil.copytree(folder, into)
    told = json.loads((into / "config.json").read_text()) | config
    (into / "config.json").write_text(json.dumps(told))
    return into


def change(file: Path, *path: str, to: object) -> None:
    told = json.loads(file.read_text())
    at = told
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    file.write_text(json.dumps(told))


def refused(folder: Path, into: Path, kind: str = "f16") -> str:
    with pytest.raises(MaodouError) as caught:
        export(folder, into / "x.gguf", kind)
    assert list(into.glob("*.gguf")) + list(into.glob(".x*")) == []
    return str(caught.value)


def test_each_thing_that_cannot_be_mapped_has_its_sentence(byte_bpe: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = byte_bpe[0]
    assert "kind bert" in refused(copy(folder, tmp_path / "a", model_type="bert"), tmp_path)
    scaled = {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}
    assert "'yarn'" in refused(copy(folder, tmp_path / "b", rope_parameters=scaled), tmp_path)
    assert "quantised already" in refused(copy(folder, tmp_path / "c", quantization_config={}), tmp_path)
    assert "no kind of number" in refused(folder, tmp_path, "q3")
    unknown = copy(folder, tmp_path / "d")
    change(unknown / "tokenizer.json", "pre_tokenizer", to={"type": "Whitespace"})
    assert "cutting a text into words" in refused(unknown, tmp_path)
    unigram = copy(folder, tmp_path / "e")
    change(unigram / "tokenizer.json", "model", "type", to="Unigram")
    assert "kind Unigram" in refused(unigram, tmp_path)
    bare = copy(folder, tmp_path / "f")
    (bare / "tokenizer.json").unlink()
    assert "has no tokenizer" in refused(bare, tmp_path)


def test_a_tokenizer_of_another_version_is_refused(byte_bpe: tuple[Path, Any, Any], tmp_path: Path) -> None:
    other = copy(byte_bpe[0], tmp_path / "other")
    tiny_llama.byte_bpe(other, 404)
    assert "of another version" in refused(other, tmp_path)


def test_half_a_download_is_refused(byte_bpe: tuple[Path, Any, Any], tmp_path: Path) -> None:
    cut = copy(byte_bpe[0], tmp_path / "cut")
    weights = cut / "model.safetensors"
    size = weights.stat().st_size
    with weights.open("r+b") as opened:
        opened.truncate(size - 1)
    assert f"it has {size - 1:,} of {size:,} bytes" in refused(cut, tmp_path)
    with weights.open("r+b") as opened:
        opened.truncate(5)
    assert "cut off in its header" in refused(cut, tmp_path)
    weights.unlink()
    assert "has no weights" in refused(cut, tmp_path)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (cut / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "2 of 2 weight files are missing" in refused(cut, tmp_path)


def test_a_disk_that_fills_up_keeps_no_half_a_file(
    byte_bpe: tuple[Path, Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**40, 2**40, 2**20))
    assert "MiB are free there" in refused(byte_bpe[0], tmp_path)
    monkeypatch.undo()
    import gguf

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", full)
    with pytest.raises(OSError, match="No space left"):
        export(byte_bpe[0], tmp_path / "x.gguf")
    assert [each for each in tmp_path.iterdir() if "x.gguf" in each.name] == []


def test_a_folder_that_is_none_is_said() -> None:
    with pytest.raises(ModelFolderError, match="no folder with a model"):
        export(Path("/nowhere"), Path("/tmp/x.gguf"))
