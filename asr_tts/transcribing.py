"""A client for servers with OpenAI's ``/audio/transcriptions``: FunASR's own server, vLLM, whisper servers, OpenAI.

It sends 16-bit WAV at 16 kHz that was decoded and checked here, and believes nothing of what comes back but the text.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import httpx

from asr_tts.settings import SpeechServer
from bot.errors import ModelError


class Transcriber:
    def __init__(self, server: SpeechServer) -> None:
        self._server = server
        timeout = httpx.Timeout(server.timeout_s, connect=server.connect_s)
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def transcribe(self, sound: Path, language: str | None = None) -> str:
        """``language``: ``zh`` or ``en``, where it is known. Raises ``ModelError``."""
        server = self._server
        key = os.environ.get(server.key_env, "") if server.key_env else ""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        data = {"model": server.model, "response_format": "json", **({"language": language} if language else {})}
        content = await asyncio.to_thread(sound.read_bytes)
        files = {"file": ("note.wav", content, "audio/wav")}
        url = f"{server.url}/audio/transcriptions"
        try:
            async with (
                asyncio.timeout(server.timeout_s),
                self._client.stream("POST", url, data=data, files=files, headers=headers) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > server.max_response_bytes:
                        raise ModelError("the transcription server answered with too much")
        except TimeoutError:
            raise ModelError(f"the transcription server took longer than {server.timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise ModelError(f"the transcription server does not answer: {type(error).__name__} {error}") from error
        if response.status_code != 200:
            raise ModelError(f"the transcription server answered {response.status_code}: {bytes(body[:200])!r}")
        return _text(bytes(body))


def _text(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError as error:
        raise ModelError("the transcription server answered with something that is no JSON") from error
    text = told.get("text") if isinstance(told, dict) else None
    if not isinstance(text, str):
        raise ModelError("the transcription server answered without a text")
    return text.strip()
