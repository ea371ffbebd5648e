"""A local server with the file API of Hugging Face or of ModelScope, and switches for what goes wrong there."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Faults:
    """``cut_after``: bytes of each weight file's answer, then the connection ends. ``wrong``: files whose bytes are
    not what was told. ``ranges``: whether it goes on where one left off. ``status``: of every answer about models.
    ``sizes``: whether they are told. ``store``: the server that files are sent on to. ``keys``: as they were sent."""

    cut_after: int | None = None
    wrong: set[str] = field(default_factory=set)
    ranges: bool = True
    status: int = 0
    sizes: bool = True
    store: str = ""
    keys: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def hub(
    kind: str, models: Mapping[str, Mapping[str, bytes]], licence: str = "apache-2.0"
) -> Iterator[tuple[str, Faults]]:
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            faults.asked.append((unquote(url.path), self.headers.get("Range", "")))
            faults.keys.append(self.headers.get("Authorization", ""))
            if faults.status:
                self.answer(faults.status, b"{}")
            elif kind == "huggingface":
                self.huggingface(unquote(url.path))
            else:
                self.modelscope(unquote(url.path), parse_qs(url.query))

        def huggingface(self, path: str) -> None:
            if path.startswith("/api/models/") and path.endswith("/revision/main"):
                name = path.removeprefix("/api/models/").removesuffix("/revision/main")
                if name not in models:
                    return self.answer(401, b'{"error":"Repository not found"}')  # as the real one answers
                siblings = [self.sibling(file, content) for file, content in models[name].items()]
                for sibling in () if faults.sizes else siblings:
                    sibling.pop("size")
                about = {"sha": COMMIT, "tags": [f"license:{licence}", "text-generation"], "siblings": siblings}
                return self.answer(200, json.dumps(about).encode())
            name, found, file = path[1:].partition(f"/resolve/{COMMIT}/")
            return self.file(name, file) if found else self.answer(404, b"{}")

        @staticmethod
        def sibling(file: str, content: bytes) -> dict[str, object]:
            if file.endswith(".safetensors"):
                lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                return {"rfilename": file, "size": len(content), "blobId": "of the pointer", "lfs": lfs}
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            return {"rfilename": file, "size": len(content), "blobId": blob}

        def modelscope(self, path: str, query: Mapping[str, list[str]]) -> None:
            rest = path.removeprefix("/api/v1/models/")
            name = "/".join(rest.split("/")[:2])
            if name not in models:
                return self.answer(404, b'{"Code":10010205001,"Message":"not found"}')
            if rest == name:
                return self.answer(200, json.dumps({"Code": 200, "Data": {"License": licence}}).encode())
            if rest.endswith("/repo/files"):
                files = [
                    {"Path": file, "Type": "blob", "Size": len(content), "Sha256": hashlib.sha256(content).hexdigest()}
                    for file, content in models[name].items()
                ]
                files.append({"Path": "folder", "Type": "tree", "Size": 0})
                return self.answer(200, json.dumps({"Code": 200, "Data": {"Files": files}}).encode())
            return self.file(name, query["FilePath"][0])

        def file(self, name: str, file: str) -> None:
            if faults.store:
                self.send_response(302)
                self.send_header("Location", f"{faults.store}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            content = models.get(name, {}).get(file)
            if content is None:
                return self.answer(404, b"{}")
            if file in faults.wrong:
                content = bytes(byte ^ 1 for byte in content)
            begin = 0
            asked = self.headers.get("Range", "")
            if asked and faults.ranges:
                begin = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            sent = content[begin:]
            if faults.cut_after is not None and file.endswith(".safetensors") and len(sent) > faults.cut_after:
                self.wfile.write(sent[: faults.cut_after])
                self.close_connection = True
                return None
            self.wfile.write(sent)
            return None

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
