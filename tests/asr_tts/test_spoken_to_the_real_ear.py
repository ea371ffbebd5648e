"""A spoken question about the sample documents, heard by the real recogniser, comes back as cited text and is spoken.

Nothing is a stand-in but the platform on paper and espeak-ng, which is the mouth of an installation without a network;
the platforms' own clients are in ``test_spoken_questions.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asr_tts.settings import EarSettings, MouthSettings, VoiceSettings
from bot.event import Addressed, Attachment, AttachmentKind, Member, Message, Room, RoomKind, Said
from bot.testing import PaperPlatform
from maodou.app import App
from maodou.config import Settings
from tests.asr_tts.sounds import measure
from tests.speech.measure import MODEL
from tests.speech.spoken import ESPEAK_HZ, Speaker, speak, written
from tests.speech.zoo import BY_ENDING, encode
from tests.waiting import until

pytestmark = [pytest.mark.torch, pytest.mark.espeak, pytest.mark.timeout(240)]

QUESTIONS = {
    "怎么 添加 文档": "maodou kb add",
    "怎么 让 它 安静 一段 时间": "/mute",
    "how do i install maodou": "make run",
    "毛豆 怎么 安装": "make",
}
"""Spoken, by voices that the training had not; the last is a sentence that it had not. With what the answer holds."""

WITHIN_S = 60.0


def note(sentence: str) -> tuple[bytes, float]:
    samples = speak(sentence, Speaker("m3", 150))
    return encode(BY_ENDING["ogg"], samples, ESPEAK_HZ), len(samples) / ESPEAK_HZ


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    mouth = MouthSettings(engine="espeak", stand_in="none")
    voice = VoiceSettings(ear=EarSettings(model=str(MODEL)), mouth=mouth)
    return Settings(data_dir=tmp_path / "data", durability="normal", voice=voice)


@contextlib.asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    run = asyncio.create_task(app.run())
    try:
        await until(lambda: run.done() or all(each.health() is None for each in app.platforms.values()), WITHIN_S)
        await app.ear.start()
        yield
    finally:
        app.stop()
        await run


def test_a_spoken_question_is_answered(settings: Settings) -> None:
    platform = PaperPlatform()
    notes = {sentence: note(sentence) for sentence in QUESTIONS}

    async def conversation(app: App) -> None:
        async with running(app):
            for number, (sentence, (sound, seconds)) in enumerate(notes.items()):
                platform.files[sentence] = sound
                voice = Attachment(AttachmentKind.VOICE, sentence, "note.ogg", "audio/ogg", len(sound), seconds)
                room = Room("paper", "direct", RoomKind.DIRECT)
                message = Message(
                    f"note-{number}", room, Member("paper", "anna", "Anna"), "", Addressed.DIRECT,
                    attachments=(voice,), sent_at=time.time(),
                )  # fmt: skip
                await app.core.inbox.accept(Said(message))
                await app.core.idle()

    with App.open(settings, lambda *_: [platform]) as app:
        asyncio.run(conversation(app))
    for number, (sentence, part) in enumerate(QUESTIONS.items()):
        text, voice = [each for each in platform.shown.values() if each.reply_to == f"note-{number}"]
        assert text.text.startswith(f"> 🎤 {written(sentence)}\n\n")
        assert part in text.text
        assert "[1]" in text.text
        assert ("/voice correct" in text.text) is (number == 0), "the room is told once"
        assert voice.audio is not None
        heard = measure(voice.audio.path)
        assert heard.duration_s == pytest.approx(voice.audio.duration_s, abs=0.1)
        assert heard.peak > 0.1
    assert not list((settings.data_dir / "hearing").iterdir()), "no recording stays"
    assert not (settings.data_dir / "notes").exists()
