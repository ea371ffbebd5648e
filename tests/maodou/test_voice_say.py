"""``maodou voice say``: how the bot speaks, as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.errors import UsageError
from maodou.cli import app
from tests.asr_tts.sounds import measure


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("voice: {mouth: {engine: espeak}}\n")
    return path


def test_it_says_what_the_bot_would_say(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.ogg"
    arguments = ["--config", str(config), "voice", "say", "运行 `maodou up`[1] 🎉", "-o", str(out), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["said"] == "运行 maodou up。"
    heard = measure(str(out))
    assert (heard.codec, heard.rate, heard.channels) == ("opus", 48_000, 1)
    assert heard.duration_s == pytest.approx(told["duration_s"], abs=0.05)
    assert heard.peak > 0.1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["🎉"], "nothing in this text"), (["hi", "--language", "xx"], "no language"), (["hi", "-o", "/no/x"], "/no/x")],
)
def test_what_cannot_be_said_is_told(config: Path, arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["--config", str(config), "voice", "say", *arguments])
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)
