"""Programs of other people, run beside us: none outlives us, none leaves children, none sees the bot's secrets."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_SECRET = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|KEY)S?$", re.IGNORECASE)
_OURS = "MAODOU_"
_LEADS_ASTRAY = frozenset({"PYTHONPATH", "PYTHONHOME"})
"""Of another Python: into our packages."""

_BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Asks Linux for a SIGKILL when the parent is gone (``man 2 prctl``, PR_SET_PDEATHSIG), then becomes the program. A
program of its own does that, and no ``preexec_fn``: between fork and exec of a process with threads no Python may
run."""


def begin(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """``subprocess.Popen`` in a process group of its own, which ends when this process is killed (on Linux)."""
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *command]
    return subprocess.Popen(command, start_new_session=True, **options)


@contextmanager
def running(command: Sequence[str], *, within_s: float = 0.0, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program that ends with the block, as :func:`end` does it; its pipes are closed after it."""
    process = begin(command, **options)
    try:
        yield process
    finally:
        end(process, within_s)
        process.communicate()


def end(process: subprocess.Popen[Any], within_s: float = 0.0) -> None:
    """The program and everything that it started: asked to end, ``within_s`` later made to."""
    if within_s and process.poll() is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
    _signal(process, signal.SIGKILL)  # also when it ended by itself: what it started may go on
    process.wait()


def _signal(process: subprocess.Popen[Any], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def how_it_ended(code: int) -> str:
    """An exit code as part of a sentence; a negative one is the signal that ended the program."""
    if code >= 0:
        return f"it ended with exit code {code}"
    why = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
    return f"it was ended by {signal.Signals(-code).name}{why}"


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without our own settings and without whatever is named like a key: a model's folder or a
    package may bring code, and the tokens of the platforms, read from ``.env``, are none of its business."""
    return {name: value for name, value in environ.items() if not name.startswith(_OURS) and not _SECRET.search(name)}


def for_another_python() -> dict[str, str]:
    """This process's environment as a Python with packages of its own may see it; what that one says comes at once."""
    kept = {name: value for name, value in without_secrets(os.environ).items() if name not in _LEADS_ASTRAY}
    return kept | {"PYTHONUNBUFFERED": "1"}
