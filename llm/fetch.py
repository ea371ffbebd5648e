"""A model from a hub into a folder: resumed where it was cut off, checked, and in place only when it is whole."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import structlog
from filelock import FileLock, Timeout

from bot.errors import MaodouError, UsageError
from llm.hub import Hub, HubError, RemoteFile, RemoteModel

log = structlog.get_logger(__name__)

ORIGIN = "maodou-origin.json"
"""In a fetched folder: where it came from, and under which licence."""
TRIES = 5
"""In a row without a new byte; then it is left for a later call, which resumes."""
PAUSE_S = 1.0
"""Before the second try; doubled each time."""
ROOM_BYTES = 2**26
CHUNK_BYTES = 2**20

Progress = Callable[[int, int, str], None]
"""MiB that are here, of how many, and of which file."""


def folder_of(model: RemoteModel, within: Path) -> Path:
    return within / model.name.replace("/", "--")


def fetched(name: str, within: Path) -> Path | None:
    """The folder of a model that was fetched before, by its full or last name."""
    if not within.is_dir():
        return None
    for folder in sorted(within.iterdir()):
        if (folder / ORIGIN).is_file() and name in (folder.name.replace("--", "/"), folder.name.rpartition("--")[2]):
            return folder
    return None


def fetch(hub: Hub, model: RemoteModel, within: Path, progress: Progress | None = None) -> Path:
    """The model's folder. Blocks for as long as the line needs; a second call goes on where the first one ended.

    Raises ``HubError`` for what the hub does, ``MaodouError`` for a disk without room.
    """
    into = folder_of(model, within)
    if (into / ORIGIN).is_file():
        return into
    half = into.with_name(f".{into.name}.part")
    half.mkdir(parents=True, exist_ok=True)
    with _only_one(half.with_suffix(".lock"), model):
        here = sum(_have(half, file) for file in model.files)
        free = shutil.disk_usage(half).free
        if free < model.bytes - here + ROOM_BYTES:
            raise MaodouError(
                f"{model.name} needs {(model.bytes - here) // 2**20:,} MiB more in {within}, where {free // 2**20:,} "
                "MiB are free. What was fetched is kept."
            )
        fetching = _Fetching(hub, model, half, progress)
        for file in model.files:
            fetching.file(file)
        origin = {"hub": hub.address, "name": model.name, "revision": model.revision, "licence": model.licence}
        (half / ORIGIN).write_text(json.dumps(origin, ensure_ascii=False, indent=1), "utf-8")
        half.replace(into)
    log.info("model.fetched", name=model.name, folder=str(into), licence=model.licence)
    return into


def _only_one(lock: Path, model: RemoteModel) -> AbstractContextManager[object]:
    try:
        return FileLock(lock).acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{model.name} is being fetched by another process.") from None


def _have(folder: Path, file: RemoteFile) -> int:
    for candidate in (folder / file.path, _part(folder, file)):
        if candidate.is_file():
            return min(candidate.stat().st_size, file.bytes)
    return 0


def _part(folder: Path, file: RemoteFile) -> Path:
    """Named after its content as well, so that a new version does not go on in an old one's bytes."""
    return folder / f"{file.path}.{file.expected[:12] or file.bytes}.part"


class _Fetching:
    def __init__(self, hub: Hub, model: RemoteModel, folder: Path, progress: Progress | None) -> None:
        self._hub = hub
        self._model = model
        self._folder = folder
        self._progress = progress
        self._before = 0

    def file(self, file: RemoteFile) -> None:
        whole = self._folder / file.path
        if not (whole.is_file() and whole.stat().st_size == file.bytes):
            whole.parent.mkdir(parents=True, exist_ok=True)
            part = _part(self._folder, file)
            self._bytes(file, part)
            self._check(file, part)
            part.replace(whole)
        self._before += file.bytes
        self._tell(0, file)

    def _bytes(self, file: RemoteFile, part: Path) -> None:
        """Until all are here; each broken connection is taken up where it broke."""
        if part.is_file() and part.stat().st_size > file.bytes:
            part.unlink()
        part.touch()
        tries, pause_s = 0, PAUSE_S
        while (have := part.stat().st_size) < file.bytes:
            try:
                with self._hub.asking(self._model.name):
                    self._stream(file, part, have)
                error = None
            except HubError as failed:
                error = failed
                if failed.__context__ is not None and isinstance(failed.__context__, httpx.HTTPStatusError):
                    status = failed.__context__.response.status_code
                    if status < 500 and status not in (408, 416, 429):
                        raise
            if part.stat().st_size > have:
                tries, pause_s = 0, PAUSE_S
                continue
            tries += 1
            if tries >= TRIES:
                raise error or HubError(f"{self._hub.address} ends {file.path} at {have:,} of {file.bytes:,} bytes.")
            log.warning("model.fetch_broken", file=file.path, have=have, of=file.bytes, error=str(error))
            time.sleep(pause_s)
            pause_s *= 2

    def _stream(self, file: RemoteFile, part: Path, have: int) -> None:
        # Not compressed, or a byte counted here is not one counted there.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with self._hub.client.stream("GET", self._hub.url_of(self._model, file), headers=headers) as response:
            response.raise_for_status()
            resumed = response.status_code == 206
            with part.open("ab" if resumed else "wb") as opened:
                have = have if resumed else 0
                for chunk in response.iter_bytes():  # as it comes: what was received counts when the line breaks
                    have += len(chunk)
                    if have > file.bytes:
                        raise HubError(
                            f"{self._hub.address} sends more of {file.path} than the {file.bytes:,} bytes it told."
                        )
                    opened.write(chunk)
                    self._tell(have, file)

    def _check(self, file: RemoteFile, part: Path) -> None:
        checksum = file.checksum()
        if checksum is None:  # its size alone is known, and it has that
            return
        with part.open("rb") as opened:
            while chunk := opened.read(CHUNK_BYTES):
                checksum.update(chunk)
        if checksum.hexdigest() != file.expected:
            part.unlink()
            raise HubError(
                f"{file.path} of {self._model.name} came with a wrong checksum and was thrown away: fetch it again, "
                "from another --hub when that does not help."
            )

    def _tell(self, have: int, file: RemoteFile) -> None:
        if self._progress is not None:
            self._progress((self._before + have) // 2**20, max(self._model.bytes // 2**20, 1), file.path)
