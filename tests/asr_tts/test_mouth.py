"""Every fault of the speech service: the stand-in speaks, or nobody does, and nothing outlives its deadline."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from asr_tts.edge import Edge
from asr_tts.espeak import Espeak
from asr_tts.lengths import syllables
from asr_tts.mouth import Engine, Mouth
from asr_tts.settings import MouthSettings
from bot.delivery import Speech
from bot.errors import ModelError
from tests.asr_tts.edge_server import SYLLABLE_S, EdgeService, Fault
from tests.asr_tts.sounds import measure
from tests.clock import ManualClock

TEXT = "运行 pip install maodou，然后打开网页。需要的时间大约是两分钟。"
QUICK = MouthSettings(engine_s=20, retry_first_s=0.01)
BUSY_S = 6.0
"""What a busy machine takes beside the deadlines; the library's own patience would be 30 s and more."""


def a_mouth(folder: Path, clock: ManualClock, settings: MouthSettings = QUICK, *, stand_in: bool = True) -> Mouth:
    engines: list[Engine] = [Edge(settings, clock), *([Espeak(settings)] if stand_in else [])]
    return Mouth(settings, engines, folder)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


async def test_an_answer_becomes_a_voice_message(tmp_path: Path, clock: ManualClock, edge: EdgeService) -> None:
    audio = await a_mouth(tmp_path, clock).say(Speech(TEXT, "zh"))
    heard = measure(audio.path)
    assert (heard.format, heard.codec, heard.rate, heard.channels) == ("ogg", "opus", 48_000, 1)
    assert audio.duration_s == pytest.approx(syllables(TEXT) * SYLLABLE_S, abs=0.15)
    assert heard.duration_s == pytest.approx(audio.duration_s, abs=0.05)
    assert 0.2 < heard.peak < 0.5
    assert len(audio.waveform) == 256
    assert max(audio.waveform) == 255
    assert edge.requests == [TEXT]
    assert edge.voices == ["zh-CN-XiaoxiaoNeural"]


async def test_the_service_is_forgiven_one_refusal(tmp_path: Path, clock: ManualClock, edge: EdgeService) -> None:
    edge.faults = (Fault.FORBIDDEN, Fault.NONE)
    audio = await a_mouth(tmp_path, clock, stand_in=False).say(Speech(TEXT, "zh"))
    assert measure(audio.path).duration_s > 1
    assert edge.connections == 2


FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_stand_in_speaks_where_the_service_does_not(
    tmp_path: Path, clock: ManualClock, edge: EdgeService, fault: Fault
) -> None:
    edge.faults = (fault,)
    mouth = a_mouth(tmp_path, clock, MouthSettings(engine_s=1.0, retry_first_s=0.01))
    began = time.monotonic()
    audio = await mouth.say(Speech(TEXT, "zh"))
    assert time.monotonic() - began < 1 + QUICK.espeak_s + BUSY_S
    assert measure(audio.path).duration_s > syllables(TEXT) / 9
    assert measure(audio.path).peak > 0.1
    told = mouth.health()
    assert told is not None
    assert "espeak speaks instead" in told


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_a_stand_in_nothing_is_said(
    tmp_path: Path, clock: ManualClock, edge: EdgeService, fault: Fault
) -> None:
    edge.faults = (fault,)
    mouth = a_mouth(tmp_path, clock, MouthSettings(engine_s=1.0, retry_first_s=0.01), stand_in=False)
    began = time.monotonic()
    with pytest.raises(ModelError):
        await mouth.say(Speech(TEXT, "zh"))
    assert time.monotonic() - began < 1 + BUSY_S
    assert names(tmp_path) == []


async def test_what_keeps_failing_is_left_alone_and_tried_again_later(
    tmp_path: Path, clock: ManualClock, edge: EdgeService
) -> None:
    edge.faults = (Fault.UNAVAILABLE,)
    mouth = a_mouth(tmp_path, clock, MouthSettings(attempts=1, failures_before_rest=2, rest_s=60))
    for number in range(5):
        await mouth.say(Speech(f"第{number}句话。", "zh"))
    assert edge.connections == 2
    edge.faults = (Fault.NONE,)
    await clock.advance(61)
    await mouth.say(Speech("又好了。", "zh"))
    assert edge.connections == 3
    assert mouth.health() is None


