"""A recording that is kept goes with its words, whoever asks for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asr_tts.keeping import kept_notes
from bot.event import Addressed
from bot.hearing import HearingLimits
from bot.store import Store
from bot.testing import Bot, BotRoom, Listens
from tests.clock import ManualClock


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
async def room(store: Store, clock: ManualClock, tmp_path: Path, kept: Path) -> AsyncIterator[BotRoom]:
    limits = HearingLimits(work_dir=tmp_path / "work", keep_dir=kept)
    ear = Listens({"mine": "怎么安装", "yours": "怎么升级"})
    async with Bot(store, clock, ear=ear, hearing_limits=limits) as bot:
        bot.core.retention.add(kept_notes(kept))
        yield bot.room()


async def said(room: BotRoom) -> tuple[str, str]:
    mine = await room.sends_note("mine", by="anna", addressed=Addressed.DIRECT)
    yours = await room.sends_note("yours", by="ben", addressed=Addressed.DIRECT)
    return mine, yours


async def file_of(room: BotRoom, note: str) -> str:
    return f"{(await room.decision(note)).id}.ogg"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_recall_erases_the_recording(room: BotRoom, kept: Path) -> None:
    mine, yours = await said(room)
    assert names(kept) == {await file_of(room, mine), await file_of(room, yours)}
    await room.recalls(mine)
    assert names(kept) == {await file_of(room, yours)}


async def test_forgetting_a_member_erases_their_recordings(room: BotRoom, kept: Path) -> None:
    _, yours = await said(room)
    await room.says("/forget me", by="anna")
    assert names(kept) == {await file_of(room, yours)}


async def test_what_is_old_goes_with_the_sweep(room: BotRoom, kept: Path, clock: ManualClock) -> None:
    await said(room)
    await room.core.retention.sweep()
    assert len(names(kept)) == 2
    await clock.advance(31 * 86_400)
    await room.core.retention.sweep()
    assert names(kept) == set()
