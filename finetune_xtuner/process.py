"""Starts a job in the managed environment and hands on what it tells: see :mod:`finetune_xtuner.worker`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from bot.errors import MaodouError
from finetune_xtuner import worker
from llm.processes import for_another_python, how_it_ended, running

log = structlog.get_logger(__name__)

ROOT = Path(worker.__file__).parents[2]
START = (
    f"import sys; sys.path.append({str(ROOT)!r}); from finetune_xtuner.worker.__main__ import main; sys.exit(main())"
)
"""Ours come after that environment's own packages, so that none of them is hidden."""

Python = Path | Callable[[], Path]
"""The environment's interpreter, or what makes it: bad input is said before an environment is made for it."""

Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]


class JobFailed(MaodouError):
    """A job did not come to its end; the text is a sentence for the operator. ``unforeseen``: a defect rather than
    something the operator did; the log has the traceback."""

    def __init__(self, sentence: str, *, unforeseen: bool = False) -> None:
        self.unforeseen = unforeseen
        super().__init__(sentence)


def run_job(python: Python, job: Mapping[str, Any], on_event: OnEvent, *, log_file: Path) -> Event:
    """Run it to its end and return its last event. What libraries print goes to ``log_file``.

    Raises ``JobFailed``. The process and what it started end with this call, whatever ends it.
    """
    interpreter = python() if callable(python) else python
    threads = str(job.get("threads", 1))
    environ = for_another_python() | {"OMP_NUM_THREADS": threads, "PYTHONDONTWRITEBYTECODE": "1"}
    with (
        log_file.open("ab") as errors,
        running(
            [str(interpreter), "-c", START],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", env=environ,
        ) as process,
    ):  # fmt: skip
        return _follow(process, job, on_event, log_file)


def _follow(process: subprocess.Popen[str], job: Mapping[str, Any], on_event: OnEvent, log_file: Path) -> Event:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it ended before it read its job: its exit code is told below
    for line in process.stdout:
        event: Event = json.loads(line)
        match event["event"]:
            case "done":
                return event
            case "failed":
                raise _failed(event, log_file)
            case _:
                on_event(event)
    why = how_it_ended(process.wait())
    raise JobFailed(f"The job {job['job']} came to no end: {why}. What it said is in {log_file}.", unforeseen=True)


def _failed(event: Event, log_file: Path) -> JobFailed:
    sentence = str(event["sentence"])
    if event.get("unforeseen"):
        log.error("finetune.job_failed", why=sentence, log=str(log_file))
        return JobFailed(f"{sentence} What it said is in {log_file}.", unforeseen=True)
    return JobFailed(sentence)
