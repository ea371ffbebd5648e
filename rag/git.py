"""A Git repository to a folder of plain files: the newest commit of its main branch, and nothing that would act.

The repository is fetched into a bare one, one commit deep, and its files are read out of it as data: no checkout, so
no hook, no filter, no link, no submodule. Only the files that a reader exists for are written, below the folder given.
Who fetches over the network dials the address that was checked (curl is told which), follows no redirect, knows no
password and gets a bounded time and a bounded room on the disk. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event as Flag
from typing import IO
from urllib.parse import urlsplit

import structlog

from bot.errors import UsageError
from net.addresses import is_port_allowed, is_public
from rag import readers
from rag.settings import GitSettings

log = structlog.get_logger(__name__)

Checked = Callable[[str], bool]
"""Whether an IP address may be dialled."""

LOOK_EVERY_S = 0.1
MAX_HEAD_BYTES = 100
"""Of the line that git writes before a file: its name, its kind and its size."""
MAX_ERROR_BYTES = 4_096
MAX_LISTED_BYTES = 64 << 20
"""Of what git tells beside the files themselves: a few trees that name each other list a billion paths."""
PINS_SINCE = (2, 37)
"""The first git that can be told which number to dial (http.curloptResolve)."""
_REVISION = re.compile(r"[0-9a-f]{40,64}")
_NO_NAME_HERE = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
"""What a system says of a path that it cannot hold, or that is another one's by its rules for letters."""
_PLAIN = ("100644", "100755")
"""Modes of files; links (120000) and submodules (160000) are passed over."""


class Cancelled(Exception):
    """Somebody asked the fetch to end."""


@dataclass(frozen=True, slots=True)
class Blob:
    name: str
    path: str
    size: int


def is_repository(address: str) -> bool:
    """Whether an address is a repository's and no folder's: by its form alone."""
    return "://" in address or address.rstrip("/").endswith(".git")


def checked_address(address: str, settings: GitSettings, may_dial: Checked = is_public) -> tuple[str, list[str]]:
    """What git is to fetch from, and its options for dialling it. A path of the machine becomes ``file://``.

    Raises ``UsageError`` with what is wrong: another scheme than https, a name or password in it, an address inside.
    """
    if "://" not in address:
        path = Path(address).expanduser().absolute()
        if not path.exists():
            raise UsageError(f"There is no repository at {path}.")
        return path.as_uri(), ["-c", "protocol.file.allow=always"]
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        raise UsageError(f"{address!r} is no address.") from None
    if parts.scheme != "https" or not host:
        raise UsageError("A repository is fetched over https://, or from a path of this machine.")
    if parts.username is not None or parts.password is not None:
        raise UsageError("An address with a name or a password in it is not kept: use one that needs none.")
    if not settings.private_addresses and not is_port_allowed(port):
        raise UsageError(f"Port {port} of {host} is not asked.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise UsageError(f"{host} is not found.") from None
    numbers = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not settings.private_addresses and not all(may_dial(number) for number in numbers):
        raise UsageError(f"{host} is an address inside a network, which is not asked.")
    if host in numbers:
        return address, []
    dialled = ",".join(f"[{number}]" if ":" in number else number for number in numbers)
    return address, ["-c", f"http.curloptResolve={host}:{port}:{dialled}"]


def fetch(
    address: str,
    known: str,
    into: Path,
    settings: GitSettings,
    cancel: Flag | None = None,
    may_dial: Checked = is_public,
) -> str:
    """Write the repository's documents below ``into / "files"`` (``into`` is an empty folder), unless its newest commit
    is ``known``; returns that commit's name. Raises ``UsageError`` with a sentence, and :class:`Cancelled`.
    """
    url, dialling = checked_address(address, settings, may_dial)
    git = _Git(into / "repository", dialling, settings, cancel)
    if url.startswith("https:"):
        _check_version(git.run("--version"))
    told = git.run("ls-remote", "--quiet", url, "HEAD").split()
    if not told or not _REVISION.fullmatch(told[0]):
        raise UsageError(f"{address} has no commit yet.")
    if told[0] == known:
        return known
    git.run("init", "--quiet", "--bare", str(git.folder))
    git.run("-C", str(git.folder), "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", url, told[0])
    (into / "files").mkdir()
    blobs = _documents(git, told[0], settings)
    for start in range(0, len(blobs), settings.batch_files):
        _write(git, blobs[start : start + settings.batch_files], into / "files")
    return told[0]


def _check_version(told: str) -> None:
    """An older git passes over what it does not know, and would dial wherever the name leads by then."""
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < PINS_SINCE:
        raise UsageError(
            f"Repositories are fetched by git {'.'.join(map(str, PINS_SINCE))} or newer; here: {told.strip()}"
        )


def _documents(git: _Git, revision: str, settings: GitSettings) -> list[Blob]:
    # A path is bytes: in old repositories often GBK, whose names must stay apart.
    data = git.run_bytes("-C", str(git.folder), "ls-tree", "-r", "-z", "-l", "--full-tree", revision)
    found: list[Blob] = []
    for line in os.fsdecode(data).split("\0"):
        told, _, path = line.partition("\t")
        fields = told.split()
        if len(fields) != 4 or fields[0] not in _PLAIN or not _is_wanted(path):
            continue
        found.append(Blob(fields[2], path, int(fields[3])))
        if len(found) > settings.max_files:
            raise UsageError(f"The repository has more than {settings.max_files} documents: max_files.")
    if sum(blob.size for blob in found) > settings.max_bytes:
        raise UsageError(f"The repository's documents have more than {settings.max_bytes >> 20} MiB: max_bytes.")
    return found


def _is_wanted(path: str) -> bool:
    """A path that stays below its folder, of a file that a reader exists for."""
    plain = PurePosixPath(path)
    if plain.is_absolute() or any(part in ("..", "", ".") or part in readers.NOT_DOCUMENTS for part in plain.parts):
        return False
    return plain.suffix.lower() in readers.READERS or plain.suffix.lower() in readers.PACKED


def _write(git: _Git, blobs: Sequence[Blob], into: Path) -> None:
    """Read a batch of files out of the repository, as they lie in it."""
    wanted = "".join(f"{blob.name}\n" for blob in blobs).encode()
    most = sum(blob.size + MAX_HEAD_BYTES for blob in blobs)
    data = git.run_bytes("-C", str(git.folder), "cat-file", "--batch", stdin=wanted, most=most)
    at = 0
    for blob in blobs:
        at = data.index(b"\n", at) + 1
        path = into / blob.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[at : at + blob.size])
        except OSError as error:
            if error.errno not in _NO_NAME_HERE:
                raise
            log.warning("git.path_passed_over", path=readers.storable(blob.path), error=error.strerror)
        at += blob.size + 1


