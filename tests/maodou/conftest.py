"""Commands as an operator gives them, in a folder of the test's own."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from maodou import cli, config_file
from tests.blocking import ROOT

KEPT = ("MAODOU_TEST_DATABASE_URL",)
"""Of the tests themselves."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, no settings from outside, and the log as it was before, afterwards."""
    for name in _settings_in_the_environment():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config_file, "PROJECT", tmp_path / "project")  # or this checkout's own settings would be found
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield tmp_path
    for name in _settings_in_the_environment():
        del os.environ[name]  # what a file of secrets put there; what was there before comes back by itself
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _settings_in_the_environment() -> list[str]:
    return [name for name in os.environ if name.startswith("MAODOU_") and name not in KEPT]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Maodou = Callable[..., Ended]


@pytest.fixture
def maodou(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Maodou:
    """``maodou("kb", "list")``, in this process."""

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["maodou", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0 if code is None else 1, *capsys.readouterr())

    return run


Child = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def child(home: Path) -> Iterator[Child]:
    """``child("up", MAODOU_WEB_PORT="0")``: a process of its own, killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str | Path, before: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        (home / "config.yaml").touch()
        process = subprocess.Popen(
            [sys.executable, "-m", "maodou", *map(str, arguments)],
            cwd=home,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]
