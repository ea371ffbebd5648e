"""A job's process sees none of the bot's secrets, takes what it started with it, and its end is told in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from finetune_xtuner.process import Event, JobFailed, run_job


def interpreter(folder: Path, program: str) -> Path:
    """One that runs ``program`` whatever it is given."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport json, os, signal, subprocess, sys\n{program}\n", "utf-8")
    path.chmod(0o755)
    return path


def run(python: Path, folder: Path, **job: object) -> Event:
    return run_job(python, {"job": "ask", **job}, lambda event: None, log_file=folder / "log.txt")


def test_a_job_sees_no_secret_and_none_of_our_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "sesame")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    tells = interpreter(tmp_path, "print(json.dumps({'event': 'done', 'environ': dict(os.environ)}))")
    environ = run(tells, tmp_path, threads=3)["environ"]
    assert environ["OMP_NUM_THREADS"] == "3"
    assert not {"DISCORD_TOKEN", "PYTHONPATH"} & set(environ)


def test_a_job_that_is_unknown_is_said_by_the_worker(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"There is no job 'sing'\.") as failed:
        run(Path(sys.executable), tmp_path, job="sing")
    assert not failed.value.unforeseen


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL, perhaps for want of memory"),
        ("sys.exit(3)", "it ended with exit code 3"),
    ],
)
def test_a_job_that_ends_before_it_reads_what_to_do_is_told(tmp_path: Path, program: str, how: str) -> None:
    with pytest.raises(JobFailed, match=f"The job ask came to no end: {how}") as failed:
        run(interpreter(tmp_path, program), tmp_path, questions="x" * 1_000_000)  # more than a pipe holds
    assert failed.value.unforeseen
