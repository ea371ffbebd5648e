"""A client for servers with OpenAI's ``/audio/speech``: Kokoro, CosyVoice, vLLM-Omni, OpenAI itself.

The reply is sound of whatever kind the server makes of ``wav``; it is decoded and measured here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import httpx
import structlog

from asr_tts.guarding import Guard
from asr_tts.settings import MouthSettings, SpeechServer
from bot.errors import ModelError
from bot.ports import Clock

log = structlog.get_logger(__name__)


class _Refused(ModelError):
    """What was asked for is refused, and not asking at all."""


class SpeechApi:
    """An :class:`asr_tts.mouth.Engine`."""

    name = "server"

    def __init__(self, settings: MouthSettings, server: SpeechServer, clock: Clock) -> None:
        self._settings = settings
        self._server = server
        self._guard = Guard("The speech server", settings, clock, min(settings.engine_s, server.timeout_s))
        timeout = httpx.Timeout(server.timeout_s, connect=server.connect_s)
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def aclose(self) -> None:
        await self._client.aclose()

    def voice(self, language: str) -> str:
        return (self._settings.voice_zh if language == "zh" else self._settings.voice_en) or "alloy"

    async def speak(self, text: str, language: str, voice: str) -> Sequence[bytes]:
        """Raises ``ModelError`` within the shorter of ``engine_s`` and the server's ``timeout_s``."""
        self._guard.check()
        return (await self._guard.within(self._in_some_voice(text, language, voice)),)

    async def _in_some_voice(self, text: str, language: str, voice: str) -> bytes:
        """A voice that a room chose may not exist: that is no failure of the service, which all rooms share."""
        try:
            return await self._request(text, voice)
        except _Refused as error:
            if voice == self.voice(language):
                raise
            log.info("speech_server.voice_refused", voice=voice, why=str(error))
        return await self._request(text, self.voice(language))

    async def _request(self, text: str, voice: str) -> bytes:
        server = self._server
        key = os.environ.get(server.key_env, "") if server.key_env else ""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        asked: dict[str, str | float] = {"model": server.model, "input": text, "voice": voice, "response_format": "wav"}
        if self._settings.rate_percent:
            asked["speed"] = 1 + self._settings.rate_percent / 100
        body = bytearray()
        try:
            url = f"{server.url}/audio/speech"
            async with self._client.stream("POST", url, json=asked, headers=headers) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > server.max_response_bytes:
                        raise ModelError("the speech server sent too much")
        except httpx.HTTPError as error:
            raise ModelError(f"the speech server does not answer: {type(error).__name__} {error}") from error
        if response.status_code != 200:
            failure = _Refused if response.status_code in (400, 404, 422) else ModelError
            raise failure(f"the speech server answered {response.status_code}: {bytes(body[:200])!r}")
        return bytes(body)
