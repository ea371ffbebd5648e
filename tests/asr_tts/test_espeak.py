"""The voice that is always there: every character has its sound, and Latin words are read in English."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from asr_tts.encode import HZ, samples_of
from asr_tts.espeak import Espeak, pinyin, ssml
from asr_tts.lengths import is_too_short
from asr_tts.settings import MouthSettings
from bot.errors import ModelError


def phonemes(document: str) -> str:
    done = subprocess.run(["espeak-ng", "-m", "-x", "-q", "--stdin"], input=document.encode(), capture_output=True)
    return done.stdout.decode()


def test_characters_are_given_as_pinyin_with_their_tones() -> None:
    assert pinyin("请问，怎么重新安装？女儿") == "qing3 wen4 , zen3 me5 chong2 xin1 an1 zhuang1 ? nv3 er2"


def test_no_character_is_read_as_english() -> None:
    text = "请问怎么重新安装毛豆？打开网页，输入密钥，然后提问；数据存在本地。"
    assert "(en)" in phonemes(f'<speak><voice name="cmn">{text}</voice></speak>')  # what it does when left alone
    assert "(en)" not in phonemes(ssml(text, "zh"))


def test_latin_words_are_read_in_english() -> None:
    spoken = ssml("运行 pip install，再看 a<b & c。", "zh")
    assert '<voice name="en-us">pip install </voice>' in spoken
    assert phonemes('<speak><voice name="en-us">install</voice></speak>').strip() in phonemes(spoken)
    assert "a&lt;b" in ssml("a<b & c", "en")


@pytest.mark.parametrize(
    ("text", "language"),
    [("你好，我是毛豆。请用 pip install maodou 安装，需要 3 分钟。", "zh"), ("Hello, this takes three minutes.", "en")],
)
async def test_it_makes_sound_of_the_right_length(text: str, language: str) -> None:
    (sound,) = await Espeak(MouthSettings()).speak(text, language, "")
    samples = samples_of(sound)
    assert not is_too_short(text, len(samples) / HZ)
    assert 1.5 < len(samples) / HZ < 12
    assert abs(samples).max() > 0.1


async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "espeak-ng"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"longer than 0\.5 s"):
        await Espeak(MouthSettings(espeak_command=str(script), espeak_s=0.5)).speak("hi", "en", "")
    assert time.monotonic() - began < 3


async def test_one_that_is_not_there_says_so() -> None:
    espeak = Espeak(MouthSettings(espeak_command="espeak-that-is-not-there"))
    assert not await asyncio.to_thread(lambda: espeak.is_there)
    with pytest.raises(ModelError, match="does not start"):
        await espeak.speak("hi", "en", "")
