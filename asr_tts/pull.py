"""``maodou voice pull``: a speech model from ModelScope or Hugging Face, resumed where it broke off.

Asked for once: the list of files with their sizes and, where the hub tells them, their SHA-256, and the licence. Each
file is written beside its name as ``.part`` and goes on from there by ``Range``; it gets its name when its size and
its digest are right. ``pulled.json``, written last, says that the model is whole. Nothing that could be run is
fetched: no Python file of a model's author.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx

from asr_tts.models import COMPLETE, target_of
from bot.errors import MaodouError, UsageError

HUBS = {"modelscope": "https://www.modelscope.cn", "huggingface": "https://huggingface.co"}

WANTED = (".pt", ".pb", ".onnx", ".safetensors", ".yaml", ".json", ".mvn", ".model", ".txt", ".md")
"""Endings of files that a FunASR model consists of; ``seg_dict`` and ``LICENSE`` have none."""
WANTED_NAMES = ("seg_dict", "jieba_usr_dict", "LICENSE", "MODEL_LICENSE")
SKIPPED_FOLDERS = ("example", "examples", "fig", "figs", "image", "images", "asset", "assets", ".github", "demo")

CHUNK_BYTES = 256 * 1024
MAX_LIST_BYTES = 4_000_000
MAX_FILES = 200


class PullFailed(MaodouError):
    """What was fetched stays, and is gone on with at the next try."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """``sha256``: empty where the hub does not tell it."""

    path: str
    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """``license``: as the hub names it; empty where it does not."""

    name: str
    hub: str
    source: str
    license: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


Progress = Callable[[RemoteFile, int], None]
"""Told the file and how many of its bytes are here."""


class Puller:
    """``base``: the hub's address, which tests and mirrors replace. Close it after use."""

    def __init__(self, hub: str, *, base: str = "", timeout_s: float = 30.0, attempts: int = 5) -> None:
        self._hub = hub
        self._base = (base or HUBS[hub]).rstrip("/")
        self._attempts = attempts
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=True)

    def __enter__(self) -> Puller:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    # ── what there is ────────────────────────────────────────────────────────────────────────────────

    def look(self, model: str) -> RemoteModel:
        """What a model consists of. Raises ``UsageError`` for one that is not there, ``PullFailed``."""
        target_of(model, Path())  # only a name goes into an address
        files, license_ = self._modelscope(model) if self._hub == "modelscope" else self._huggingface(model)
        wanted = tuple(file for file in files if _is_wanted(file.path))
        if not any(file.path == "config.yaml" for file in wanted):
            raise UsageError(f"{model} on {self._base} is no FunASR model: it has no config.yaml.")
        if len(wanted) > MAX_FILES:
            raise UsageError(f"{model} on {self._base} has {len(wanted)} files, more than {MAX_FILES}.")
        source = f"{self._base}/models/{model}" if self._hub == "modelscope" else f"{self._base}/{model}"
        return RemoteModel(model, self._hub, source, license_, wanted)

    def _modelscope(self, model: str) -> tuple[list[RemoteFile], str]:
        listed = self._json(f"{self._base}/api/v1/models/{model}/repo/files?Revision=master&Recursive=true")
        about = self._json(f"{self._base}/api/v1/models/{model}")
        entries = (listed.get("Data") or {}).get("Files") or []
        files = [
            RemoteFile(str(each["Path"]), int(each["Size"]), str(each.get("Sha256") or ""))
            for each in entries
            if each.get("Type", "blob") == "blob"
        ]
        return files, str((about.get("Data") or {}).get("License") or "")

    def _huggingface(self, model: str) -> tuple[list[RemoteFile], str]:
        about = self._json(f"{self._base}/api/models/{model}?blobs=true")
        files = [
            RemoteFile(
                str(each["rfilename"]), int(each.get("size") or 0), str((each.get("lfs") or {}).get("sha256") or "")
            )
            for each in about.get("siblings") or []
        ]
        card = about.get("cardData") or {}
        return files, str(card.get("license_name") or card.get("license") or "")

    def _json(self, address: str) -> dict[str, Any]:
        try:
            response = self._client.get(address)
        except httpx.HTTPError as error:
            raise PullFailed(f"{self._base} does not answer: {type(error).__name__}. Try again later.") from error
        if response.status_code in (401, 403, 404):
            raise UsageError(f"There is no such model on {self._base} (it answered {response.status_code}).")
        if response.status_code != 200 or len(response.content) > MAX_LIST_BYTES:
            raise PullFailed(f"{self._base} answered {response.status_code}. Try again later.")
        try:
            told = response.json()
        except ValueError as error:
            raise PullFailed(f"{self._base} answered with something that is no JSON.") from error
        if not isinstance(told, dict):
            raise PullFailed(f"{self._base} answered with something unexpected.")
        return told

    # ── fetching it ──────────────────────────────────────────────────────────────────────────────────

    def pull(self, model: RemoteModel, models: Path, progress: Progress = lambda file, done: None) -> Path:
        """The model's folder, whole. Raises ``PullFailed``; called again it goes on."""
        folder = target_of(model.name, models)
        folder.mkdir(parents=True, exist_ok=True)
        for file in model.files:
            self._file(model, file, folder, progress)
        about = {"model": model.name, "source": model.source, "license": model.license, "pulled_at": time.time()}
        (folder / COMPLETE).write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")
        return folder

    def _file(self, model: RemoteModel, file: RemoteFile, folder: Path, progress: Progress) -> None:
        target = folder.joinpath(*PurePosixPath(file.path).parts)
        if target.is_file() and target.stat().st_size == file.size_bytes:
            progress(file, file.size_bytes)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        address = self._address(model.name, file.path)
        failure = ""
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(min(0.2 * 2**attempt, 5.0))
            try:
                self._fetch(address, part, file, progress)
            except (httpx.HTTPError, PullFailed) as error:
                failure = str(error) or type(error).__name__
                continue
            if _is_right(part, file):
                os.replace(part, target)
                return
            failure = "its size or its digest is wrong"
            part.unlink(missing_ok=True)
        raise PullFailed(f"{file.path} could not be fetched: {failure}. What is here stays; try again to go on.")

    def _fetch(self, address: str, part: Path, file: RemoteFile, progress: Progress) -> None:
        """Append what is missing; from the beginning where the server does not go on from the middle."""
        here = part.stat().st_size if part.exists() else 0
        if here > file.size_bytes:
            part.unlink()
            here = 0
        if here and here == file.size_bytes:
            return
        headers = {"Range": f"bytes={here}-"} if here else {}
        with self._client.stream("GET", address, headers=headers) as response:
            if response.status_code not in (200, 206):
                raise PullFailed(f"the hub answered {response.status_code}")
            goes_on = response.status_code == 206 and response.headers.get("content-range", "").startswith(
                f"bytes {here}-"
            )
            if not goes_on:
                here = 0
            with part.open("ab" if goes_on else "wb") as out:
                for chunk in response.iter_bytes(CHUNK_BYTES):
                    here += len(chunk)
                    if here > file.size_bytes:
                        raise PullFailed("the hub sent more than it had told")
                    out.write(chunk)
                    progress(file, here)

    def _address(self, model: str, path: str) -> str:
        if self._hub == "modelscope":
            return f"{self._base}/api/v1/models/{model}/repo?Revision=master&FilePath={quote(path, safe='')}"
        return f"{self._base}/{model}/resolve/main/{quote(path)}"


def _is_wanted(path: str) -> bool:
    """Model files by their kind; never one that leads out of the folder, never code."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith(("/", "\\")) or "\\" in path or any(part in ("..", ".", "") for part in parts):
        return False
    if any(part.casefold() in SKIPPED_FOLDERS for part in parts[:-1]):
        return False
    return parts[-1] in WANTED_NAMES or parts[-1].endswith(WANTED)


def _is_right(part: Path, file: RemoteFile) -> bool:
    if not part.exists() or part.stat().st_size != file.size_bytes:
        return False
    return not file.sha256 or _sha256(part) == file.sha256.casefold()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(1_048_576):
        yield chunk
