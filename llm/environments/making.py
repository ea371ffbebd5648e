"""Makes an environment from its lock, once: whole or not at all, one process at a time.

A virtual environment holds its own path in its scripts, so it cannot be made elsewhere and moved into place. What
makes the making atomic is the marker, which is written last: a folder without one was never finished, and is made
anew.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from filelock import FileLock

from bot.errors import MaodouError
from llm.environments.recipe import Recipe, names, read
from llm.processes import end, for_another_python, running

log = structlog.get_logger(__name__)

MARKER = "maodou-environment.json"
MADE_WITHIN_S = 3_600.0
"""A making that takes longer is given up: gigabytes over a slow line may well take half of this."""
KEPT_LINES = 40
"""Of what pip said, for the sentence about a failure."""

Progress = Callable[[int, int, str], None]
"""Done, of how many, and what is being done."""


class EnvironmentFailed(MaodouError):
    """An environment could not be made. Nothing is left of the attempt but its log, which the sentence names."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A finished environment. Its programs are run as ``[environment.python, "-m", …]``."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        return _python_in(self.folder)

    def versions(self) -> dict[str, str]:
        """By package: what is installed, as it was when the environment was made."""
        told = json.loads((self.folder / MARKER).read_text("utf-8"))
        return {str(name): str(version) for name, version in told["packages"].items()}


def find(name: str, within: Path) -> Environment | None:
    """The environment, where it is made already. Raises ``KeyError`` for a name without a lock."""
    recipe = read(name)
    for version in recipe.pythons:
        folder = within / f"{name}-{recipe.digest(version)}"
        if (folder / MARKER).is_file():
            return Environment(name, folder)
    return None


def ensure(name: str, within: Path, progress: Progress | None = None) -> Environment:
    """The environment, made now where it is not yet; blocks for minutes then, and asks the package index.

    ``within``: the folder of all environments. Raises ``EnvironmentFailed`` with a sentence for the operator.
    """
    try:
        found = find(name, within)
    except KeyError:
        raise EnvironmentFailed(f"There is no environment {name!r}; there are {', '.join(names())}.") from None
    if found is not None:
        return found
    recipe = read(name)
    version, python = _python_for(recipe)
    folder = within / f"{name}-{recipe.digest(version)}"
    try:
        within.mkdir(parents=True, exist_ok=True)
        with FileLock(within / f"{folder.name}.lock"):
            if not (folder / MARKER).is_file():  # while this one waited, another process may have made it
                _make(recipe, folder, python, progress or _silently)
    except OSError as error:  # such as a disk that became full after there was room
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise EnvironmentFailed(f"The environment {name} could not be made in {within}: {why}.") from error
    return Environment(name, folder)


def _silently(done: int, total: int, what: str) -> None:
    pass


