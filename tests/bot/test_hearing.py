"""Voice messages in a room: which are heard, what is shown, what is kept – with an ear that is told what to hear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.decision import Outcome, Reason
from bot.delivery import DeliveryAct
from bot.errors import ModelError, NoEar, NotHeard
from bot.event import Addressed, Attachment, AttachmentKind, Edited, Said, load_event
from bot.hearing import HearingLimits, corrected
from bot.ports import Shown as Screened
from bot.room_settings import LANGUAGE, UNASKED, UNASKED_PAUSE_S, VOICE_LISTEN
from bot.store import Store
from bot.tables import inbox
from bot.testing import Bot, BotRoom, Echo, Listens
from bot.texts import Text
from tests.clock import ManualClock
from tests.waiting import until

INSTALL = "怎么安装毛豆"


def unclear() -> NotHeard:
    return NotHeard(Text(zh="听不清。", en="Not clear."), "unsure", {"confidence": 0.2})


def no_ear() -> NoEar:
    return NoEar(Text(zh="运行 maodou voice pull", en="Run maodou voice pull"), "no_ear", {})


@pytest.fixture
def ear() -> Listens:
    mute = "how do i mute the bot"
    return Listens({"install": INSTALL, "mute": mute, "called": "毛豆怎么安装", "unclear": unclear()})


@pytest.fixture
async def bot(store: Store, clock: ManualClock, ear: Listens, tmp_path: Path) -> AsyncIterator[Bot]:
    limits = HearingLimits(work_dir=tmp_path / "work")
    async with Bot(store, clock, ear=ear, hearing_limits=limits) as bot:
        yield bot


@pytest.fixture
def room(bot: Bot) -> BotRoom:
    return bot.room()


async def set_(room: BotRoom, name: str, value: object) -> None:
    await room.core.store.write(room.core.scopes.change(f"room:{room.room.key}", name, value, who="test"))


# ── which are heard ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("addressed", [Addressed.DIRECT, Addressed.REPLY, Addressed.MENTION])
async def test_a_note_to_us_is_answered_below_what_was_heard(room: BotRoom, addressed: Addressed) -> None:
    await room.sends_note("install", addressed=addressed)
    text = room.heard(f"echo: {INSTALL}")
    assert text.startswith(f"> 🎤 {INSTALL}\n\n")


async def test_a_note_to_nobody_is_never_downloaded(room: BotRoom, bot: Bot, ear: Listens) -> None:
    await room.sends_note("install")
    await room.silent(Reason.NOT_ADDRESSED)
    assert bot.platform.fetched == []
    assert ear.asked == []


async def test_a_note_soon_after_its_author_spoke_to_us_is_heard(room: BotRoom, clock: ManualClock) -> None:
    await room.says("@毛豆 你好", by="anna")
    await room.sends_note("install", by="ben")
    await room.silent(Reason.NOT_ADDRESSED)
    await clock.advance(119)
    await room.sends_note("install", by="anna")
    room.heard(INSTALL)
    await clock.advance(119)  # and the next one goes on from there
    await room.sends_note("mute", by="anna")
    room.heard("mute the bot")
    await clock.advance(121)
    await room.sends_note("install", by="anna")
    await room.silent(Reason.NOT_ADDRESSED)


async def test_where_all_are_heard_the_name_decides(room: BotRoom) -> None:
    await set_(room, VOICE_LISTEN.name, "all")
    await room.sends_note("install")
    await room.silent(Reason.NOT_ADDRESSED)
    await room.sends_note("called")
    room.heard("毛豆怎么安装")


async def test_where_all_are_heard_the_gate_decides_after_its_pause(
    room: BotRoom, ear: Listens, clock: ManualClock
) -> None:
    await set_(room, VOICE_LISTEN.name, "all")
    await set_(room, UNASKED.name, "helpful")
    await set_(room, UNASKED_PAUSE_S.name, 20)
    await room.sends_note("install")
    assert room.answers() == []
    await clock.advance(21)
    await until(lambda: bool(room.answers()))
    room.heard(f"> 🎤 {INSTALL}")
    assert ear.asked == ["install"], "it is heard once"


async def test_what_is_written_beside_a_note_counts(room: BotRoom, ear: Listens) -> None:
    note = Attachment(AttachmentKind.VOICE, "install")
    await room.says("@毛豆 怎么升级", attachments=(note,))
    assert "🎤" not in room.heard("怎么升级")
    assert ear.asked == []


async def test_spoken_words_are_no_command(room: BotRoom, ear: Listens) -> None:
    ear.words["install"] = "/forget me"
    await room.sends_note("install", addressed=Addressed.DIRECT)
    row = await room.decision()
    assert (row.outcome, row.reason) == (Outcome.ANSWERED, Reason.FROM_DOCUMENTS)


# ── what is said about it ────────────────────────────────────────────────────────────────────────────────


async def test_a_note_without_an_answer_does_not_use_up_what_a_room_is_told(room: BotRoom) -> None:
    await set_(room, VOICE_LISTEN.name, "all")
    await room.sends_note("install")
    await room.silent(Reason.NOT_ADDRESSED)
    await room.sends_note("called")
    assert "声音随即删除" in room.heard("/voice correct")
    await room.sends_note("called")
    assert "/voice correct" not in room.heard("毛豆怎么安装")


async def test_a_room_whose_first_answer_waits_is_told_with_it(room: BotRoom, clock: ManualClock) -> None:
    await set_(room, VOICE_LISTEN.name, "all")
    await set_(room, UNASKED.name, "helpful")
    await set_(room, UNASKED_PAUSE_S.name, 20)
    await room.sends_note("install")
    await clock.advance(21)
    await until(lambda: bool(room.answers()))
    room.heard("/voice correct")


async def test_a_room_is_told_once_what_becomes_of_voice(room: BotRoom, bot: Bot) -> None:
    await room.sends_note("install", addressed=Addressed.DIRECT)
    assert "随即删除" in room.heard("/voice correct")
    await room.sends_note("mute", addressed=Addressed.DIRECT)
    assert "/voice correct" not in room.heard("mute")
    other = bot.room("r2")
    await other.sends_note("mute", addressed=Addressed.DIRECT)
    assert "erased at once" in other.heard("/voice correct")


async def test_the_answer_is_in_the_language_that_was_spoken(room: BotRoom, bot: Bot) -> None:
    await room.sends_note("mute", addressed=Addressed.DIRECT)
    assert bot.knowledge.asked[-1].language == "en"  # type: ignore[attr-defined]


async def test_what_is_not_heard_is_said_with_its_reason(room: BotRoom) -> None:
    await room.sends_note("unclear", addressed=Addressed.DIRECT)
    room.heard("听不清")
    row = await room.decision()
    assert (row.outcome, row.reason) == (Outcome.REFUSED, Reason.NOT_HEARD)
    assert row.details == {"why": "unsure", "confidence": 0.2}


async def test_the_refusal_is_in_the_rooms_language(room: BotRoom) -> None:
    await room.says("@maodou hello there, are you awake?")
    await room.sends_note("unclear", addressed=Addressed.REPLY)
    room.heard("Not clear.")


async def test_an_ear_that_fails_is_told_and_the_next_note_is_heard(room: BotRoom, ear: Listens) -> None:
    ear.words["broken"] = ModelError("it died")
    await room.sends_note("broken", addressed=Addressed.DIRECT)
    room.heard("出了点问题")
    assert (await room.decision()).reason == Reason.ERROR
    await room.sends_note("install", addressed=Addressed.DIRECT)
    room.heard(INSTALL)


async def test_a_note_that_is_gone_is_told(room: BotRoom, bot: Bot) -> None:
    note = Attachment(AttachmentKind.VOICE, "gone", "gone.ogg")
    await room.says("", attachments=(note,), addressed=Addressed.DIRECT)
    room.heard("没能下载")


async def test_without_a_model_it_is_said_once_how_to_get_one(room: BotRoom, ear: Listens) -> None:
    ear.words["install"] = no_ear()
    first = await room.sends_note("install", addressed=Addressed.DIRECT)
    room.heard("maodou voice pull")
    await room.sends_note("install", addressed=Addressed.DIRECT)
    assert "maodou voice pull" not in room.heard("还不会听语音")
    row = await room.decision(first)
    assert (row.reason, row.payload is not None) == (Reason.NO_EAR, True)


async def test_what_may_not_be_shown_is_not_quoted(store: Store, clock: ManualClock, ear: Listens) -> None:
    class Hides:
        async def show(self, room: object, text: str) -> Screened:
            return Screened(None if text == INSTALL else text)

    async with Bot(store, clock, ear=ear, screen=Hides(), answerer=Echo("from the guide [1]")) as bot:
        room = bot.room()
        await room.sends_note("install", addressed=Addressed.DIRECT)
        assert INSTALL not in room.heard("from the guide")


async def test_a_streamed_answer_carries_the_quote_from_its_first_word(
    store: Store, clock: ManualClock, ear: Listens
) -> None:
    answerer = Echo("first [1]. ", "second [1].", delay_s=0.02)
    async with Bot(store, clock, ear=ear, answerer=answerer, stream_after_s=0.0) as bot:
        room = bot.room()
        await room.sends_note("install", addressed=Addressed.DIRECT)
        (shown,) = [each for each in bot.platform.shown.values() if each.reply_to == room.last]
        assert all(text.startswith(f"> 🎤 {INSTALL}") for text in shown.texts)
        assert any(each.act is DeliveryAct.STREAM for each in bot.platform.attempts)


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────


async def test_the_transcript_is_part_of_the_message_and_goes_with_it(room: BotRoom, store: Store) -> None:
    note = await room.sends_note("install", addressed=Addressed.DIRECT)
    event = load_event((await room.decision(note)).payload)
    assert isinstance(event, Said)
    assert (event.message.text, event.message.attachments[0].transcript) == (INSTALL, INSTALL)
    await room.recalls(note)
    payloads = await store.read(
        lambda connection: connection.execute(select(inbox.c.payload).where(inbox.c.message_id == note)).scalars().all()
    )
    assert not any(INSTALL in (payload or "") for payload in payloads)


async def test_the_sound_is_erased_at_once(room: BotRoom, tmp_path: Path) -> None:
    await room.sends_note("install", addressed=Addressed.DIRECT)
    assert list((tmp_path / "work").iterdir()) == []


async def test_the_sound_is_kept_where_that_is_set(
    store: Store, clock: ManualClock, ear: Listens, tmp_path: Path
) -> None:
    limits = HearingLimits(work_dir=tmp_path / "work", keep_dir=tmp_path / "kept")
    async with Bot(store, clock, ear=ear, hearing_limits=limits) as bot:
        room = bot.room()
        note = await room.sends_note("install", addressed=Addressed.DIRECT)
        event_id = (await room.decision(note)).id
        assert (tmp_path / "kept" / f"{event_id}.ogg").read_bytes() == b"OggS"
        assert "保存一段时间" in room.heard("/voice correct")


async def test_a_correction_answers_anew_in_the_same_place(room: BotRoom, bot: Bot, clock: ManualClock) -> None:
    note = await room.sends_note("install", addressed=Addressed.DIRECT)
    event = load_event((await room.decision(note)).payload)
    assert isinstance(event, Said)
    await room.happens(Edited(corrected(event.message, "怎么安装插件"), clock.now()))
    (shown,) = [each for each in bot.platform.shown.values() if each.reply_to == note]
    assert shown.text.startswith("> 🎤 怎么安装插件\n\necho: 怎么安装插件")


async def test_what_was_heard_before_a_crash_is_not_heard_again(store: Store, clock: ManualClock, ear: Listens) -> None:
    async with Bot(store, clock, ear=ear, answerer=Echo(delay_s=60)) as bot:
        room = bot.room()
        note = Attachment(AttachmentKind.VOICE, "install", "install.ogg")
        bot.platform.files["install"] = b"OggS"
        message = room.message("", attachments=(note,), addressed=Addressed.DIRECT)
        await bot.core.inbox.accept(Said(message))
        await until(lambda: bool(bot.knowledge.asked))  # type: ignore[attr-defined]
    async with Bot(store, clock, ear=ear) as bot:
        room = bot.room()
        await bot.core.idle()
        room.heard(f"> 🎤 {INSTALL}", message.id)
    assert ear.asked == ["install"]


async def test_a_recall_while_we_listen_ends_the_listening(room: BotRoom, bot: Bot, ear: Listens) -> None:
    ear.delay_s = 60
    bot.platform.files["install"] = b"OggS"
    note = Attachment(AttachmentKind.VOICE, "install", "install.ogg")
    message = room.message("", attachments=(note,), addressed=Addressed.DIRECT)
    await bot.core.inbox.accept(Said(message))
    await until(lambda: bool(ear.asked))
    await room.recalls(message.id)
    assert ear.cancelled == 1
    assert room.answers(message.id) == []


async def test_the_language_of_a_room_is_told_to_the_ear(room: BotRoom, ear: Listens) -> None:
    await set_(room, LANGUAGE.name, "en")
    await room.sends_note("install", addressed=Addressed.DIRECT)
    assert ear.languages == ["en"]