async def test_long_chinese_without_spaces_is_asked_for_in_parts(
    tmp_path: Path, clock: ManualClock, edge: EdgeService
) -> None:
    text = "这是一个没有空格的很长的句子，" * 100 + "就到这里。" + "没有任何标点" * 250
    audio = await a_mouth(tmp_path, clock, MouthSettings(engine_s=100), stand_in=False).say(Speech(text, "zh"))
    assert "".join(edge.requests) == text
    assert len(text.encode()) > 8_000
    assert max(edge.sizes) <= 4_096
    assert audio.duration_s == pytest.approx(syllables(text) * SYLLABLE_S, rel=0.02)


async def test_a_voice_that_is_gone_is_replaced_by_the_usual_one(
    tmp_path: Path, clock: ManualClock, edge: EdgeService
) -> None:
    edge.faults = (Fault.NO_AUDIO, Fault.NONE)
    await a_mouth(tmp_path, clock, stand_in=False).say(Speech(TEXT, "zh", "zh-CN-GoneNeural"))
    assert edge.voices == ["zh-CN-GoneNeural", "zh-CN-XiaoxiaoNeural"]


async def test_what_was_said_before_is_not_asked_for_again(
    tmp_path: Path, clock: ManualClock, edge: EdgeService
) -> None:
    mouth = a_mouth(tmp_path, clock)
    first = await mouth.say(Speech(TEXT, "zh"))
    assert await mouth.say(Speech(TEXT, "zh")) == first
    assert edge.connections == 1
    await mouth.say(Speech(TEXT, "zh", "zh-CN-YunxiNeural"))
    assert edge.voices[-1] == "zh-CN-YunxiNeural"


async def test_two_rooms_that_ask_the_same_at_once_both_hear_it(tmp_path: Path) -> None:
    mouth = Mouth(QUICK, [Espeak(QUICK)], tmp_path)
    audios = await asyncio.gather(*(mouth.say(Speech("好的，" * 15, "zh")) for _ in range(4)))
    assert mouth.health() is None
    assert {audio.path for audio in audios} == {audios[0].path}
    assert measure(audios[0].path).duration_s == pytest.approx(audios[0].duration_s, abs=0.05)
    assert len(names(tmp_path)) == 2


@pytest.mark.may_block  # the test writes its file
async def test_half_a_voice_message_that_a_crash_left_goes(tmp_path: Path) -> None:
    left = tmp_path / "tmp1.part"
    left.write_bytes(b"OggS")
    an_hour_ago = time.time() - 7200
    os.utime(left, (an_hour_ago, an_hour_ago))
    await Mouth(QUICK, [Espeak(QUICK)], tmp_path).say(Speech("好。", "zh"))
    assert not left.exists()


async def test_what_is_kept_stays_within_its_bound(tmp_path: Path, clock: ManualClock, edge: EdgeService) -> None:
    mouth = a_mouth(tmp_path, clock, MouthSettings(cache_max_bytes=30_000))
    spoken = [await mouth.say(Speech(f"第{number}个回答，说的是怎么安装。", "zh")) for number in range(6)]
    assert len(names(tmp_path)) == 12  # young ones may be on their way
    an_hour_ago = time.time() - 7200
    for audio in spoken:
        os.utime(audio.path, (an_hour_ago, an_hour_ago))
    await mouth.say(Speech("再来一个回答。", "zh"))
    kept = [name for name in names(tmp_path) if name.endswith(".ogg")]
    assert sum((tmp_path / name).stat().st_size for name in kept) <= 30_000
    assert 0 < len(kept) < 7
    assert sorted([*kept, *(name.replace(".ogg", ".json") for name in kept)]) == names(tmp_path)
