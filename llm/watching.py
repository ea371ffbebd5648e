"""Watches over a model server: starts it, waits until it is well, starts it again when it falls, ends it with us."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx
import structlog

from bot.errors import MaodouError, UsageError
from llm.environments import why_of
from llm.processes import begin, end

log = structlog.get_logger(__name__)

LOG_FILE = "model-server.log"


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """``ready_within_s``: loading tens of gigabytes takes minutes. ``falls_in_a_row``: after so many without ever
    having been well the fault is not one of the moment."""

    ready_within_s: float = 900.0
    look_every_s: float = 5.0
    look_s: float = 10.0
    ill_before_restart: int = 4
    pause_first_s: float = 2.0
    pause_most_s: float = 120.0
    falls_in_a_row: int = 3
    end_within_s: float = 10.0


class Fell(MaodouError):
    """The server does not come up; the sentence has its last words."""


class Watch:
    """One server. :meth:`run` blocks until :meth:`stop` or until it is given up."""

    def __init__(
        self,
        command: Sequence[str],
        job: dict[str, object] | None,
        url: str,
        environ: dict[str, str],
        told: Path,
        settings: WatchSettings | None = None,
        *,
        ready: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._command = list(command)
        self._job = job
        self._url = url
        self._environ = environ
        self._told = told
        self._settings = settings or WatchSettings()
        self._ready = ready
        self._stop = threading.Event()
        self.starts = 0

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        self._stop.set()

    def run(self) -> None:
        """Raises ``UsageError`` where the port is taken, ``Fell`` after too many falls in a row."""
        check_port(self._url)
        pause_s, falls = self._settings.pause_first_s, 0
        with (
            tempfile.TemporaryDirectory(prefix="maodou-") as folder,
            httpx.Client(timeout=self._settings.look_s) as client,
        ):
            command = self._command
            if self._job is not None:
                file = Path(folder) / "job.json"
                file.write_text(json.dumps(self._job), "utf-8")
                command = [*command, str(file)]
            while not self._stop.is_set():
                was_well, why = self._once(command, client)
                if self._stop.is_set():
                    return
                falls = 0 if was_well else falls + 1
                pause_s = self._settings.pause_first_s if was_well else pause_s
                if falls >= self._settings.falls_in_a_row:
                    raise Fell(
                        f"The server fell {falls} times without coming up: {why}. Its words are in {self._told}."
                    )
                log.warning("model_server.fell", why=why, again_in_s=pause_s)
                self._stop.wait(pause_s)
                pause_s = min(pause_s * 2, self._settings.pause_most_s)

    def _once(self, command: list[str], client: httpx.Client) -> tuple[bool, str]:
        """One life of the server: whether it was ever well, and why it ended."""
        self.starts += 1
        self._told.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with self._told.open("wb") as words:
            process = begin(command, stdout=words, stderr=subprocess.STDOUT, env=self._environ)
        try:
            was_well, why = self._attend(process, client, began)
        finally:
            end(process, self._settings.end_within_s)
        return was_well, why or why_of(self._last_words())

    def _attend(self, process: subprocess.Popen[bytes], client: httpx.Client, began: float) -> tuple[bool, str]:
        well, ill = False, 0
        while not self._stop.is_set():
            if process.poll() is not None:
                return well, "" if process.returncode > 0 else f"it ended with {process.returncode}"
            if self._is_well(client):
                ill = 0
                if not well:
                    well = True
                    log.info("model_server.ready", url=self._url, seconds=round(time.monotonic() - began, 1))
                    self._ready(time.monotonic() - began)
            elif well:
                ill += 1
                if ill >= self._settings.ill_before_restart:
                    return True, f"it did not answer {ill} times"
            elif time.monotonic() - began > self._settings.ready_within_s:
                return False, f"it was not ready within {self._settings.ready_within_s:.0f} s"
            self._stop.wait(self._settings.look_every_s if well else min(0.5, self._settings.look_every_s))
        return well, "stopped"

    def _is_well(self, client: httpx.Client) -> bool:
        try:
            return client.get(f"{self._url}/health").status_code == 200
        except httpx.HTTPError:
            return False

    def _last_words(self) -> list[str]:
        text = self._told.read_bytes()[-8_000:].decode("utf-8", "replace")
        return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]


def check_port(url: str) -> None:
    """Raises ``UsageError`` where something listens there already: it would be taken for our server."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise UsageError(
                f"Port {port} is taken ({error.strerror}): stop what listens there, or name another --port."
            ) from None
