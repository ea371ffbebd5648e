"""The mouth: an answer's spoken form to a voice message, by the chosen engine, else by its stand-in, else not at all.

What was said before is kept for a while as a file under the hash of its words and voice, so a question that is often
asked is spoken once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog

from asr_tts.edge import Edge
from asr_tts.encode import HZ, PART, samples_of, write_voice_message
from asr_tts.espeak import Espeak
from asr_tts.lengths import is_too_short
from asr_tts.room_settings import voice_of
from asr_tts.settings import MouthSettings
from asr_tts.speech_api import SpeechApi
from asr_tts.spoken import spoken
from bot.delivery import Audio, Speech
from bot.errors import ModelError
from bot.ports import Clock
from bot.values import Values

log = structlog.get_logger(__name__)

KEPT_AT_LEAST_S = 3600.0
"""A file so young may still be on its way to a platform."""


VOICE_REMEDY = "make setup ALL=1 (outside a clone: pip install 'maodou[voice]')"


class Engine(Protocol):
    """What can speak. ``voice``: its voice for a language. ``speak``: sound files of any kind that PyAV knows, to be
    heard one after the other; raises ``ModelError``, within a deadline of its own."""

    @property
    def name(self) -> str: ...

    def voice(self, language: str) -> str: ...

    async def speak(self, text: str, language: str, voice: str) -> Sequence[bytes]: ...


def who_speaks(settings: MouthSettings) -> tuple[str, ...]:
    """The engines that are configured and installed, in the order in which they are asked."""
    if settings.engine == "off" or importlib.util.find_spec("av") is None:
        return ()
    wanted = dict.fromkeys((settings.engine, settings.stand_in))
    has_espeak = importlib.util.find_spec("pypinyin") is not None and Espeak(settings).is_there
    there = {"edge": importlib.util.find_spec("edge_tts") is not None, "server": True, "espeak": has_espeak}
    return tuple(name for name in wanted if there.get(name, False))


def what_lacks(settings: MouthSettings) -> tuple[str, str] | None:
    """Why the chosen engine does not speak and what to do about it, as two sentences for the operator; None where it
    is there."""
    packages = {"edge": ("av", "edge_tts"), "espeak": ("av", "pypinyin")}.get(settings.engine, ("av",))
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        names = " and ".join(name.replace("_", "-") for name in missing)
        noun = "package {} is" if len(missing) == 1 else "packages {} are"
        return f"the Python {noun.format(names)} missing", VOICE_REMEDY
    if settings.engine == "espeak" and not Espeak(settings).is_there:
        return f"the program {settings.espeak_command} is missing", "apt-get install espeak-ng"
    return None


class Mouth:
    """Implements :class:`bot.ports.Voice`. ``engines``: the first that can speaks. ``folder``: where what was said is
    kept."""

    def __init__(self, settings: MouthSettings, engines: Sequence[Engine], folder: Path) -> None:
        self._settings = settings
        self._engines = tuple(engines)
        self._folder = folder
        self._turns = asyncio.Semaphore(settings.at_once)
        self._trouble: str | None = None

    @classmethod
    def make(cls, settings: MouthSettings, folder: Path, clock: Clock) -> Mouth | None:
        """The mouth as it is configured; None where nothing of it is installed."""
        engines: list[Engine] = []
        for name in who_speaks(settings):
            if name == "edge":
                engines.append(Edge(settings, clock))
            elif name == "server" and settings.server is not None:
                engines.append(SpeechApi(settings, settings.server, clock))
            else:
                engines.append(Espeak(settings))
        return cls(settings, engines, folder) if engines else None

    async def aclose(self) -> None:
        for engine in self._engines:
            if isinstance(engine, SpeechApi):
                await engine.aclose()

    def health(self) -> str | None:
        """None while the chosen engine speaks; otherwise what is wrong, as a sentence."""
        return self._trouble

    # ── the port ─────────────────────────────────────────────────────────────────────────────────────

    def speech(self, text: str, language: str, values: Values) -> Speech | None:
        said = spoken(text, language, self._settings.max_chars)
        return Speech(said, language, voice_of(language, values)) if said else None

    async def say(self, speech: Speech) -> Audio:
        """Raises ``ModelError`` when no engine can say it."""
        failures: list[str] = []
        for engine in self._engines:
            voice = (speech.voice if engine is self._engines[0] else "") or engine.voice(speech.language)
            known = await asyncio.to_thread(self._known, engine, voice, speech.text)
            if known is not None:
                return known
            began = time.monotonic()
            try:
                async with self._turns:
                    sounds = await engine.speak(speech.text, speech.language, voice)
                    audio = await asyncio.to_thread(self._keep, engine, voice, speech.text, sounds)
            except ModelError as error:
                log.warning("voice.engine_failed", engine=engine.name, why=str(error))
                failures.append(str(error))
                continue
            self._trouble = f"Voice: {failures[0]}; {engine.name} speaks instead." if failures else None
            log.info("voice.made", engine=engine.name, chars=len(speech.text), audio_s=round(audio.duration_s, 1),
                     took_s=round(time.monotonic() - began, 2))  # fmt: skip
            return audio
        self._trouble = f"Voice: nothing can speak ({'; '.join(failures)})."
        raise ModelError("; ".join(failures))

    # ── what was said before ─────────────────────────────────────────────────────────────────────────

    def _path(self, engine: Engine, voice: str, text: str) -> Path:
        origin = json.dumps([engine.name, voice, self._settings.rate_percent, text])
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:40]}.ogg"

    def _known(self, engine: Engine, voice: str, text: str) -> Audio | None:
        path = self._path(engine, voice, text)
        try:
            told = json.loads(path.with_suffix(".json").read_text("utf-8"))
            os.utime(path)
            return Audio(str(path), float(told["duration_s"]), tuple(told["waveform"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, engine: Engine, voice: str, text: str, sounds: Sequence[bytes]) -> Audio:
        """Measure, encode and keep. Raises ``ModelError`` for sound that cannot be what was asked for."""
        samples = np.concatenate([samples_of(sound) for sound in sounds])
        if is_too_short(text, len(samples) / HZ, self._settings.rate_percent):
            raise ModelError(f"{engine.name} made {len(samples) / HZ:.1f} s of sound for {len(text)} characters")
        path = self._path(engine, voice, text)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            audio = write_voice_message(samples, path)
            told = {"duration_s": audio.duration_s, "waveform": audio.waveform}
            path.with_suffix(".json").write_text(json.dumps(told), "utf-8")
            self._drop_old()
        except OSError as error:
            raise ModelError(f"speech cannot be kept in {self._folder}: {error.strerror}") from error
        return replace(audio, path=str(path))

    def _drop_old(self) -> None:
        """What nobody asked for lately goes, and the oldest of what is too much; never what may be on its way."""
        now = time.time()
        for used_at, _, part in _by_age(self._folder, f"*{PART}"):  # what a crash left
            if now - used_at > KEPT_AT_LEAST_S:
                part.unlink(missing_ok=True)
        kept = _by_age(self._folder, "*.ogg")
        total = sum(size for _, size, _ in kept)
        for used_at, size, path in kept:
            is_old = now - used_at > self._settings.cache_days * 86_400
            if now - used_at < KEPT_AT_LEAST_S or not (is_old or total > self._settings.cache_max_bytes):
                continue
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            total -= size


def _by_age(folder: Path, pattern: str) -> list[tuple[float, int, Path]]:
    """When each file was last used, and its size, the oldest first. One that somebody else drops meanwhile is not
    there."""
    found = []
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            known = path.stat()
            found.append((known.st_mtime, known.st_size, path))
    return sorted(found)
