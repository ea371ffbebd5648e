"""The websocket service that edge-tts speaks to, as a local server with a switch for each of its faults.

What it sends is what the real one sends: headers in each frame, sentence boundaries, MP3 at 24 kHz and 48 kbit/s,
``turn.end``. The sound is a tone of a fifth of a second for each syllable, so its length can be held against the text.
"""

from __future__ import annotations

import asyncio
import html
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum

import av
import numpy as np
from aiohttp import WSMsgType, web

from asr_tts.lengths import syllables

SYLLABLE_S = 0.2
HZ = 24_000


class Fault(StrEnum):
    NONE = "none"
    FORBIDDEN = "403"
    TOO_MANY = "429"
    UNAVAILABLE = "503"
    NO_AUDIO = "turn.end without audio"
    CUT = "closed in the middle"
    HALF = "half the audio, and turn.end"
    SILENT = "silent after turn.start"
    SLOW = "a frame now and then"
    NOISE = "what is no sound"


@dataclass
class EdgeService:
    """``faults``: of one connection after the other; the last goes on. ``requests``: the texts that were asked for."""

    faults: Sequence[Fault] = (Fault.NONE,)
    requests: list[str] = field(default_factory=list)
    voices: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults[min(self.connections, len(self.faults) - 1)]
        self.connections += 1
        if fault in (Fault.FORBIDDEN, Fault.TOO_MANY, Fault.UNAVAILABLE):
            return web.Response(status=int(fault), headers={"Date": formatdate(usegmt=True)})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open += 1
        try:
            await self._serve(socket, fault)
        finally:
            self.open -= 1
        return socket

    async def _serve(self, socket: web.WebSocketResponse, fault: Fault) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT or "Path:ssml" not in message.data:
                continue
            ssml = message.data.partition("\r\n\r\n")[2]
            inside = re.search(r"<prosody[^>]*>(.*)</prosody>", ssml, re.DOTALL)
            voice = re.search(r"<voice name='([^']*)'", ssml)
            assert inside is not None
            assert voice is not None
            text = html.unescape(inside[1])
            self.requests.append(text)
            self.voices.append(re.sub(r"^.*\((.*), (.*)\)$", r"\1-\2", voice[1]))
            self.sizes.append(len(inside[1].encode()))
            await self._speak(socket, text, fault)
            return

    async def _speak(self, socket: web.WebSocketResponse, text: str, fault: Fault) -> None:
        await socket.send_str("X-RequestId:1\r\nPath:turn.start\r\n\r\n{}")
        if fault is Fault.SILENT:
            async for _ in socket:  # until the client has had enough
                pass
            return
        sound = b"no sound " * 400 if fault is Fault.NOISE else await asyncio.to_thread(tone, text)
        frames = [sound[start : start + 1024] for start in range(0, len(sound), 1024)]
        if fault in (Fault.CUT, Fault.HALF):
            frames = frames[: len(frames) // 2]
        if fault is Fault.NO_AUDIO:
            frames = []
        for frame in frames:
            if fault is Fault.SLOW:
                await asyncio.sleep(0.3)
            head = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nPath:audio\r\n"
            await socket.send_bytes(len(head).to_bytes(2, "big") + head + frame)
        if fault is Fault.CUT:
            await socket.close()
            return
        boundary = {"Offset": 0, "Duration": int(syllables(text) * SYLLABLE_S * 1e7), "text": {"Text": text}}
        told = json.dumps({"Metadata": [{"Type": "SentenceBoundary", "Data": boundary}]})
        await socket.send_str(f"X-RequestId:1\r\nPath:audio.metadata\r\n\r\n{told}")
        await socket.send_str("X-RequestId:1\r\nPath:turn.end\r\n\r\n{}")


def tone(text: str) -> bytes:
    """MP3 as the service sends it, as long as the text takes to say."""
    count = int(max(syllables(text), 1) * SYLLABLE_S * HZ)
    wave = (0.3 * np.sin(2 * np.pi * 220 * np.arange(count) / HZ) * 32767).astype(np.int16)
    made = io.BytesIO()
    with av.open(made, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=HZ, layout="mono", bit_rate=48_000)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = HZ
        for part in (*av.AudioResampler("s16p", "mono", HZ).resample(frame), None):
            container.mux(stream.encode(part))
    return made.getvalue()


@asynccontextmanager
async def serve(service: EdgeService) -> AsyncIterator[str]:
    """The address to point ``edge_tts.communicate.WSS_URL`` at."""
    app = web.Application()
    app.router.add_get("/edge/v1", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"ws://127.0.0.1:{port}/edge/v1?TrustedClientToken=x"
    finally:
        await runner.cleanup()
