"""A spoken question about the sample documents comes back as cited text, and then as a voice message.

The whole house: real documents, a real recogniser, the real clients of the platforms and of the speech service, a real
browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import discord
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from adapters.discord.adapter import DiscordPlatform
from adapters.feishu.adapter import FeishuPlatform
from adapters.web.adapter import WebPlatform
from adapters.web.settings import WebSettings
from asr_tts.encode import HZ, samples_of, write_voice_message
from asr_tts.settings import EarSettings, MouthSettings, VoiceSettings
from asr_tts.spoken import spoken
from bot.delivery import DeliveryAct, Speech, load_content
from bot.ports import Clock, Platform
from bot.store import Store
from bot.tables import deliveries
from maodou.app import App
from maodou.config import Settings
from tests.adapters.discord.conftest import FAST
from tests.adapters.discord.conftest import settings_for as discord_settings
from tests.adapters.feishu.conftest import settings_for as feishu_settings
from tests.asr_tts.edge_server import EdgeService, Fault
from tests.asr_tts.sounds import Measured, measure
from tests.emulators.discord import DiscordEmulator, Upload
from tests.emulators.feishu import Feishu
from tests.speech.measure import MODEL
from tests.speech.spoken import ESPEAK_HZ, Speaker, speak, written
from tests.speech.warm import Warm
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)

SENTENCE = "怎么 让 它 安静 一段 时间"
SPEAKER = Speaker("m3", words_per_min=150)
"""A voice that the recogniser was not trained on."""
QUESTION = written(SENTENCE)
WITHIN_S = 90.0


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """The question, as a member would say it into a telephone."""
    path = tmp_path / "note.ogg"
    said = speak(SENTENCE, SPEAKER)
    (resampled,) = av.AudioResampler("flt", "mono", HZ).resample(_frame(said))
    write_voice_message(resampled.to_ndarray()[0], path)
    return path


def _frame(samples: NDArray[np.float32]) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = ESPEAK_HZ
    return frame


Make = Callable[[Settings, Store, Clock], Sequence[Platform]]
Open = Callable[[Make], contextlib.AbstractContextManager[App]]


@pytest.fixture
def open_app(recogniser: Warm, tmp_path: Path) -> Open:
    settings = Settings(
        data_dir=tmp_path / "data",
        durability="normal",
        voice=VoiceSettings(
            ear=EarSettings(model=str(MODEL)), mouth=MouthSettings(engine="edge", engine_s=2, retry_first_s=0.01)
        ),
    )

    @contextlib.contextmanager
    def opened(make: Make) -> Iterator[App]:
        with App.open(settings, make) as app:
            recogniser.lend(app.ear)
            yield app

    return opened


@contextlib.asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    run = asyncio.create_task(app.run())
    try:
        await until(lambda: run.done() or all(each.health() is None for each in app.platforms.values()), WITHIN_S)
        if run.done():
            run.result()
        yield
    finally:
        app.stop()
        await run


async def planned(app: App) -> tuple[str, Speech]:
    """The text that was planned for the room, and what was planned to be said."""
    chosen = select(deliveries.c.act, deliveries.c.content).where(deliveries.c.event_id.is_not(None))
    rows = await app.store.read(lambda connection: connection.execute(chosen.order_by(deliveries.c.id)).all())
    contents = {row.act: load_content(row.content) for row in rows if "🎤" in row.content or row.act == "speak"}
    speech = contents.pop(DeliveryAct.SPEAK.value).speech
    (written,) = contents.values()
    assert speech is not None
    return written.text, speech


def answer_of(shown: str) -> str:
    """A shown answer without the quote of the question and the note on voice messages."""
    quote, answer = shown.split("\n\n", 1)
    assert QUESTION in quote
    return re.sub(r"\n\n\*[^*\n]+\*(?=\n\n)", "", answer)


async def is_right(app: App, edge: EdgeService, shown: str, told_s: float, heard: Measured) -> None:
    """Cited text; the service was asked for its spoken form; the sound decodes, has its length and is not silent."""
    assert re.search(r"\[1\]", shown)
    assert "来源" in shown
    assert "/mute" in shown
    written, speech = await planned(app)
    assert speech == Speech(spoken(answer_of(written), "zh"), "zh")
    assert "[1]" not in speech.text
    assert "来源" not in speech.text
    assert "".join(edge.requests).replace("\n", "") == speech.text.replace("\n", "")
    assert (heard.codec, heard.rate, heard.channels) == ("opus", 48_000, 1)
    assert heard.duration_s == pytest.approx(told_s, abs=0.1)
    assert heard.duration_s > 2
    assert heard.peak > 0.1


# ── Discord ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def beans() -> AsyncIterator[DiscordEmulator]:
    before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    async with DiscordEmulator(FAST) as emulator:
        guild = emulator.world.guild("Beans")
        guild.members[emulator.world.bot.id].joined_at -= 30 * 86_400
        emulator.member(guild, "Ann")
        yield emulator
    discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before


@pytest.fixture
def on_discord(beans: DiscordEmulator, open_app: Open) -> Iterator[App]:
    with open_app(lambda settings, store, clock: [DiscordPlatform(store, discord_settings(beans), clock)]) as app:
        yield app


def voice_message(note: Path) -> dict[str, Any]:
    heard = measure(str(note))
    ogg = Upload("voice-message.ogg", "audio/ogg", note.read_bytes())
    return {"files": [ogg], "voice": (round(heard.duration_s, 2), "AAAA")}


async def test_on_discord(
    on_discord: App, beans: DiscordEmulator, edge: EdgeService, note: Path, tmp_path: Path
) -> None:
    said = await asyncio.to_thread(voice_message, note)
    async with running(on_discord):
        ann = next(user for user in beans.world.users.values() if user.name == "Ann")
        direct = beans.world.direct(ann)
        asked = beans.say(direct, ann, "", **said)
        await until(lambda: len(beans.said(direct)) == 2, WITHIN_S)
        await on_discord.core.idle()
        text, voice = beans.said(direct)
        assert text.reply_to == voice.reply_to == asked.id
        assert voice.flags == 8192
        (file,) = voice.files
        assert (file.media_type, voice.content) == ("audio/ogg", "")
        sound = tmp_path / "heard.ogg"
        await asyncio.to_thread(sound.write_bytes, file.body)
        heard = await asyncio.to_thread(measure, str(sound))
        await is_right(on_discord, edge, text.content, file.duration_s or 0, heard)


@pytest.fixture
def says_everything(beans: DiscordEmulator, tmp_path: Path) -> Iterator[App]:
    """A room where every answer is said aloud; nobody needs to hear."""
    mouth = MouthSettings(engine="edge", engine_s=1.0, retry_first_s=0.01, failures_before_rest=100)
    settings = Settings(
        data_dir=tmp_path / "data", durability="normal", rooms={"voice": "always"}, voice=VoiceSettings(mouth=mouth)
    )
    with App.open(
        settings, lambda given, store, clock: [DiscordPlatform(store, discord_settings(beans), clock)]
    ) as app:
        yield app


async def test_the_text_is_there_at_once_whatever_the_service_does(
    says_everything: App, beans: DiscordEmulator, edge: EdgeService
) -> None:
    async with running(says_everything):
        ann = next(user for user in beans.world.users.values() if user.name == "Ann")
        direct = beans.world.direct(ann)
        for fault in (each for each in Fault if each is not Fault.NONE):
            edge.faults, before = (fault,), edge.connections
            asked = beans.say(direct, ann, QUESTION)
            await until(lambda asked=asked: beans.replies_to(asked), WITHIN_S)  # type: ignore[misc]
            (text, *_) = beans.replies_to(asked)
            assert "/mute" in text.content, fault
            await until(lambda asked=asked: len(beans.replies_to(asked)) == 2, WITHIN_S)  # type: ignore[misc]
            _, voice = beans.replies_to(asked)
            assert voice.flags == 8192, fault
            assert voice.files[0].duration_s, fault
            assert edge.connections > before, fault
            await until(lambda: edge.open == 0)
        assert "espeak speaks instead" in (says_everything.health()["mouth"] or "")


# ── Feishu ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tenant() -> Iterator[Feishu]:
    with Feishu() as feishu:
        yield feishu


@pytest.fixture
def on_feishu(tenant: Feishu, open_app: Open) -> Iterator[App]:
    with open_app(lambda settings, store, clock: [FeishuPlatform(feishu_settings(tenant))]) as app:
        yield app


async def test_on_feishu(on_feishu: App, tenant: Feishu, edge: EdgeService, note: Path, tmp_path: Path) -> None:
    question = await asyncio.to_thread(note.read_bytes)
    length = (await asyncio.to_thread(measure, str(note))).duration_s
    async with running(on_feishu):
        ann = tenant.person("安妮")
        direct = tenant.direct(ann)
        body = {"file_key": tenant.upload("v.opus", question), "duration": round(length * 1000)}
        await asyncio.to_thread(lambda: tenant.post(direct, ann, "audio", body))
        await until(lambda: len(tenant.shown(direct)) == 2, WITHIN_S)
        await on_feishu.core.idle()
        text, voice = tenant.shown(direct)
        assert voice.type == "audio"
        key = json.loads(tenant.world.posts[voice.id].content)["file_key"]
        _, sound = tenant.world.files[key]
        path = tmp_path / "heard.ogg"
        await asyncio.to_thread(path.write_bytes, sound)
        heard = await asyncio.to_thread(measure, str(path))
        await is_right(on_feishu, edge, text.text, (tenant.world.audio[key] or 0) / 1000, heard)


# ── the web room ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_web(open_app: Open) -> Iterator[App]:
    settings = WebSettings(port=0)
    with open_app(lambda given, store, clock: [WebPlatform(store, settings, clock, given.data_dir)]) as app:
        web = app.platforms["web"]
        assert isinstance(web, WebPlatform)
        web.bind()
        yield app


def _as_wav(note: Path, path: Path) -> None:
    """What the browser's microphone hears: the question, after a breath."""
    import wave

    samples = samples_of(note.read_bytes())
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(48_000)
        sound.writeframes((np.concatenate([samples, np.zeros(24_000)]) * 32767).astype("<i2").tobytes())


