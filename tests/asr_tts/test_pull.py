"""Fetching a model: the real client against local servers with the two hubs' protocols, ranges and faults."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from typer.testing import CliRunner

from asr_tts.models import COMPLETE, folder_of
from asr_tts.pull import Puller, PullFailed
from bot.errors import UsageError
from maodou.cli import app

NAME = "iic/Small"
FILES = {
    "config.yaml": b"model: SenseVoiceSmall\n",
    "model.pt": bytes(range(256)) * 2_000,
    "am.mvn": b"<Nnet>\n",
    "LICENSE": b"MIT\n",
    "model.py": b"raise SystemExit('never fetched')\n",
    "example/zh.mp3": b"ID3",
    "example/notes.txt": b"skipped",
    "../escape.txt": b"never written",
}
KEPT = {"config.yaml", "model.pt", "am.mvn", "LICENSE"}


class Hub(ThreadingHTTPServer):
    """``breaks_after``: a file's connection ends after so many bytes, once each. ``ranges``: whether it goes on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks_after = 0
        self.broken: set[str] = set()
        self.ranges = True
        self.served: list[tuple[str, int]] = []
        self.sent: dict[str, bytes] = dict(FILES)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == f"/api/v1/models/{NAME}/repo/files":
            files = [
                {"Path": path, "Size": len(data), "Sha256": hashlib.sha256(data).hexdigest(), "Type": "blob"}
                for path, data in FILES.items()
            ]
            self._json({"Code": 200, "Data": {"Files": [*files, {"Path": "example", "Size": 0, "Type": "tree"}]}})
        elif parts.path == f"/api/v1/models/{NAME}":
            self._json({"Code": 200, "Data": {"License": "model-license"}})
        elif parts.path == f"/api/models/{NAME}":
            files = [
                {"rfilename": path, "size": len(data), "lfs": {"sha256": hashlib.sha256(data).hexdigest()}}
                for path, data in FILES.items()
            ]
            self._json({"siblings": files, "cardData": {"license": "other", "license_name": "model-license"}})
        elif parts.path == f"/api/v1/models/{NAME}/repo":
            self._file(parse_qs(parts.query)["FilePath"][0])
        elif parts.path.startswith(f"/{NAME}/resolve/main/"):
            self._file(unquote(parts.path.removeprefix(f"/{NAME}/resolve/main/")))
        else:
            self.send_error(404)

    def _json(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, path: str) -> None:
        data, start = self.server.sent[path], 0
        asked = self.headers.get("Range")
        if asked and self.server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.server.served.append((path, start))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.server.breaks_after and path not in self.server.broken and len(data) > self.server.breaks_after:
            self.server.broken.add(path)
            self.wfile.write(data[start : start + self.server.breaks_after])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(data[start:])

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["modelscope", "huggingface"])
def test_a_model_is_fetched_whole_and_without_code(hub: Hub, tmp_path: Path, kind: str) -> None:
    shown: list[int] = []
    with Puller(kind, base=hub.base) as puller:
        found = puller.look(NAME)
        assert (found.license, {file.path for file in found.files}) == ("model-license", KEPT)
        folder = puller.pull(found, tmp_path, lambda file, done: shown.append(done))
    assert names(folder) == {*KEPT, COMPLETE}
    assert (folder / "model.pt").read_bytes() == FILES["model.pt"]
    assert shown[-1] > 0
    assert folder_of(NAME, tmp_path) == folder
    assert not (tmp_path / "escape.txt").exists()


def test_what_breaks_off_is_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 300_000
    with Puller("modelscope", base=hub.base) as puller:
        folder = puller.pull(puller.look(NAME), tmp_path)
    assert (folder / "model.pt").read_bytes() == FILES["model.pt"]
    starts = [start for path, start in hub.served if path == "model.pt"]
    assert len(starts) == 2
    assert 0 < starts[1] <= 300_000


def test_a_server_without_ranges_is_asked_from_the_beginning(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after, hub.ranges = 300_000, False
    with Puller("modelscope", base=hub.base) as puller:
        folder = puller.pull(puller.look(NAME), tmp_path)
    assert (folder / "model.pt").read_bytes() == FILES["model.pt"]


def test_a_later_try_fetches_only_what_is_missing(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 300_000
    with Puller("modelscope", base=hub.base, attempts=1) as puller:
        found = puller.look(NAME)
        with pytest.raises(PullFailed, match=r"model\.pt"):
            puller.pull(found, tmp_path)
        assert folder_of(NAME, tmp_path) is None, "half a model is none"
        hub.served.clear()
        puller.pull(found, tmp_path)
    assert "config.yaml" not in [path for path, _ in hub.served]
    assert folder_of(NAME, tmp_path) is not None


def test_what_has_the_wrong_digest_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.sent["model.pt"] = b"x" * len(FILES["model.pt"])
    with Puller("modelscope", base=hub.base, attempts=2) as puller, pytest.raises(PullFailed, match="digest"):
        puller.pull(puller.look(NAME), tmp_path)
    assert not any("model.pt" in name for name in names(tmp_path))


def test_a_model_that_is_not_there_is_told(hub: Hub) -> None:
    with Puller("modelscope", base=hub.base) as puller, pytest.raises(UsageError, match="no such model"):
        puller.look("iic/Missing")


@pytest.mark.parametrize("name", ["../../etc", "a", "a/b/c", "iic/..", "/iic/x"])
def test_a_name_never_leads_elsewhere(name: str, tmp_path: Path) -> None:
    assert folder_of(name, tmp_path) is None
    with Puller("modelscope", base="http://127.0.0.1:1") as puller, pytest.raises(ValueError, match="owner/name"):
        puller.look(name)


def test_the_command_tells_source_size_and_licence_first(hub: Hub, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("data_dir: data\n", "utf-8")
    runner = CliRunner()
    arguments = ["--config", str(config), "voice", "pull", NAME, "--mirror", hub.base]
    declined = runner.invoke(app, arguments, input="n\n")
    assert declined.exit_code == 1
    for told in ("1 MB in 4 files", f"{hub.base}/models/{NAME}", "model-license"):
        assert told in declined.output
    assert not (tmp_path / "data" / "models").exists()
    fetched = runner.invoke(app, [*arguments, "--yes"])
    assert fetched.exit_code == 0, fetched.output
    assert folder_of(NAME, tmp_path / "data" / "models") is not None
    assert f"model: {NAME}" in fetched.output
