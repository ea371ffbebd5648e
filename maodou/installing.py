"""``make setup``: pip at work, told on one line that counts, and what to do where it fails.

Nothing but the standard library: when this runs, nothing else is there yet.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LOOK_EVERY_S = 0.5
KEPT_ERRORS = 3

_FOUND = re.compile(r"(Collecting|Processing) \S")
_LOADED = re.compile(r"\s*(?:Downloading|Using cached) \S+ \((?P<size>[\d.]+) (?P<unit>bytes|kB|MB|GB)\)")
_MB = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}
_LAST_STEP = "Installing collected packages: "
_NO_NETWORK = re.compile(
    r"Retrying \(|ConnectTimeout|ReadTimeout|NewConnectionError|NameResolutionError|ProxyError|SSLError"
)

OFFLINE = """\
  连不上软件包的服务器。检查网络或代理（HTTPS_PROXY）；也可以用镜像：PIP_INDEX_URL=https://… make run。
  再运行一次会接着来，下好的不用重下。
  The packages' server cannot be reached. Check the network or the proxy (HTTPS_PROXY), or name a mirror:
  PIP_INDEX_URL=https://… make run. Run it again, and it goes on from there: what was downloaded is kept.
"""
FULL = "  磁盘满了：腾出 2 GB 再运行一次。 · The disk is full: free 2 GB, then run it again.\n"
AGAIN = "  没有装完，再运行一次会接着来。 · It is not complete; run it again, and it goes on from there.\n"


@dataclass(slots=True)
class Progress:
    """What pip's lines told so far. ``to_install``: packages, known once all are found; ``loaded_mb``: downloaded, or
    taken from what an earlier run downloaded."""

    found: int = 0
    loaded_mb: float = 0.0
    to_install: int = 0
    offline: bool = False
    errors: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        if _FOUND.match(line):
            self.found += 1
            self.offline = False
        elif loaded := _LOADED.match(line):
            self.loaded_mb += float(loaded["size"]) * _MB[loaded["unit"]]
            self.offline = False
        elif line.startswith(_LAST_STEP):
            self.to_install = line.count(",") + 1
        elif line.lstrip().startswith(("ERROR:", "error:")):
            self.errors.append(line.strip())
        if _NO_NETWORK.search(line):
            self.offline = True

    def told(self, installed: int) -> str:
        """One line. ``installed``: packages that were put into the environment since the last step began."""
        if self.to_install:
            return f"  正在安装 · installing: {min(installed, self.to_install)} / {self.to_install}"
        if self.offline:
            return "  网络没有回应，再试…… · no answer from the network, trying again …"
        return f"  正在下载 · downloading: {self.found} 个包 packages, {self.loaded_mb:.0f} MB"

    def advice(self) -> str:
        """What to do after it failed; in pip's own words where they tell more than that there was no network."""
        if self.offline:
            return OFFLINE
        said = "".join(f"  {error}\n" for error in self.errors[-KEPT_ERRORS:])
        return said + (FULL if "No space left" in said else AGAIN)


class _Line:
    """Written over again on a terminal; elsewhere, only what begins a step is written."""

    def __init__(self) -> None:
        self._rewrites = sys.stdout.isatty()
        self._last = ""

    def show(self, text: str) -> None:
        if self._rewrites:
            sys.stdout.write(f"\r\x1b[K{text}")
        elif text.partition(":")[0] != self._last:
            self._last = text.partition(":")[0]
            sys.stdout.write(f"{self._last}\n")
        sys.stdout.flush()

    def end(self, text: str) -> None:
        sys.stdout.write(f"\r\x1b[K{text}\n" if self._rewrites else f"{text}\n")


def install(arguments: Iterable[str]) -> int:
    """``pip install`` with ``arguments``; its exit code, 130 when it was interrupted."""
    command = [sys.executable, "-m", "pip", "install", "--use-pep517", "--progress-bar", "off", *arguments]
    began, progress, line = time.monotonic(), Progress(), _Line()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as pip:
        reading = threading.Thread(target=_read, args=(pip, progress), daemon=True)
        reading.start()
        before = 0
        try:
            while pip.poll() is None:
                if not progress.to_install:
                    before = _installed()
                line.show(progress.told(_installed() - before))
                time.sleep(LOOK_EVERY_S)
        except KeyboardInterrupt:  # pip got it, too
            pip.wait()
            line.end(AGAIN.rstrip())
            return 130
        reading.join()
    if pip.returncode == 0:
        line.end(f"  装好了 · installed ({time.monotonic() - began:.0f} s)")
    else:
        line.end("  没有装成 · it could not be installed:")
        sys.stderr.write(progress.advice())
    return pip.returncode


def _read(pip: subprocess.Popen[str], progress: Progress) -> None:
    for line in pip.stdout or ():
        progress.read(line)


def _installed() -> int:
    return sum(1 for _ in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


if __name__ == "__main__":
    sys.exit(install(sys.argv[1:]))
