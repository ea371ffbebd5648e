"""The sound of an answer goes with its words."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from asr_tts.espeak import Espeak
from asr_tts.keeping import spoken_answers
from asr_tts.mouth import Mouth
from asr_tts.room_settings import VOICE_SETTINGS
from asr_tts.settings import MouthSettings
from bot.event import Attachment, AttachmentKind
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.store import Store
from bot.testing import Bot
from tests.clock import ManualClock

NOTE = Attachment(AttachmentKind.VOICE, "note-1", "note.ogg", "audio/ogg", 900, 2.0)


def age(folder: Path) -> None:
    for name in os.listdir(folder):
        os.utime(folder / name, (time.time() - 7200,) * 2)


@pytest.mark.parametrize("taken_back", [False, True])
async def test_a_recall_takes_the_sound_with_the_next_sweep(
    store: Store, clock: ManualClock, tmp_path: Path, taken_back: bool
) -> None:
    settings, folder = MouthSettings(), tmp_path / "speech"
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *VOICE_SETTINGS))
    mouth = Mouth(settings, [Espeak(settings)], folder)
    async with Bot(store, clock, voice=mouth, scopes=scopes) as bot:
        retention = bot.core.retention
        retention.add(spoken_answers(folder))
        room = bot.room()
        asked = await room.says("@毛豆 怎么安装", attachments=(NOTE,))
        assert len(room.spoken()) == 1
        await retention.sweep()
        assert len(os.listdir(folder)) == 2  # young: it may be on its way
        if taken_back:
            await room.recalls(asked)
        await asyncio.to_thread(age, folder)
        await retention.sweep()
        assert len(os.listdir(folder)) == (0 if taken_back else 2)
