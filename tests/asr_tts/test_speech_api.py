"""A server with OpenAI's ``/audio/speech``: asked for the spoken form, believed only in what can be heard."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from asr_tts.espeak import Espeak
from asr_tts.mouth import Mouth
from asr_tts.settings import MouthSettings, SpeechServer
from asr_tts.speech_api import SpeechApi
from bot.delivery import Speech
from bot.errors import ModelError
from tests.asr_tts.sounds import measure
from tests.clock import ManualClock

TEXT = "你好，我是毛豆。"


@dataclass
class Server:
    """``does``: ok, or what it does instead."""

    does: str = "ok"
    url: str = ""
    asked: list[dict[str, object]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(json.loads(await request.text()))
        self.keys.append(request.headers.get("Authorization", ""))
        if self.does == "hang":
            await asyncio.sleep(30)
        if self.does == "no such voice" and self.asked[-1]["voice"] != "alloy":
            return web.json_response({"error": "no such voice"}, status=400)
        if self.does == "refuse":
            return web.json_response({"error": "no"}, status=500)
        if self.does == "text":
            return web.json_response({"sound": "none"})
        if self.does == "too much":
            return web.Response(body=b"\0" * 200_000)
        (sound,) = await Espeak(MouthSettings()).speak(TEXT if self.does in ("ok", "no such voice") else "好", "zh", "")
        return web.Response(body=sound, content_type="audio/wav")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    known = Server()
    app = web.Application()
    app.router.add_post("/v1/audio/speech", known.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    known.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield known
    await runner.cleanup()


@pytest.mark.may_block  # the client reads certificates when it is made, which the app does before its loop runs
async def test_it_is_asked_for_the_words(
    server: Server, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_KEY", "secret")
    settings = MouthSettings(voice_zh="anna", rate_percent=10)
    api = SpeechApi(settings, SpeechServer(url=server.url, model="kokoro", key_env="SPEECH_KEY"), clock)
    audio = await Mouth(settings, [api], tmp_path).say(Speech(TEXT, "zh"))
    assert server.asked == [{"model": "kokoro", "input": TEXT, "voice": "anna", "response_format": "wav", "speed": 1.1}]
    assert server.keys == ["Bearer secret"]
    assert measure(audio.path).duration_s == pytest.approx(audio.duration_s, abs=0.05)
    await api.aclose()


@pytest.mark.may_block  # as above
async def test_a_voice_that_one_room_chose_and_that_is_not_there_costs_the_others_nothing(
    server: Server, tmp_path: Path, clock: ManualClock
) -> None:
    server.does = "no such voice"
    settings = MouthSettings(failures_before_rest=1)
    api = SpeechApi(settings, SpeechServer(url=server.url, model="m"), clock)
    mouth = Mouth(settings, [api], tmp_path)
    for text in (TEXT, TEXT * 2):
        await mouth.say(Speech(text, "zh", "nobody"))
    assert [each["voice"] for each in server.asked] == ["nobody", "alloy"] * 2
    assert mouth.health() is None
    await api.aclose()


@pytest.mark.may_block  # as above
@pytest.mark.parametrize("does", ["hang", "refuse", "text", "too much", "short"])
async def test_its_faults_are_failures(server: Server, tmp_path: Path, clock: ManualClock, does: str) -> None:
    server.does = does
    address = SpeechServer(url=server.url, model="m", timeout_s=0.7, max_response_bytes=100_000)
    api = SpeechApi(MouthSettings(), address, clock)
    began = time.monotonic()
    long = TEXT * 20 if does == "short" else TEXT
    with pytest.raises(ModelError):
        await Mouth(MouthSettings(), [api], tmp_path).say(Speech(long, "zh"))
    assert time.monotonic() - began < 3
    await api.aclose()