def _make(recipe: Recipe, folder: Path, python: str, progress: Progress) -> None:
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    check_space(recipe, folder.parent)
    told = folder.with_suffix(".log")
    steps = _Steps(recipe, folder, told, progress)
    try:
        with told.open("w", encoding="utf-8") as file:
            steps.run(file, [python, "-m", "venv", str(folder)], f"making {recipe.name}")
            lock = folder / "lock.txt"
            lock.write_text("\n".join(recipe.pins) + "\n", "utf-8")
            steps.run(file, [*_pip(folder), "--constraint", str(lock), *recipe.requires], "resolving")
            if recipe.without_dependencies:
                steps.run(file, [*_pip(folder), "--no-deps", *recipe.without_dependencies], "installing the last")
            imports = "\n".join(f"import {name}" for name in recipe.imports)
            steps.run(file, [str(_python_in(folder)), "-c", imports], "trying it")
            marker = {"name": recipe.name, "seconds": round(time.monotonic() - started), "packages": _packages(folder)}
            (folder / MARKER).write_text(json.dumps(marker, indent=1), "utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    log.info("environment.made", name=recipe.name, folder=str(folder), seconds=marker["seconds"])


def check_space(recipe: Recipe, within: Path) -> None:
    """Raises ``EnvironmentFailed`` where the disk, or that of the temporary files, has too little room for it."""
    temporary = Path(tempfile.gettempdir())
    needed = {within: recipe.disk_mib, temporary: recipe.download_mib}
    if os.stat(within).st_dev == os.stat(temporary).st_dev:
        needed = {within: recipe.disk_mib + recipe.download_mib}
    for place, mib in needed.items():
        free = shutil.disk_usage(place).free // 2**20
        if free < mib:
            raise EnvironmentFailed(
                f"The environment {recipe.name} needs {mib:,} MiB in {place}, where {free:,} MiB are free: make room, "
                "or let data_dir stand on a larger disk."
            )


class _Steps:
    """The programs that make one environment, run one after the other, each line they say kept and told."""

    def __init__(self, recipe: Recipe, folder: Path, told: Path, progress: Progress) -> None:
        self._recipe = recipe
        self._told = told
        self._progress = progress
        self._until = time.monotonic() + MADE_WITHIN_S
        self._total = len({re.split(r"[=;\s]", pin)[0] for pin in recipe.pins if ";" not in pin})
        self._done = 0
        self._environ = _environ()

    def run(self, file: object, command: Sequence[str], what: str) -> None:
        """Raises ``EnvironmentFailed`` when the program fails or the time is up."""
        self._progress(self._done, self._total, what)
        last: list[str] = []
        with running(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=self._environ
        ) as process:
            too_late = threading.Timer(max(1.0, self._until - time.monotonic()), end, [process])
            too_late.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    file.write(line)  # type: ignore[attr-defined]
                    last = [*last, line.rstrip()][-KEPT_LINES:]
                    self._show(line)
                code = process.wait()
            finally:
                too_late.cancel()
        if code:
            why = why_of(last) if time.monotonic() < self._until else f"it took more than {MADE_WITHIN_S:.0f} s"
            raise EnvironmentFailed(
                f"The environment {self._recipe.name} could not be made: {why}. What was said is in {self._told}."
            )

    def _show(self, line: str) -> None:
        if found := re.match(r"\s*(?:Collecting ([\w.-]+)|Processing \S*/([\w.]+)-)", line):
            self._done = min(self._done + 1, self._total - 1)
            self._progress(self._done, self._total, found[1] or found[2])
        elif found := re.match(r"\s*Downloading (\S+?)-\S+ \((.+)\)", line):
            self._progress(self._done, self._total, f"{found[1]}, {found[2]}")
        elif line.startswith("Installing collected packages"):
            self._done = self._total
            self._progress(self._done, self._total, "installing")


_WHY = (
    # The last is torch's only word on it.
    (r"No space left on device|Disk quota exceeded|File too large|PytorchStreamWriter failed", "the disk is full"),
    (r"ensurepip is not available|No module named (ensurepip|venv)", "this Python lacks venv (Debian: python3-venv)"),
    (
        r"NewConnectionError|Temporary failure in name resolution|Network is unreachable|Connection (refused|reset)"
        r"|ProxyError|ReadTimeoutError|ConnectTimeoutError|SSLError|No route to host",
        "the package index cannot be reached; look at the network, or name a mirror in pip's own configuration",
    ),
    (r"Permission denied", "the folder may not be written"),
)


def why_of(lines: Sequence[str]) -> str:
    """What a program that failed had to say, in a few words."""
    said = "\n".join(lines)
    for pattern, why in _WHY:
        if re.search(pattern, said):
            return why
    errors = [line for line in lines if re.match(r"\s*(ERROR|error|[\w.]*Error)\b", line)]
    errors = errors or [line for line in lines if line.strip()][-1:]
    return errors[0].strip().removeprefix("ERROR: ").rstrip(".")[:300] if errors else "it said nothing"


def _python_for(recipe: Recipe) -> tuple[str, str]:
    """Version and program: this Python where it will do, otherwise the first that is installed beside it."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here in recipe.pythons:
        return here, sys.executable
    for version in recipe.pythons:
        program = shutil.which(f"python{version}")
        # A version manager's stand-in is on the path even where the version itself is not installed.
        if program and subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
            return version, program
    raise EnvironmentFailed(
        f"The environment {recipe.name} needs Python {' or '.join(recipe.pythons)}; this is {here}, and none of them "
        "is installed beside it."
    )


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _pip(folder: Path) -> list[str]:
    # Python compiles what it imports, a small part of these ten thousand files; pip would compile every one.
    quietly = ["--no-compile", "--progress-bar", "off", "--no-color", "--no-input"]
    return [str(_python_in(folder)), "-m", "pip", "install", *quietly]


def _packages(folder: Path) -> dict[str, str]:
    command = [str(_python_in(folder)), "-m", "pip", "list", "--format", "json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=_environ())
    return {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}


def _environ() -> dict[str, str]:
    """This process's, without what would lead the other Python into our packages or pip to our constraints."""
    dropped = {"VIRTUAL_ENV", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_USER"}
    kept = {name: value for name, value in for_another_python().items() if name not in dropped}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
