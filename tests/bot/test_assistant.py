"""What becomes of a message: one line says it, one line says what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.decision import Outcome, Reason
from bot.delivery import Delivery
from bot.errors import StoreError, TryLater
from bot.event import Added, Addressed, Attachment, AttachmentKind, Edited, Pressed, Reacted, Role, RoomKind, Said
from bot.ports import Shown, Verdict
from bot.room_settings import MUTED_UNTIL, UNASKED, UNASKED_PAUSE_S, UNASKED_PER_HOUR
from bot.store import Store
from bot.testing import EVERYTHING, Bot, BotRoom, Echo, KnowsEverything, PaperPlatform
from tests.clock import ManualClock
from tests.waiting import advance_until, until


async def test_whoever_mentions_it_is_answered_with_the_source(room: BotRoom) -> None:
    await room.says("@毛豆 怎么安装？")
    answer = room.heard("echo: 怎么安装？")
    assert "**来源**" in answer
    assert "- [1] guide.md › Guide" in answer


async def test_the_answer_speaks_the_language_of_the_question(room: BotRoom) -> None:
    await room.says("@maodou how do I install it?")
    room.heard("**Sources**")


async def test_it_stays_silent_when_nobody_asked(room: BotRoom) -> None:
    await room.says("今天天气真好")
    await room.silent(Reason.NOT_ADDRESSED)


async def test_a_redelivered_message_is_answered_once(room: BotRoom) -> None:
    await room.says("@毛豆 在吗", id="m1")
    await room.says("@毛豆 在吗", id="m1")
    room.heard("在吗", "m1")


@pytest.mark.parametrize("text", ["毛豆，怎么安装？", "Maodou: how to install", "@毛豆 怎么装"])
async def test_its_name_at_the_beginning_speaks_to_it(room: BotRoom, text: str) -> None:
    await room.says(text)
    assert len(room.answers()) == 1


async def test_a_word_about_it_does_not_speak_to_it(room: BotRoom) -> None:
    await room.says("毛豆很好吃")
    await room.silent(Reason.NOT_ADDRESSED)


async def test_a_bare_mention_gets_a_word(room: BotRoom) -> None:
    await room.says("@毛豆")
    room.heard("我在")


async def test_it_never_answers_a_bot(room: BotRoom) -> None:
    await room.says("@毛豆 你好", by="other-bot", is_bot=True)
    await room.silent(Reason.FROM_BOT)


async def test_the_documents_hold_no_answer(store: Store, clock: ManualClock) -> None:
    knowledge = KnowsEverything(Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS)
    async with Bot(store, clock, knowledge=knowledge) as bot:
        room = bot.room()
        await room.says("@毛豆 火星上有水吗")
        room.heard("文档里没有找到")
        assert (await room.decision()).outcome == Outcome.NOTHING_FOUND


async def test_an_unclear_question_is_asked_back(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, knowledge=KnowsEverything(Verdict.ASK_BACK, Reason.UNCLEAR)) as bot:
        room = bot.room()
        await room.says("@maodou it does not work")
        room.heard("what error you saw")


async def test_a_voice_note_is_kept_and_its_author_told(room: BotRoom) -> None:
    note = Attachment(AttachmentKind.VOICE, "ref")
    await room.says("", attachments=(note,), addressed=Addressed.DIRECT)
    room.heard("语音")
    assert (await room.decision()).reason == Reason.NO_EAR
    await room.says("", attachments=(note,), by="ben")
    await room.silent(Reason.NOT_ADDRESSED)


# ── unasked ──────────────────────────────────────────────────────────────────────────────────────────────


async def allow(room: BotRoom, **values: object) -> None:
    for name, value in values.items():
        await room.core.store.write(room.core.scopes.change(f"room:{room.room.key}", name, value, who="test"))


async def test_unasked_it_waits_for_a_person_to_answer_first(room: BotRoom, clock: ManualClock) -> None:
    await allow(room, **{UNASKED.name: "helpful", UNASKED_PAUSE_S.name: 20})
    await room.says("怎么安装？")
    assert room.answers() == []
    await clock.advance(21)
    await eventually(room)
    room.heard("怎么安装")


async def test_unasked_it_leaves_the_word_to_a_person(room: BotRoom, clock: ManualClock) -> None:
    await allow(room, **{UNASKED.name: "helpful", UNASKED_PAUSE_S.name: 20})
    question = await room.says("怎么安装？", by="anna")
    await room.says("用 pip 就行", by="ben")
    await clock.advance(21)
    await eventually(room)
    await room.silent(Reason.PERSON_ANSWERED, question)


async def test_unasked_it_speaks_only_so_often(room: BotRoom, clock: ManualClock) -> None:
    await allow(room, **{UNASKED.name: "helpful", UNASKED_PAUSE_S.name: 0, UNASKED_PER_HOUR.name: 1})
    await room.says("第一个问题？")
    room.heard("第一个问题")
    await room.says("第二个问题？")
    await room.silent(Reason.HOURLY_LIMIT)
    await clock.advance(3700)
    await room.says("第三个问题？")
    room.heard("第三个问题")


async def eventually(room: BotRoom) -> None:
    """Work that a timer started has begun and ended."""
    for _ in range(50):
        await asyncio.sleep(0.01)
        await room.core.idle()


async def test_a_muted_room_is_left_alone(room: BotRoom, clock: ManualClock) -> None:
    await allow(room, **{MUTED_UNTIL.name: clock.now() + 60})
    await room.says("@毛豆 怎么安装？")
    await room.silent(Reason.MUTED)
    await clock.advance(61)
    await room.says("@毛豆 怎么安装？")
    assert len(room.answers()) == 1


# ── late ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_after_an_outage_a_room_gets_one_late_word(room: BotRoom) -> None:
    first = await room.says("@毛豆 一", sent_ago_s=3 * 3600)
    others = [await room.says(f"@毛豆 {number}", sent_ago_s=3 * 3600) for number in range(5)]
    unasked = await room.says("随便聊聊", sent_ago_s=3 * 3600)
    room.heard("错过了一些消息", first)
    for other in (*others, unasked):
        await room.silent(Reason.STALE, other)


async def test_each_room_has_its_own_late_word(bot: Bot) -> None:
    for name in ("r1", "r2"):
        room = bot.room(name)
        await room.says("@毛豆 一", sent_ago_s=3600)
        room.heard("错过")


# ── recalls, edits, reactions, greetings ─────────────────────────────────────────────────────────────────


async def test_a_recalled_question_takes_its_answer_along(room: BotRoom) -> None:
    message_id = await room.says("@毛豆 说错了")
    await room.recalls(message_id)
    assert room.shown == []
    assert (await room.decision(message_id)).payload is None


async def test_a_recall_that_overtook_its_message_is_heeded(room: BotRoom) -> None:
    await room.recalls("m9")
    await room.says("@毛豆 说错了", id="m9")
    await room.silent(Reason.RECALLED, "m9")


async def test_an_edited_question_is_answered_in_place(room: BotRoom, clock: ManualClock) -> None:
    message_id = await room.says("@毛豆 怎么安庄？")
    edited = room.message("@毛豆 怎么安装？", id=message_id)
    await room.happens(Edited(edited, clock.now()))
    assert "怎么安装" in room.heard("echo", message_id)


async def test_an_answer_whose_question_became_chat_is_taken_back(room: BotRoom, clock: ManualClock) -> None:
    message_id = await room.says("@毛豆 怎么安装？")
    await room.happens(Edited(room.message("没事了", id=message_id), clock.now()))
    assert room.shown == []


async def test_a_thumb_on_an_answer_is_noted_and_can_be_changed(room: BotRoom, clock: ManualClock) -> None:
    await room.says("@毛豆 怎么安装？")
    ours = next(iter(room.platform.shown))
    for emoji, expected in ((("👍",), [1]), (("👎",), [-1]), ((), [])):
        await room.happens(Reacted(room.room, ours, room.member("anna"), emoji, clock.now()))
        rows = await room.core.store.read(lambda c: c.exec_driver_sql("select value from feedback").scalars().all())
        assert rows == expected
        await clock.advance(1)


async def test_it_introduces_itself_once(room: BotRoom, clock: ManualClock) -> None:
    await room.happens(Added(room.room, clock.now(), id="1"), Added(room.room, clock.now(), id="2"))
    assert len(room.shown) == 1
    assert "毛豆" in room.shown[0]
    assert "Maodou" in room.shown[0]


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────


class Broken(KnowsEverything):
    async def judge(self, question: object) -> object:  # type: ignore[override]
        raise RuntimeError("boom")


async def test_a_failure_is_an_apology_to_the_addressed_alone(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, knowledge=Broken()) as bot:  # type: ignore[arg-type]
        room = bot.room()
        await allow(room, **{UNASKED.name: "helpful"})
        await room.says("@毛豆 怎么安装？")
        room.heard("抱歉")
        await room.says("怎么安装？")
        assert room.answers() == []
        assert (await room.decision()).outcome == Outcome.FAILED


async def test_what_takes_too_long_ends_in_an_apology(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo("a", delay_s=5), answer_deadline_s=0.1) as bot:
        room = bot.room()
        await room.says("@毛豆 怎么安装？")
        room.heard("花的时间太长")
        assert (await room.decision()).reason == Reason.TIMEOUT


class NoSecrets:
    async def show(self, room: object, text: str) -> Shown:
        return Shown(None if "secret" in text else text)


async def test_a_sentence_that_the_screen_stops_is_not_shown(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo("fine [1]. ", "a secret [1]."), screen=NoSecrets()) as bot:
        room = bot.room()
        await room.says("@maodou what is it?")
        assert "secret" not in room.heard("fine")


async def test_an_answer_that_is_all_stopped_is_refused(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo("a secret"), screen=NoSecrets()) as bot:
        room = bot.room()
        await room.says("@maodou what is it?")
        room.heard("may not be shown")
        assert (await room.decision()).reason == Reason.SCREENED


async def test_a_muted_room_gets_no_late_word_either(room: BotRoom, clock: ManualClock) -> None:
    await allow(room, **{MUTED_UNTIL.name: clock.now() + 60})
    await room.says("@毛豆 一", sent_ago_s=3600)
    await room.silent(Reason.STALE)


# ── edits that meet something else ───────────────────────────────────────────────────────────────────────


async def test_a_late_edit_is_answered_anew_and_not_with_a_late_word(room: BotRoom, clock: ManualClock) -> None:
    message_id = await room.says("@毛豆 怎么安庄？")
    await clock.advance(660)
    edited = replace(room.message("@毛豆 怎么安装？", id=message_id), sent_at=clock.now() - 660)
    await room.happens(Edited(edited, clock.now()))
    assert "怎么安装" in room.heard("echo", message_id)


async def test_an_edit_in_a_muted_room_leaves_the_answer_standing(room: BotRoom, clock: ManualClock) -> None:
    message_id = await room.says("@毛豆 怎么安庄？")
    await allow(room, **{MUTED_UNTIL.name: clock.now() + 60})
    await room.happens(Edited(room.message("@毛豆 怎么安装？", id=message_id), clock.now()))
    room.heard("怎么安庄", message_id)


async def test_an_answer_that_was_taken_back_comes_again_as_a_new_message(room: BotRoom, clock: ManualClock) -> None:
    message_id = await room.says("@毛豆 怎么安装？")
    for text in ("没事了", "@毛豆 怎么升级？"):
        await clock.advance(1)
        await room.happens(Edited(room.message(text, id=message_id), clock.now()))
    room.heard("怎么升级", message_id)


async def test_an_edit_while_the_answer_is_on_its_way_leaves_one_answer(room: BotRoom, clock: ManualClock) -> None:
    def not_yet(delivery: Delivery) -> None:
        if "安庄" in delivery.content.text:
            raise TryLater(after_s=5)

    room.platform.on_send = not_yet
    await room.core.inbox.accept(Said(room.message("@毛豆 怎么安庄？", id="m1")))
    await until(lambda: room.platform.attempts)
    await room.core.inbox.accept(Edited(room.message("@毛豆 怎么安装？", id="m1"), clock.now()))
    await advance_until(clock, lambda: room.answers("m1"))
    await room.core.idle()
    room.heard("怎么安装", "m1")


async def test_a_recall_does_not_wait_for_a_platform_that_is_down(room: BotRoom, clock: ManualClock) -> None:
    def down(delivery: Delivery) -> None:
        raise ConnectionError("down")

    room.platform.on_send = down
    await room.core.inbox.accept(Said(room.message("@毛豆 说错了", id="m1")))
    await until(lambda: room.platform.attempts)
    await room.recalls("m1")
    room.platform.on_send = lambda delivery: None
    await clock.advance(120)
    await eventually(room)
    assert room.shown == []
    assert (await room.decision("m1")).payload is None


async def test_a_recalled_command_does_nothing(room: BotRoom, store: Store) -> None:
    room.platform.roles["anna"] = Role.ADMIN
    await room.recalls("m9")
    await room.says("@毛豆 /mute 2h", id="m9")
    await room.says("@毛豆 在吗")
    assert len(room.answers()) == 1


# ── its name ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_calls_it_by_name_gets_the_apology_too(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, knowledge=Broken()) as bot:  # type: ignore[arg-type]
        room = bot.room()
        await room.says("毛豆，怎么安装？")
        room.heard("抱歉")
        assert (await room.decision()).addressed


async def test_a_command_after_its_name_is_a_command(room: BotRoom) -> None:
    await room.says("毛豆 /help")
    assert (await room.decision()).reason == Reason.COMMAND


async def test_an_unknown_command_is_told_where_no_other_bot_can_be_meant(store: Store, clock: ManualClock) -> None:
    alone = PaperPlatform(replace(EVERYTHING, only_bot=True))
    async with Bot(store, clock, platform=alone) as bot:
        room = bot.room()
        await room.says("/hlep")
        room.heard("`/help`")
        assert (await room.decision()).reason == Reason.UNKNOWN_COMMAND


async def test_an_unknown_command_in_a_direct_room_is_told_and_in_a_group_may_be_another_bots(
    store: Store, clock: ManualClock
) -> None:
    async with Bot(store, clock) as bot:
        direct, group = bot.room("d1", kind=RoomKind.DIRECT), bot.room("g1")
        await direct.says("/nonsense")
        direct.heard("/nonsense")
        await group.says("/nonsense")
        await group.silent(Reason.NOT_ADDRESSED)


# ── the language of a command ────────────────────────────────────────────────────────────────────────────


async def test_a_command_is_answered_in_the_language_of_the_room(room: BotRoom, clock: ManualClock) -> None:
    await room.says("大家早上好")
    await room.says("/help")
    room.heard("列出我会做的事")
    await room.happens(Pressed(room.room, room.member("anna"), "i1", clock.now(), command="/help"))
    room.heard("列出我会做的事", "i1")
    await room.happens(Pressed(room.room, room.member("ben"), "i2", clock.now(), command="/help", language="en"))
    room.heard("list what I can do", "i2")


async def test_a_database_that_cannot_be_read_for_a_moment_costs_no_answer(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bot(store, clock) as bot:
        room, read, failures = bot.room(), store.read_now, [1, 1]

        def flaky(query: object) -> object:
            if failures:
                failures.pop()
                raise StoreError("The database cannot be read: restarting")
            return read(query)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "read_now", flaky)
        await bot.core.inbox.accept(Said(room.message("@毛豆 在吗", id="m1")))
        await advance_until(clock, lambda: room.answers("m1"), most_s=60)
        room.heard("在吗", "m1")
