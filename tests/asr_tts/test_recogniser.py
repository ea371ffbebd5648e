"""The real recogniser: FunASR's own loading and decoding, on voices, speeds and sentences that its training had not.

Its model is small and ours (``tests/speech``); what it shows is that the way from a file to words is right.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from typer.testing import CliRunner

from asr_tts.ear import LocalEar
from asr_tts.settings import EarSettings
from maodou.cli import app
from tests.speech.measure import MODEL, measure
from tests.speech.spoken import (
    ESPEAK_HZ,
    UNSEEN_PHRASINGS,
    UNSEEN_VOICES,
    VOICES,
    Speaker,
    combinations,
    speak,
    written,
)
from tests.speech.warm import Warm
from tests.speech.zoo import BY_ENDING, QUESTION, encode

pytestmark = [pytest.mark.torch, pytest.mark.espeak]

AT_LEAST = {
    "voices": 0.85,
    "voices_opus": 0.85,
    "voices_noise": 0.7,
    "faster": 0.6,
    "slower": 0.8,
    "phrasings": 0.7,
    "phrasings_opus_noise": 0.6,
}
"""Word for word. Measured, 80 sentences each: 0.99, 0.99, 0.89, 0.83, 0.96, 0.90, 0.84 (docs/benchmarks/voice.md)."""


def test_what_is_asked_for_was_not_in_the_training() -> None:
    assert not {*UNSEEN_VOICES} & {*VOICES}
    assert not {*UNSEEN_PHRASINGS} & {*combinations()}


@pytest.mark.may_block  # the sentences are spoken here
async def test_unseen_voices_speeds_and_sentences_are_heard(recogniser: Warm) -> None:
    details: list[tuple[str, str, dict[str, Any]]] = []
    counted = await measure(recogniser, 30, details)
    shares = {name: row["right"] / sum(row.values()) for name, row in counted.items()}
    assert {name: share for name, share in shares.items() if share < AT_LEAST.get(name, 0)} == {}
    strange = counted["strange_words"]
    assert strange["not_heard"] >= strange["wrong"], "of words that it never learned it is not sure"


@pytest.fixture
def log_as_it_was() -> Iterator[None]:
    """A command writes its log where its own output goes, which is closed with it."""
    root, ours = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**ours)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.ogg"
    path.write_bytes(encode(BY_ENDING["ogg"], speak(QUESTION, Speaker("m3")), ESPEAK_HZ))
    return path


async def test_its_words_its_language_and_how_sure_it_is(recogniser: Warm, note: Path, tmp_path: Path) -> None:
    ear = LocalEar(EarSettings(model=str(MODEL)), tmp_path)
    recogniser.lend(ear)
    heard = await ear.hear(note)
    assert (heard.text, heard.language) == (written(QUESTION), "zh")
    assert heard.confidence is not None
    assert heard.confidence > 0.8
    assert heard.model_s is not None
    assert 0 < heard.model_s < 5


@pytest.mark.timeout(240)
@pytest.mark.may_block  # the note is written here
async def test_with_a_model_for_pauses_the_pieces_are_put_together(tmp_path: Path) -> None:
    said = speak(QUESTION, Speaker("m3"))
    pause = np.zeros(ESPEAK_HZ, np.float32)
    note = tmp_path / "twice.ogg"
    note.write_bytes(encode(BY_ENDING["ogg"], np.concatenate([said, pause, said]), ESPEAK_HZ))
    ear = LocalEar(EarSettings(model=str(MODEL), vad_model=str(MODEL.with_name("vad"))), tmp_path)
    await ear.start()
    assert (await ear.hear(note)).text == written(QUESTION) * 2
    await ear.close()


@pytest.mark.usefixtures("log_as_it_was")
def test_the_command_tells_what_is_heard(note: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"voice: {{ear: {{model: {MODEL}}}}}\n", "utf-8")
    runner = CliRunner()
    heard = runner.invoke(app, ["--config", str(config), "voice", "hear", str(note)])
    assert (heard.exit_code, heard.stdout.strip()) == (0, written(QUESTION))
    config.write_text("voice: {ear: {server: {url: 'http://127.0.0.1:9/v1', model: m}}}\n", "utf-8")  # not asked
    (tmp_path / "text.ogg").write_text("怎么安装毛豆", "utf-8")
    refused = runner.invoke(app, ["--config", str(config), "voice", "hear", str(tmp_path / "text.ogg"), "--json"])
    assert (refused.exit_code, json.loads(refused.stdout)) == (1, {"refused": "unknown_container"})
