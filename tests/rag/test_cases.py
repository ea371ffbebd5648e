"""``/wrong``: what a room saw of a bad answer is kept, moderators rule on it, and it joins the question set."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from bot.commands import Commands
from bot.decision import Outcome, Reason
from bot.event import Role
from bot.retention import Retention
from bot.store import Store
from bot.testing import Bot, BotRoom, PaperPlatform
from rag import cases
from rag.case_commands import CaseCommands
from rag.cases import Reported, Ruled, as_line
from rag.commands import KnowledgeCommands
from rag.evaluate import read_cases
from rag.library import Library
from rag.sources import Sources
from rag.tables import cases as case_rows
from rag.upload_commands import UploadCommands
from tests.clock import ManualClock


@pytest.fixture
async def bot(store: Store, clock: ManualClock, library: Library) -> AsyncIterator[Bot]:
    commands = CaseCommands(store, per_day=2)
    platform = PaperPlatform(roles={"mia": Role.MODERATOR})
    family = KnowledgeCommands(
        library, UploadCommands(store, library, {}), Sources(library, clock), commands.family
    ).command
    async with Bot(store, clock, platform=platform, commands=Commands((family, commands.wrong))) as opened:
        yield opened


async def kept(store: Store) -> list[Reported]:
    return await store.read(cases.listed)


async def answered(room: BotRoom, text: str = "@毛豆 豆子几月种？") -> tuple[str, str]:
    """The ids of a question and of its answer."""
    question = await room.says(text, by="anna")
    (answer,) = [each.id for each in room.platform.shown.values() if each.reply_to == question]
    return question, answer


async def test_a_reply_to_the_answer_keeps_what_the_room_saw(bot: Bot, store: Store) -> None:
    room = bot.room()
    _, answer = await answered(room)
    await room.says("/wrong 应该是五月", by="ben", reply_to=answer)
    room.heard("第 1 号")
    (case,) = await kept(store)
    assert (case.question, case.cited, case.note, case.reports) == ("豆子几月种？", ("guide.md",), "应该是五月", 1)
    assert case.addressed
    assert "echo: 豆子几月种？" in case.answer


async def test_a_reply_to_the_question_means_its_answer_and_no_reply_means_the_last(bot: Bot, store: Store) -> None:
    room = bot.room()
    first, _ = await answered(room, "@maodou When do I plant beans?")
    await answered(room, "@maodou And peas?")
    await room.says("/wrong", by="ben")
    room.heard("“And peas?”")
    await room.says("/wrong", by="ben", reply_to=first)
    room.heard("“When do I plant beans?”")
    questions = [(case.question, case.earlier) for case in await kept(store)]
    assert questions == [("And peas?", ("When do I plant beans?",)), ("When do I plant beans?", ())]


async def test_a_second_member_adds_to_the_case(bot: Bot, store: Store) -> None:
    room = bot.room()
    _, answer = await answered(room)
    for by, note in (("ben", "五月"), ("ben", "五月"), ("cleo", "不是三月")):
        await room.says(f"/wrong {note}", by=by, reply_to=answer)
    (case,) = await kept(store)
    assert (case.note, case.reports) == ("五月\n不是三月", 2)


async def test_what_cannot_be_meant_and_too_many_reports_are_told(bot: Bot, store: Store, clock: ManualClock) -> None:
    room = bot.room()
    await room.says("/wrong", by="ben")
    room.heard("I do not find the answer")
    for number in range(2):
        _, answer = await answered(room, f"@毛豆 问题 {number}？")
        await room.says("/wrong", by="ben", reply_to=answer)
    _, answer = await answered(room, "@毛豆 问题三？")
    await room.says("/wrong", by="ben", reply_to=answer)
    room.heard("明天再来")
    assert len(await kept(store)) == 2


async def test_a_moderator_sees_the_cases_of_this_room_alone_and_closes_them(bot: Bot, store: Store) -> None:
    room, other = bot.room(), bot.room("r2")
    _, answer = await answered(room)
    await room.says("/wrong 应该是五月", by="ben", reply_to=answer)
    await other.says("/kb cases", by="mia")
    other.heard("nothing open")
    await other.says("/kb close 1 drop", by="mia")
    other.heard("no case 1 here")
    await room.says("/kb cases", by="ben")
    room.heard("只有")
    await room.says("/kb cases", by="mia")
    told = room.heard("成员说：应该是五月")
    assert "答：echo: 豆子几月种？" in told
    assert "来源" not in told, "the files have a line of their own"
    await room.says("/kb close 1 answer", by="mia")
    room.heard("哪个文件")
    await room.says("/kb close 1 answer zh/beans.md, en/beans.md", by="mia")
    room.heard("Case 1: should have been answered so.")
    await room.says("/kb cases", by="mia")
    room.heard("nothing open")
    assert (await kept(store))[0].verdict is Ruled.ANSWER


async def test_closed_cases_are_lines_of_the_question_set(bot: Bot, store: Store) -> None:
    room = bot.room()
    for number, ruling in enumerate(("answer beans.md", "silent", "drop"), start=1):
        _, answer = await answered(room, f"@毛豆 第{number}个问题？")
        await room.says("/wrong", by=f"m{number}", reply_to=answer)
        await room.says(f"/kb close {number} {ruling}", by="mia")
    closed = await store.read(lambda connection: cases.of_base(connection, "default", (Ruled.ANSWER, Ruled.SILENT)))
    lines = [as_line(case.as_case()) for case in closed]
    assert lines == [
        '{"text": "第1个问题？", "expect": "answer", "source": ["beans.md"], "addressed": true}',
        '{"text": "第2个问题？", "expect": "silent", "addressed": true}',
    ]
    assert [case.expect for case in read_cases(lines)] == ["answer", "silent"]
    dropped = (await kept(store))[2]
    with pytest.raises(ValueError, match="dropped"):
        dropped.as_case()


async def test_the_last_answer_is_none_that_asked_back_and_none_to_a_command(bot: Bot, store: Store) -> None:
    room = bot.room()
    await answered(room, "@maodou When do I plant beans?")
    await room.says("@maodou", by="anna")
    assert (await room.decision()).outcome == Outcome.ASKED_BACK
    await room.says("/kb list", by="ben")
    await room.says("/wrong", by="ben")
    room.heard("“When do I plant beans?”")
    assert [case.question for case in await kept(store)] == ["When do I plant beans?"]


async def test_a_case_goes_with_its_question_its_asker_and_its_time(bot: Bot, store: Store, clock: ManualClock) -> None:
    retention = Retention(store, clock, 30, 7, erasers=(cases.CASES,))
    room = bot.room()
    for number, by in enumerate(("anna", "anna", "otto", "otto"), start=1):
        question = await room.says(f"@毛豆 第{number}个问题？", by=by)
        await room.says("/wrong", by=f"m{number}", reply_to=question)
        if number == 1:
            await store.write(retention.erase_message(room.room, question))
    assert [case.id for case in await kept(store)] == [2, 3, 4]
    await store.write(retention.erase_member(room.member("anna")))
    assert [case.id for case in await kept(store)] == [3, 4]
    await room.says("/kb close 3 silent", by="mia")
    await clock.advance(31 * cases.DAY_S)
    await retention.sweep()
    assert [case.id for case in await kept(store)] == [3], "what a moderator closed is kept"


async def test_a_command_is_no_answer(bot: Bot) -> None:
    room = bot.room()
    await room.says("/kb list", by="ben")
    (said,) = [each.id for each in room.platform.shown.values()]
    await room.says("/wrong", by="ben", reply_to=said)
    room.heard("I do not find the answer")
    assert (await room.decision()).reason == Reason.BAD_ARGUMENTS


async def test_words_of_others_in_a_case_go_with_them_and_with_their_messages(
    bot: Bot, store: Store, clock: ManualClock
) -> None:
    """What was said before a follow-up, and what members say is wrong: neither is the asker's."""
    retention = Retention(store, clock, 30, 7, erasers=(cases.CASES,))
    room = bot.room()
    first = await room.says("When do I plant beans?", by="cleo")
    await room.says("When do I plant leeks?", by="dora")
    question, _ = await answered(room, "@maodou And peas?")
    notes = {
        by: await room.says(f"/wrong not so, says {by}", by=by, reply_to=question) for by in ("ben", "eva", "otto")
    }
    (case,) = await kept(store)
    assert case.earlier == ("When do I plant beans?", "When do I plant leeks?")
    await store.write(retention.erase_message(room.room, notes["eva"]))
    await store.write(retention.erase_message(room.room, first))
    (case,) = await kept(store)
    assert (case.note, case.earlier) == ("not so, says ben\nnot so, says otto", ("When do I plant leeks?",))
    for by in ("otto", "dora"):
        await store.write(retention.erase_member(room.member(by)))
    (case,) = await kept(store)
    assert (case.note, case.earlier) == ("not so, says ben", ())


async def test_a_case_from_before_goes_with_whoever_reported_it(bot: Bot, store: Store, clock: ManualClock) -> None:
    room = bot.room()
    question, _ = await answered(room)
    await room.says("/wrong not so", by="ben", reply_to=question)
    older = update(case_rows).values(note_by=None, earlier_by=None, note="not so\nand so")
    await store.write(lambda connection: connection.execute(older))
    await store.write(Retention(store, clock, erasers=(cases.CASES,)).erase_member(room.member("ben")))
    assert [case.note for case in await kept(store)] == [""]
