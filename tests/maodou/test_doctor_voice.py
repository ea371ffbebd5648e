"""What ``maodou doctor`` says of the voice."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr_tts.settings import MouthSettings, VoiceSettings
from bot.errors import UsageError
from maodou.cli import app
from maodou.config import Settings
from maodou.doctor import _ear, _mouth


@pytest.mark.parametrize(
    ("mouth", "ok", "says"),
    [
        (MouthSettings(), True, "espeak says answers aloud"),
        (MouthSettings(engine="edge"), True, "edge, or espeak says answers aloud"),
        (MouthSettings(engine="edge", stand_in="none"), True, "edge says answers aloud"),
        (MouthSettings(espeak_command="not-there"), True, "the program not-there is missing; answers are only written"),
        (MouthSettings(engine="off"), True, "off"),
    ],
)
def test_it_says_who_speaks(mouth: MouthSettings, ok: bool, says: str) -> None:
    (result,) = _mouth(Settings(voice=VoiceSettings(mouth=mouth)))
    assert (result.ok, says in result.details) == (ok, True)


def test_an_engine_that_was_named_and_is_missing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_tts.mouth.importlib.util.find_spec", lambda name: None if name == "edge_tts" else object())
    (result,) = _mouth(Settings(voice=VoiceSettings(mouth=MouthSettings(engine="edge"))))
    assert not result.ok
    assert "espeak speaks instead" in result.details
    assert "[voice]" in result.resolution


def lacking(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in packages else found(name))


@pytest.mark.parametrize(
    ("packages", "command", "lack", "remedy"),
    [
        (("av",), "espeak-ng", "the Python package av is missing", "make setup ALL=1"),
        (("av", "pypinyin"), "espeak-ng", "the Python packages av and pypinyin are missing", "make setup ALL=1"),
        ((), "not-there", "the program not-there is missing", "apt-get install espeak-ng"),
    ],
)
def test_what_the_mouth_lacks_is_told_in_the_same_words_everywhere(
    packages: tuple[str, ...], command: str, lack: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, *packages)
    (result,) = _mouth(Settings(voice=VoiceSettings(mouth=MouthSettings(espeak_command=command))))
    config = tmp_path / "config.yaml"
    config.write_text(f"voice: {{mouth: {{espeak_command: {command}}}}}\n")
    said = CliRunner().invoke(app, ["--config", str(config), "voice", "say", "hi"])
    assert isinstance(said.exception, UsageError)
    for told, advised in ((result.details, result.resolution), (str(said.exception), str(said.exception))):
        assert f"espeak cannot speak: {lack}" in told
        assert remedy in advised


@pytest.mark.parametrize(("packages", "with_setup"), [((), False), (("funasr",), True)])
def test_without_an_ear_it_says_how_to_get_one(
    packages: tuple[str, ...], with_setup: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    there = {"funasr": object()}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in packages else there.get(name) or found(name)
    )
    (result,) = _ear(Settings(data_dir=tmp_path))
    assert result.ok
    assert "maodou voice pull" in result.resolution
    assert ("make setup ALL=1" in result.resolution) is with_setup
