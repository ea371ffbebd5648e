"""What runs beside us ends with us, with all its children, and sees none of the bot's secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llm.environments import Environment
from llm.processes import begin, end, without_secrets
from llm.worker_process import WorkerFailed, run
from tests.waiting import until

PARENT_OF_TWO = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(float(sys.argv[1]))\n"
)


def gone(pid: int) -> bool:
    """Ended, whether or not its parent has taken note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.may_block("what is tested blocks: it is for commands, not for the bot")
@pytest.mark.parametrize("seconds", ["300", "0"])
async def test_what_a_program_started_ends_with_it_also_when_it_ended_by_itself(seconds: str) -> None:
    process = begin([sys.executable, "-c", PARENT_OF_TWO, seconds], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    if seconds == "0":
        process.wait(30)
    end(process, 5)
    await until(lambda: gone(child), 30)
    process.stdout.close()


@pytest.mark.may_block("what is tested blocks: it is for commands, not for the bot")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_nothing_goes_on_when_we_are_killed() -> None:
    ours = (
        "import sys, time\nfrom llm.processes import begin\n"
        "print(begin([sys.executable, '-c', 'import time; time.sleep(300)']).pid, flush=True)\ntime.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", ours], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    await until(lambda: gone(child), 30)


def test_secrets_are_left_out_and_what_programs_need_is_not() -> None:
    secret = ("DISCORD_TOKEN", "MAODOU_FEISHU__APP_SECRET", "HF_TOKEN", "LLM_SERVER_KEY", "db_password", "API_KEYS")
    needed = ("PATH", "HOME", "PIP_INDEX_URL", "HTTPS_PROXY", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES")
    assert set(without_secrets(dict.fromkeys(secret + needed, "x"))) == set(needed)


def test_a_worker_sees_no_secret_and_its_death_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm import worker_process

    monkeypatch.setenv("DISCORD_TOKEN", "sesame")
    monkeypatch.setattr(worker_process, "SCRIPTS", tmp_path)
    (tmp_path / "tell.py").write_text("import json, os\nprint('@maodou', json.dumps(dict(os.environ)))\n")

    class Here(Environment):
        @property
        def python(self) -> Path:
            return Path(sys.executable)

    told: dict[str, str] = {}
    run(Here("here", tmp_path), "tell", {}, told.update, what="Telling")
    assert told["PATH"] == os.environ["PATH"]
    assert "sesame" not in json.dumps(told)

    (tmp_path / "kill.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(WorkerFailed, match="Killing failed: it was ended by SIGKILL, perhaps for want of memory"):
        run(Here("here", tmp_path), "kill", {}, what="Killing")


def test_a_command_that_is_asked_to_end_takes_away_what_it_was_writing(tmp_path: Path) -> None:
    ours = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom llm.half_written import only_one\n"
        "from maodou.llm import clean_end\nclean_end()\nhalf = Path(sys.argv[1])\n"
        "with only_one(half, 'taken'):\n"
        "    half.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    ended = subprocess.run([sys.executable, "-c", ours, str(tmp_path / "half")], capture_output=True, timeout=60)
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert list(tmp_path.iterdir()) == []
