"""Microsoft's Edge voices by way of edge-tts: good, free, and not to be relied on.

The service refuses with 403 when its tokens change, with 429 or 503 when it has had enough, and at times sends
nothing or stops in the middle; the library bounds no wait and calls a cut stream a success. So here every answer has
one deadline around everything, a failed attempt is repeated after a pause, what keeps failing is left alone for a
while, and sound that is too short for its text is a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import structlog

from asr_tts.guarding import Guard
from asr_tts.lengths import is_too_short
from asr_tts.settings import MouthSettings
from bot.errors import ModelError
from bot.ports import Clock
from bot.splitting import split

log = structlog.get_logger(__name__)

VOICES = {"zh": "zh-CN-XiaoxiaoNeural", "en": "en-US-AriaNeural"}
MAX_REQUEST_CHARS = 1_000
"""One request takes 4,096 bytes, and the library's own splitter looks for spaces, which Chinese does not have."""
BYTES_PER_S = 48_000 / 8
"""The service sends MP3 at a constant 48 kbit/s."""


class Edge:
    """An :class:`asr_tts.mouth.Engine`."""

    name = "edge"

    def __init__(self, settings: MouthSettings, clock: Clock) -> None:
        self._settings = settings
        self._guard = Guard("Edge TTS", settings, clock, settings.engine_s)

    def voice(self, language: str) -> str:
        settings = self._settings
        chosen = settings.voice_zh if language == "zh" else settings.voice_en
        return chosen or VOICES.get(language, VOICES["en"])

    async def speak(self, text: str, language: str, voice: str) -> Sequence[bytes]:
        """MP3, a file for each request. Raises ``ModelError`` within ``engine_s``."""
        self._guard.check()
        return await self._guard.within(self._persist(text, language, voice))

    async def _persist(self, text: str, language: str, voice: str) -> Sequence[bytes]:
        settings = self._settings
        for attempt in range(settings.attempts):
            last = attempt == settings.attempts - 1
            try:
                return await self._attempt(text, voice)
            except ModelError as error:
                if last:
                    raise
                log.info("edge.retry", attempt=attempt + 1, why=str(error))
                await asyncio.sleep(settings.retry_first_s * 2**attempt)
                voice = self.voice(language)  # a voice that a room chose may not exist, or may have gone
        raise AssertionError("unreachable")

    async def _attempt(self, text: str, voice: str) -> Sequence[bytes]:
        parts = [part.strip() for part in split(text, MAX_REQUEST_CHARS)]
        sounds: list[bytes] = []
        for part in parts:
            left = self._settings.max_audio_bytes - sum(map(len, sounds))
            sounds.append(await self._request(part, voice, left))
        return sounds

    async def _request(self, text: str, voice: str, max_bytes: int) -> bytes:
        edge_tts, aiohttp = await asyncio.to_thread(_libraries)
        sound = bytearray()
        try:
            speaking = edge_tts.Communicate(text, voice, rate=f"{self._settings.rate_percent:+d}%")
            stream: AsyncGenerator[Any, None] = speaking.stream()
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    if piece["type"] == "audio":
                        sound += piece["data"]
                        if len(sound) > max_bytes:
                            raise ModelError("Edge TTS sent too much")
        except aiohttp.ClientResponseError as error:
            raise ModelError(f"Edge TTS refused: {error.status} {error.message}") from error
        except (aiohttp.ClientError, edge_tts.exceptions.EdgeTTSException, OSError, ValueError, KeyError) as error:
            raise ModelError(f"Edge TTS failed: {type(error).__name__} {error}") from error
        if speaking.state["cumulative_audio_bytes"] != len(sound):  # counted by the library when a turn ends
            raise ModelError("Edge TTS stopped in the middle")
        if is_too_short(text, len(sound) / BYTES_PER_S, self._settings.rate_percent):
            raise ModelError(f"Edge TTS sent {len(sound) / BYTES_PER_S:.1f} s for {len(text)} characters")
        return bytes(sound)


def _libraries() -> tuple[Any, Any]:
    """Imported off the loop: that takes a moment the first time, and reads certificates."""
    import aiohttp
    import edge_tts
    import edge_tts.exceptions

    return edge_tts, aiohttp