class _Git:
    """Runs git without anything of this machine's or the user's configuration, within the bounds."""

    def __init__(self, folder: Path, dialling: Sequence[str], settings: GitSettings, cancel: Flag | None) -> None:
        self.folder = folder
        self._settings = settings
        self._cancel = cancel
        self._until = time.monotonic() + settings.timeout_s
        quiet = (
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.symlinks=false",
            "http.followRedirects=false",
        )
        more = ("credential.helper=", "gc.auto=0", "submodule.recurse=false", "transfer.fsckObjects=true")
        self._options = [option for each in (*quiet, *more) for option in ("-c", each)] + list(dialling)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder.parent),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": "https:file",
            "GIT_LFS_SKIP_SMUDGE": "1",
            **{name: os.environ[name] for name in ("SSL_CERT_FILE", "GIT_SSL_CAINFO") if name in os.environ},
        }

    def run(self, *arguments: str) -> str:
        return self.run_bytes(*arguments).decode("utf-8", "replace")

    def run_bytes(self, *arguments: str, stdin: bytes = b"", most: int = MAX_LISTED_BYTES) -> bytes:
        """What git writes, at most ``most`` bytes: it goes to the disk first, where it can be measured."""
        folder = self.folder.parent
        with tempfile.TemporaryFile(dir=folder) as output, tempfile.TemporaryFile(dir=folder) as errors:
            status = self._run(arguments, stdin, output, errors, most)
            if status != 0:
                errors.seek(max(0, os.fstat(errors.fileno()).st_size - MAX_ERROR_BYTES))
                said = errors.read().decode("utf-8", "replace").strip().splitlines() or ["git failed"]
                raise UsageError(f"git: {said[-1].removeprefix('fatal: ')[:300]}")
            output.seek(0)
            return output.read()

    def _run(self, arguments: Sequence[str], stdin: bytes, output: IO[bytes], errors: IO[bytes], most: int) -> int:
        try:
            process = subprocess.Popen(
                ["git", *self._options, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                env=self._environment,
                cwd=self.folder.parent,
                start_new_session=True,  # its children end with it
            )
        except FileNotFoundError:
            raise UsageError("git is not installed: repositories cannot be read.") from None
        given: bytes | None = stdin
        while True:
            try:
                process.communicate(given, timeout=LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                given = None
            wrong = self._wrong() or _too_much(output, errors, most)
            if wrong is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise wrong
        too_much = _too_much(output, errors, most)
        if too_much is not None:
            raise too_much
        return process.returncode

    def _wrong(self) -> Exception | None:
        """Why git is to end: somebody asks, it is at its time, or it fills the disk."""
        if self._cancel is not None and self._cancel.is_set():
            return Cancelled()
        if time.monotonic() > self._until:
            return UsageError(f"The repository did not come within {self._settings.timeout_s:g} s: timeout_s.")
        if _size(self.folder) > self._settings.max_bytes:
            return UsageError(f"The repository has more than {self._settings.max_bytes >> 20} MiB: max_bytes.")
        return None


def _too_much(output: IO[bytes], errors: IO[bytes], most: int) -> Exception | None:
    said = max(os.fstat(output.fileno()).st_size - most, os.fstat(errors.fileno()).st_size - MAX_LISTED_BYTES)
    return UsageError("The repository lists more paths than any that holds documents.") if said > 0 else None


def _size(folder: Path) -> int:
    """Bytes below ``folder``; what vanishes meanwhile does not count."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(at, name)).st_size
    return total
