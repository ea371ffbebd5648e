"""``/voice correct``: the author of a note says what was really said, and is answered anew in the same place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from asr_tts.commands import VoiceCommands
from asr_tts.correcting import Correcting
from asr_tts.room_settings import VOICE_SETTINGS
from bot.commands import Commands
from bot.event import Addressed, Event
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.store import Store
from bot.testing import Bot, BotRoom, Listens
from tests.clock import ManualClock


@pytest.fixture
async def room(store: Store, clock: ManualClock) -> AsyncIterator[BotRoom]:
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *VOICE_SETTINGS))
    accept: list[Callable[[Event], Awaitable[bool]]] = []
    correcting = Correcting(store, lambda event: accept[0](event))
    commands = Commands(
        (VoiceCommands(scopes, correcting.command, leaves_machine=False, keeps_audio=False, speaks="edge").command,)
    )
    ear = Listens({"first": "怎么安装猫豆", "second": "怎么升级猫豆"})
    async with Bot(store, clock, ear=ear, commands=commands, scopes=scopes) as bot:
        accept.append(bot.core.inbox.accept)
        yield bot.room()


def shown(room: BotRoom, note: str) -> str:
    (answer,) = room.answers(note)
    return answer


async def test_the_last_note_is_corrected_in_its_place(room: BotRoom) -> None:
    first = await room.sends_note("first", addressed=Addressed.DIRECT)
    second = await room.sends_note("second", addressed=Addressed.DIRECT)
    await room.says("/voice correct 怎么升级毛豆")
    assert "怎么升级毛豆" in room.heard("重新回答")
    assert shown(room, second).startswith("> 🎤 怎么升级毛豆\n\necho: 怎么升级毛豆")
    assert "怎么安装猫豆" in shown(room, first)


async def test_a_reply_names_the_note(room: BotRoom) -> None:
    first = await room.sends_note("first", addressed=Addressed.DIRECT)
    await room.sends_note("second", addressed=Addressed.DIRECT)
    await room.says("/语音 更正 怎么安装毛豆", reply_to=first)
    assert shown(room, first).startswith("> 🎤 怎么安装毛豆\n\n")


async def test_a_reply_to_the_answer_names_it_too(room: BotRoom) -> None:
    first = await room.sends_note("first", addressed=Addressed.DIRECT)
    await room.sends_note("second", addressed=Addressed.DIRECT)
    (answer,) = [each.id for each in room.platform.shown.values() if each.reply_to == first]
    await room.says("/voice correct 怎么安装毛豆", reply_to=answer)
    assert shown(room, first).startswith("> 🎤 怎么安装毛豆\n\n")


async def test_nobody_corrects_another(room: BotRoom) -> None:
    first = await room.sends_note("first", addressed=Addressed.DIRECT, by="anna")
    await room.says("/voice correct 怎么安装毛豆", by="ben", reply_to=first)
    room.heard("没有听过你的语音")
    assert "怎么安装猫豆" in shown(room, first)


async def test_a_correction_can_be_corrected(room: BotRoom, clock: ManualClock) -> None:
    first = await room.sends_note("first", addressed=Addressed.DIRECT)
    await room.says("/voice correct 怎么安装毛逗")
    await clock.advance(1)
    await room.says("/voice correct 怎么安装毛豆")
    assert shown(room, first).startswith("> 🎤 怎么安装毛豆\n\n")
