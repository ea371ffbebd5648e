"""Runs one of :mod:`llm.worker`'s scripts in its environment and hands on what it tells."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.errors import MaodouError
from llm.environments import Environment, why_of
from llm.processes import for_another_python, how_it_ended, running

MARK = "@maodou "
KEPT_LINES = 60
"""Of what a script said besides, for the sentence about a failure."""

SCRIPTS = Path(__file__).parent / "worker"


class WorkerFailed(MaodouError):
    """A script in another environment ended with an error. ``lines``: the last of what it said."""

    def __init__(self, what: str, lines: list[str]) -> None:
        self.lines = lines
        super().__init__(f"{what} failed: {why_of(lines)}.")


def run(
    environment: Environment,
    script: str,
    job: Mapping[str, Any],
    hear: Callable[[dict[str, Any]], None] = lambda told: None,
    *,
    what: str,
    overhear: Callable[[str], None] = lambda line: None,
    extra_environ: Mapping[str, str] | None = None,
) -> list[str]:
    """Blocks until it ended; ``hear`` gets each thing that it tells, ``overhear`` each line of what else is said.
    Returns the last of those.

    ``script``: its name without ``.py``. Raises ``WorkerFailed``. The process and what it started end with this
    call, whatever ends it.
    """
    environ = for_another_python() | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environ |= dict(extra_environ or {})
    last: list[str] = []
    with tempfile.TemporaryDirectory(prefix="maodou-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job, ensure_ascii=False), "utf-8")
        command = [str(environment.python), str(SCRIPTS / f"{script}.py"), str(file)]
        with running(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environ
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(MARK):
                    hear(json.loads(line.removeprefix(MARK)))
                else:
                    overhear(line)
                    last = [*last, line.rstrip()][-KEPT_LINES:]
            code = process.wait()
    if code < 0:
        raise WorkerFailed(what, [how_it_ended(code)])
    if code:
        raise WorkerFailed(what, last)
    return last
