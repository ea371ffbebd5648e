"""What the offline voice says can be understood: a recogniser that knows its words hears them."""

from __future__ import annotations

from pathlib import Path

from asr_tts.espeak import Espeak
from asr_tts.mouth import Mouth
from asr_tts.settings import MouthSettings
from asr_tts.worker import Request
from bot.delivery import Speech
from tests.speech.spoken import CHINESE_QUESTIONS, written
from tests.speech.warm import Warm

SAID = [written(question) for question in CHINESE_QUESTIONS[:8]]


async def test_characters_are_heard_as_they_were_written(recogniser: Warm, tmp_path: Path) -> None:
    settings = MouthSettings()
    mouth = Mouth(settings, [Espeak(settings)], tmp_path / "speech")
    heard = []
    for text in SAID:
        audio = await mouth.say(Speech(text, "zh"))
        request = Request(id=0, note=Path(audio.path), claimed_s=audio.duration_s, language="zh")
        heard.append((await recogniser.ask(request, 30)).get("text"))
    assert sum(a == b for a, b in zip(SAID, heard, strict=True)) >= len(SAID) - 1, list(zip(SAID, heard, strict=True))
