"""A model comes from a hub whole, resumed and checked; whatever goes wrong there is a sentence and loses nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import MaodouError, UsageError
from llm import fetch as fetching
from llm.fetch import ORIGIN, fetch, fetched
from llm.hub import Hub, HubError, HubKind, RemoteFile, wanted
from tests.llm.full_disk import no_file_larger_than
from tests.llm.hub_server import COMMIT, Faults, hub

WEIGHTS = bytes(range(256)) * 12_000
FILES = {
    "config.json": b'{"model_type": "internlm3"}',
    "tokenizer.model": b"pieces",
    "model-00001-of-00001.safetensors": WEIGHTS,
    "LICENSE": b"as it is",
    "README.md": b"not needed",
    "pytorch_model.bin": b"pickle",
    "onnx/config.json": b"another format",
}
OWNERS: dict[HubKind, str] = {"huggingface": "internlm", "modelscope": "Shanghai_AI_Laboratory"}


@pytest.fixture(params=["huggingface", "modelscope"])
def kind(request: pytest.FixtureRequest) -> HubKind:
    found: HubKind = request.param
    return found


@pytest.fixture
def there(kind: HubKind, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hub, Faults]]:
    monkeypatch.setattr(fetching, "PAUSE_S", 0.01)
    with hub(kind, {f"{OWNERS[kind]}/internlm3-8b-instruct": FILES}) as (address, faults):
        client = Hub(kind, address)
        yield client, faults
        client.close()


def test_a_model_by_name_with_its_size_and_licence(there: tuple[Hub, Faults], kind: HubKind, tmp_path: Path) -> None:
    client, _ = there
    model = client.look("internlm3-8b-instruct")
    assert model.name == f"{OWNERS[kind]}/internlm3-8b-instruct"
    assert model.licence == "apache-2.0"
    assert {file.path for file in model.files} == set(FILES) - {"README.md", "pytorch_model.bin", "onnx/config.json"}
    assert model.bytes == sum(len(FILES[file.path]) for file in model.files)
    told: list[tuple[int, int, str]] = []
    folder = fetch(client, model, tmp_path, lambda done, total, what: told.append((done, total, what)))
    assert (folder / "model-00001-of-00001.safetensors").read_bytes() == WEIGHTS
    assert json.loads((folder / ORIGIN).read_text())["licence"] == "apache-2.0"
    assert told[-1] == (2, 2, "model-00001-of-00001.safetensors")
    assert fetched("internlm3-8b-instruct", tmp_path) == fetched(model.name, tmp_path) == folder
    assert list(tmp_path.glob(".*.part")) == []


def test_what_was_fetched_once_is_not_fetched_again(there: tuple[Hub, Faults], tmp_path: Path) -> None:
    client, faults = there
    model = client.look("internlm3-8b-instruct")
    fetch(client, model, tmp_path)
    before = len(faults.asked)
    fetch(client, model, tmp_path)
    assert len(faults.asked) == before


def test_a_connection_that_breaks_is_taken_up_where_it_broke(there: tuple[Hub, Faults], tmp_path: Path) -> None:
    client, faults = there
    faults.cut_after = 1_000_000
    folder = fetch(client, client.look("internlm3-8b-instruct"), tmp_path)
    assert (folder / "model-00001-of-00001.safetensors").read_bytes() == WEIGHTS
    assert [asked for path, asked in faults.asked if asked] == [
        "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"
    ]  # fmt: skip


def test_a_second_call_goes_on_where_the_first_was_ended(there: tuple[Hub, Faults], tmp_path: Path) -> None:
    client, faults = there
    model = client.look("internlm3-8b-instruct")

    def end(done: int, total: int, what: str) -> None:
        if done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(client, model, tmp_path, end)
    assert fetched("internlm3-8b-instruct", tmp_path) is None
    fetch(client, model, tmp_path)
    assert any(int(asked[6:-1]) >= 2**20 for _, asked in faults.asked if asked)


def test_a_server_that_cannot_resume_begins_anew(
    there: tuple[Hub, Faults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, faults = there
    faults.ranges = False
    faults.cut_after = 1_000_000
    monkeypatch.setattr(fetching, "TRIES", 2)
    model = client.look("internlm3-8b-instruct")
    with pytest.raises(HubError):  # it never comes further than that
        fetch(client, model, tmp_path)
    faults.cut_after = None
    folder = fetch(client, model, tmp_path)
    assert (folder / "model-00001-of-00001.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["tokenizer.model", "model-00001-of-00001.safetensors"])
def test_wrong_bytes_are_thrown_away(there: tuple[Hub, Faults], tmp_path: Path, name: str) -> None:
    client, faults = there
    faults.wrong.add(name)
    model = client.look("internlm3-8b-instruct")
    with pytest.raises(HubError, match="wrong checksum and was thrown away"):
        fetch(client, model, tmp_path)
    assert fetched(model.name, tmp_path) is None
    faults.wrong.clear()
    assert (fetch(client, model, tmp_path) / name).read_bytes() == FILES[name]


def test_a_wrong_name_is_said(there: tuple[Hub, Faults], kind: HubKind) -> None:
    client, _ = there
    with pytest.raises(UsageError, match=r"no folder here and none of the models known by name \(internlm2_5-7b-chat"):
        client.look("internlm4")
    with pytest.raises(UsageError, match="OWNER/NAME"):
        client.look("../../etc/passwd")
    with pytest.raises(HubError, match=r"has no model someone/internlm3|no model someone/internlm3"):
        client.look("someone/internlm3")


@pytest.mark.parametrize(("status", "said"), [(503, "answers 503"), (403, "no model|does not let")])
def test_a_hub_in_trouble_is_said(there: tuple[Hub, Faults], status: int, said: str) -> None:
    client, faults = there
    faults.status = status
    with pytest.raises(HubError, match=said):
        client.look("internlm3-8b-instruct")


def test_no_network_is_said(kind: HubKind) -> None:
    with pytest.raises(HubError, match=r"cannot be reached .*name another --hub or a --mirror"):
        Hub(kind, "http://127.0.0.1:9").look("internlm3-8b-instruct")


def test_a_full_disk_is_said_before_the_first_byte(
    there: tuple[Hub, Faults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, faults = there
    model = client.look("internlm3-8b-instruct")
    before = len(faults.asked)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**40, 2**40, 2**20))
    with pytest.raises(MaodouError, match=r"needs 2 MiB more in .*, where 1 MiB are free"):
        fetch(client, model, tmp_path)
    assert len(faults.asked) == before


def test_a_hub_cannot_write_outside_the_folder() -> None:
    for path in ("../evil.json", "a/../../evil.json", "/etc/evil.json", "c:evil.json", "a\\..\\evil.json"):
        with pytest.raises(HubError, match="no path inside a model"):
            wanted([RemoteFile(path, 1)])


def test_the_commit_that_was_looked_at_is_the_one_fetched(tmp_path: Path) -> None:
    with hub("huggingface", {"internlm/internlm3-8b-instruct": FILES}) as (address, faults):
        client = Hub("huggingface", address)
        model = client.look("internlm3-8b-instruct")
        fetch(client, model, tmp_path)
        client.close()
    assert model.revision == COMMIT
    assert all(COMMIT in path for path, _ in faults.asked[1:])


def test_a_file_goes_on_to_the_hubs_store_without_the_hubs_key(tmp_path: Path) -> None:
    """Hugging Face keeps large files elsewhere, under signed addresses."""
    models = {"internlm/internlm3-8b-instruct": FILES}
    with hub("huggingface", models) as (store, stored), hub("huggingface", models) as (address, faults):
        faults.store = store
        client = Hub("huggingface", address, token="sesame")
        folder = fetch(client, client.look("internlm3-8b-instruct"), tmp_path)
        client.close()
    assert (folder / "model-00001-of-00001.safetensors").read_bytes() == WEIGHTS
    assert set(faults.keys) == {"Bearer sesame"}
    assert set(stored.keys) == {""}


def test_a_hub_that_tells_no_sizes_is_not_believed(tmp_path: Path) -> None:
    with hub("huggingface", {"internlm/internlm3-8b-instruct": FILES}) as (address, faults):
        faults.sizes = False
        client = Hub("huggingface", address)
        with pytest.raises(HubError, match="answers otherwise than a hub does"):
            client.look("internlm3-8b-instruct")
        client.close()


@pytest.mark.parametrize("address", ["ftp://somewhere", "hub.example.org", "https://me:sesame@hub.example.org"])
def test_an_address_that_is_none_or_has_a_password_is_said(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        Hub("huggingface", address)
    assert "sesame" not in str(caught.value)


def test_a_disk_that_becomes_full_keeps_what_is_there(there: tuple[Hub, Faults], tmp_path: Path) -> None:
    client, _ = there
    model = client.look("internlm3-8b-instruct")
    with no_file_larger_than(2_000_000), pytest.raises(OSError, match="File too large"):
        fetch(client, model, tmp_path)
    assert fetched(model.name, tmp_path) is None
    (part,) = tmp_path.glob(".*.part/*.part")
    assert part.stat().st_size == 2_000_000
    assert (fetch(client, model, tmp_path) / "model-00001-of-00001.safetensors").read_bytes() == WEIGHTS
