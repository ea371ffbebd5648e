"""``/voice``: a moderator decides when it speaks, what it hears and whose voice it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asr_tts.commands import VoiceCommands
from asr_tts.mouth import Mouth
from asr_tts.room_settings import VOICE_SETTINGS
from asr_tts.settings import MouthSettings
from bot.commands import Commands
from bot.event import Role
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.store import Store
from bot.testing import Bot, BotRoom, PaperPlatform
from tests.clock import ManualClock


@pytest.fixture
def speaks() -> str:
    return "edge"


@pytest.fixture
async def room(store: Store, clock: ManualClock, speaks: str) -> AsyncIterator[BotRoom]:
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *VOICE_SETTINGS))
    platform = PaperPlatform(roles={"mo": Role.MODERATOR})
    commands = Commands((VoiceCommands(scopes, leaves_machine=True, keeps_audio=True, speaks=speaks).command,))
    async with Bot(store, clock, platform=platform, scopes=scopes, commands=commands) as bot:
        yield bot.room()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/voice always", "Speaking: `always`"),
        ("/语音 关", "Speaking: `off`"),
        ("/voice listen all", "listening: `all`"),
        ("/voice use zh zh-CN-YunxiNeural", "the Chinese voice: `zh-CN-YunxiNeural`"),
        ("/voice use 英文 en-GB-SoniaNeural", "the English voice: `en-GB-SoniaNeural`"),
    ],
)
async def test_a_moderator_changes_it(room: BotRoom, line: str, shown: str) -> None:
    await room.says("hello there", by="mo")  # the room speaks English
    await room.says(line, by="mo")
    await room.says("/voice status")
    assert shown in room.heard("Speaking")


async def test_members_may_only_look(room: BotRoom) -> None:
    await room.says("/voice always")
    assert room.heard("`/voice always`")
    await room.says("/voice status")
    assert room.heard("reply")


async def test_a_room_that_opens_its_ears_is_told_what_becomes_of_its_recordings(room: BotRoom) -> None:
    await room.says("hello there", by="mo")
    await room.says("/voice listen all", by="mo")
    told = room.heard("every voice message")
    assert "transcription service" in told
    assert "kept for a while" in told


async def test_a_name_that_is_none_is_refused(room: BotRoom) -> None:
    await room.says("/voice use zh <script>", by="mo")
    assert room.heard("a name of the speech service")


@pytest.mark.parametrize(
    ("speaks", "line", "told"),
    [
        ("edge", "/voice use en nosuch", "Edge; it has no voice `nosuch`"),
        ("espeak", "/voice use en en-GB-SoniaNeural", "one voice for each language"),
        ("", "/voice use en nosuch", "Nothing that speaks is installed"),
        ("espeak", "/voice use en default", "`default` speaks English"),
        ("server", "/voice use en nova", "`nova` speaks English"),
    ],
)
async def test_a_voice_that_cannot_be_there_is_refused(room: BotRoom, line: str, told: str) -> None:
    await room.says("hello there", by="mo")
    await room.says(line, by="mo")
    room.heard(told)
    await room.says("/voice status", by="mo")
    assert ("`nova`" in room.heard("the English voice")) == ("nova" in line)
    assert "nosuch" not in room.heard("the English voice")


async def test_the_rooms_voice_is_the_one_that_speaks(room: BotRoom, tmp_path: Path) -> None:
    mouth = Mouth(MouthSettings(), [], tmp_path)
    await room.says("/voice use zh zh-CN-YunxiNeural", by="mo")
    values = await room.core.scopes.of(room.room)
    chinese, english = mouth.speech("**好**的", "zh", values), mouth.speech("fine", "en", values)
    assert chinese is not None
    assert english is not None
    assert (chinese.text, chinese.voice) == ("好的。", "zh-CN-YunxiNeural")
    assert (english.text, english.voice) == ("fine.", "")
    assert mouth.speech("🎉", "zh", values) is None
