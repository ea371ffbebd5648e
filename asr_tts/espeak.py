"""espeak-ng as the voice that is always there: robotic, on this machine, in milliseconds.

Its Mandarin voice knows few characters and reads the others in English, so characters are given to it as pinyin;
what is Latin between them is read by the English voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from asr_tts.settings import MouthSettings
from bot.errors import ModelError

PINYIN_VOICE, ENGLISH_VOICE = "cmn-latn-pinyin", "en-us"

_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9.,:;/@'+-]*(?:\s+[A-Za-z0-9][A-Za-z0-9.,:;/@'+-]*)*")
_MARKS = str.maketrans("，。！？；：、“”‘’（）《》「」…—", ',.!?;:,""\'\'()"""".,')


class Espeak:
    """An :class:`asr_tts.mouth.Engine`."""

    name = "espeak"

    def __init__(self, settings: MouthSettings) -> None:
        self._settings = settings

    @property
    def is_there(self) -> bool:
        return shutil.which(self._settings.espeak_command) is not None

    def voice(self, language: str) -> str:
        return PINYIN_VOICE if language == "zh" else ENGLISH_VOICE

    async def speak(self, text: str, language: str, voice: str) -> Sequence[bytes]:
        """WAV, 22.05 kHz. Raises ``ModelError`` within ``espeak_s``. It has a voice for each language and no others."""
        document = await asyncio.to_thread(ssml, text, language)
        settings = self._settings
        words_per_minute = round(settings.espeak_words_per_minute * (1 + settings.rate_percent / 100))
        try:
            process = await asyncio.create_subprocess_exec(
                settings.espeak_command, "-m", "--stdin", "--stdout", "-b", "1", "-s", str(words_per_minute),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise ModelError(f"espeak-ng does not start: {error}") from error
        try:
            async with asyncio.timeout(settings.espeak_s):
                sound, complaint = await process.communicate(document.encode())
        except TimeoutError as error:
            raise ModelError(f"espeak-ng took longer than {settings.espeak_s:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
        if process.returncode != 0 or not sound:
            raise ModelError(f"espeak-ng failed ({process.returncode}): {complaint.decode(errors='replace')[:200]}")
        return (sound,)


def ssml(text: str, language: str) -> str:
    """The text for ``espeak-ng -m``, each stretch in the voice that can read it."""
    stretches = _stretches(text) if language == "zh" or _has_han(text) else [(ENGLISH_VOICE, text)]
    spoken = "".join(f'<voice name="{voice}">{escape(words)} </voice>' for voice, words in stretches)
    return f"<speak>{spoken}</speak>"


def _has_han(text: str) -> bool:
    return any("\u3400" <= char <= "\u9fff" for char in text)


def _stretches(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for latin in _LATIN.finditer(text):
        if before := text[end : latin.start()].strip():
            yield PINYIN_VOICE, pinyin(before)
        yield ENGLISH_VOICE, latin[0]
        end = latin.end()
    if rest := text[end:].strip():
        yield PINYIN_VOICE, pinyin(rest)


def pinyin(text: str) -> str:
    """Characters as syllables with the number of their tone; everything else as it is: ``ni3 hao3 , 3 bu4``."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
    return " ".join(syllable.translate(_MARKS) for syllable in syllables)