@pytest.mark.browser
@pytest.mark.may_block  # Gradio reads files where it answers
async def test_in_a_browser(on_web: App, edge: EdgeService, note: Path, tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="no Chromium")
    from playwright.async_api import expect

    from tests.adapters.web.people import PREVIEW_DROPPED, People

    spoken_wav = tmp_path / "microphone.wav"
    await asyncio.to_thread(_as_wav, note, spoken_wav)
    length = (await asyncio.to_thread(measure, str(note))).duration_s
    web = on_web.platforms["web"]
    assert isinstance(web, WebPlatform)
    async with (
        running(on_web),
        People.at(web.room_url, f"--use-file-for-fake-audio-capture={spoken_wav}") as people,
        people.person() as lin,
    ):
        await lin.joins("小林")
        await lin.box.fill("@毛豆 ")
        await lin.page.get_by_role("button", name="录一条语音").click()
        await expect(lin.page.locator(".voice")).to_contain_text("正在录音")
        await asyncio.sleep(length + 1)  # the microphone's own time
        await lin.page.get_by_role("button", name="说完了").click()
        await expect(lin.page.locator("#maodou-box .thumbnail-item").first).to_be_visible()
        await lin.page.click("#maodou-box .submit-button")
        answer = lin.page.locator(".msg.ours", has_text="🎤")
        await expect(answer.first).to_be_visible(timeout=WITHIN_S * 1000)
        player = lin.page.locator(".msg.ours audio")
        await expect(player).to_be_visible(timeout=WITHIN_S * 1000)
        assert await player.get_attribute("aria-label") == "毛豆 的语音消息"
        told_s = await player.evaluate(
            """async (player) => {
                 await player.play();
                 for (let n = 0; n < 100 && player.currentTime < 0.5; n++) await new Promise((r) => setTimeout(r, 50));
                 if (player.currentTime < 0.5) throw new Error("it does not play");
                 return player.duration;
               }"""
        )
        await on_web.core.idle()
        written, _ = await planned(on_web)
        (path,) = await asyncio.to_thread(lambda: list((on_web.settings.data_dir / "speech").glob("*.ogg")))
        await is_right(on_web, edge, written, told_s, await asyncio.to_thread(measure, str(path)))
        assert set(lin.troubles) <= {PREVIEW_DROPPED}
