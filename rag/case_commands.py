"""``/wrong``, ``/kb cases`` and ``/kb close``: an answer that was wrong, and what moderators make of it.

Members of a room report its answers, its moderators see and close them; no other room's.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from bot import audit
from bot.commands import Argument, BadArguments, Call, Command, Done, both
from bot.errors import MemberError
from bot.event import Role
from bot.plain import plain_answer
from bot.room_settings import KNOWLEDGE, one_line
from bot.scopes import scope_of
from bot.store import Operation, Store
from bot.texts import Text
from rag import cases
from rag.cases import DAY_S, Reported, Ruled

SHOWN_CASES = 5
SHOWN_CHARS = 160
NAMED_CHARS = 40
"""Of the question whose answer was reported: a member who replied to nothing sees which one was meant."""

WRONG_ABOUT = Text(
    zh="回复我的一条回答，说它答错了；后面可以写哪里错、应该是什么",
    en="in reply to an answer of mine: it was wrong; say after it what was, or what is right",
)
NOTE_ABOUT = Text(zh="哪里错了，应该是什么", en="what was wrong, or what is right")
CASES_ABOUT = Text(zh="本群里被说答错的回答", en="answers of this room that were called wrong")
CLOSE_ABOUT = Text(
    zh="给一条答错的记录下结论：本该这样答、本不该说话、或不算",
    en="rule on a wrong answer: it should have been answered, not at all, or it counts for nothing",
)
NUMBER_ABOUT = Text(zh="记录的编号", en="the case's number")
VERDICT_ABOUT = Text(
    zh="answer 文档里有答案，silent 本不该说话，drop 不算",
    en="answer: the documents have it; silent: nobody asked; drop: it counts for nothing",
)
SOURCE_ABOUT = Text(zh="答案在哪个文件里", en="the file that holds the answer")

NO_ANSWER = Text(
    zh="没有找到你说的那条回答。请回复我的那条回答，再发 `/wrong`；太久以前的已经删掉了。",
    en="I do not find the answer that you mean. Reply to it with `/wrong`; what is long ago has been erased.",
)
TOO_MANY = Text(
    zh="你今天已经报告了 {count} 条，明天再来吧。", en="You have reported {count} answers today: more tomorrow, please."
)
NOTED = Text(
    zh="记下了（第 {id} 号，“{question}”），协管员会看到。对不起，答错了。",
    en="Noted (number {id}, “{question}”); the moderators will see it. Sorry for that.",
)
NOTHING_OPEN = Text(zh="没有待处理的记录。", en="There is nothing open.")
CASE_LINE = Text(
    zh="**第 {id} 号** {question}\n  答：{answer}\n  引用：{cited}",
    en="**{id}** {question}\n  answered: {answer}\n  from: {cited}",
)
NOTE_LINE = Text(zh="  成员说：{note}", en="  members say: {note}")
MORE = Text(zh="还有 {count} 条。", en="And {count} more.")
HOW = Text(
    zh="下结论：`/kb close <编号> answer <文件>`、`/kb close <编号> silent` 或 `/kb close <编号> drop`。",
    en="To rule: `/kb close <number> answer <file>`, `/kb close <number> silent` or `/kb close <number> drop`.",
)
NO_CASE = Text(zh="这里没有第 {id} 号记录。", en="There is no case {id} here.")
NO_SOURCE = Text(
    zh="请写上答案在哪个文件里：`/kb close {id} answer <文件>`。",
    en="Say which file holds the answer: `/kb close {id} answer <file>`.",
)
CLOSED = Text(zh="第 {id} 号：{verdict}。", en="Case {id}: {verdict}.")
VERDICTS = {
    Ruled.OPEN: Text(zh="待处理", en="open"),
    Ruled.ANSWER: Text(zh="本该这样答", en="should have been answered so"),
    Ruled.SILENT: Text(zh="本不该说话", en="should have been silent"),
    Ruled.DROPPED: Text(zh="不算", en="counts for nothing"),
}
_RULED = {"answer": Ruled.ANSWER, "silent": Ruled.SILENT, "drop": Ruled.DROPPED}


class CaseCommands:
    """``wrong`` is a command of its own, ``family`` belongs under ``/kb``. ``per_day``: reports of one member."""

    def __init__(self, store: Store, per_day: int) -> None:
        self._store = store
        self._per_day = per_day
        self.wrong = Command(
            "wrong",
            WRONG_ABOUT,
            self.report,
            arguments=(Argument("note", NOTE_ABOUT, required=False, rest=True),),
            aliases=("答错了", "不对"),
        )
        number = Argument("case", NUMBER_ABOUT)
        ruling = Argument(
            "ruling",
            VERDICT_ABOUT,
            choices=tuple(_RULED),
            synonyms={"该答": "answer", "别说话": "silent", "不算": "drop"},
        )
        source = Argument("source", SOURCE_ABOUT, required=False, rest=True)
        self.family = (
            Command("cases", CASES_ABOUT, self.show, role=Role.MODERATOR, aliases=("答错",)),
            Command(
                "close",
                CLOSE_ABOUT,
                self.close,
                role=Role.MODERATOR,
                arguments=(number, ruling, source),
                aliases=("结论",),
            ),
        )

    async def report(self, call: Call) -> Done:
        """Kept before the word about it, which names its number; taken up again after a crash it is the same case."""
        wrong = await self._store.read(
            lambda connection: cases.answer_of(connection, call.room, call.reply_to, call.event_id, call.at)
        )
        if wrong is None:
            raise BadArguments(NO_ANSWER)
        made = await self._store.read(
            lambda connection: cases.reported_since(connection, call.member.key, call.at - DAY_S)
        )
        if made >= self._per_day:
            raise MemberError(TOO_MANY, count=made)
        reads = call.values[KNOWLEDGE]
        number = await self._store.write(
            partial(
                cases.report,
                room=call.room,
                wrong=wrong,
                bases=reads,
                note=call.arguments.get("note", ""),
                by=call.member.key,
                at=call.at,
                message_id=call.message_id or "",
            )
        )
        question = one_line(wrong.question, NAMED_CHARS)
        return Done(NOTED.in_language(call.language, id=number, question=question), details={"case": number})

    async def show(self, call: Call) -> Done:
        found = await self._store.read(
            lambda connection: cases.listed(connection, room_key=call.room.key, verdicts=(Ruled.OPEN,))
        )
        if not found:
            return Done(NOTHING_OPEN.in_language(call.language))
        lines = [_told(call.language, each) for each in found[:SHOWN_CASES]]
        if len(found) > SHOWN_CASES:
            lines.append(MORE.in_language(call.language, count=len(found) - SHOWN_CASES))
        return Done("\n\n".join([*lines, HOW.in_language(call.language)]))

    async def close(self, call: Call) -> Done:
        typed, ruled = call.arguments["case"].lstrip("#"), _RULED[call.arguments["ruling"]]
        source = call.arguments.get("source")
        known = {each.id for each in await self._here(call)}
        if not typed.isdecimal() or int(typed) not in known:
            raise BadArguments(both(NO_CASE, id=one_line(typed)))
        if ruled is Ruled.ANSWER and not source:
            raise BadArguments(both(NO_SOURCE, id=typed))
        files = tuple(part.strip() for part in (source or "").split(",") if part.strip())
        number = int(typed)
        text = CLOSED.in_language(call.language, id=number, verdict=VERDICTS[ruled].in_language(call.language))
        return Done(text, write=_closing(call, number, ruled, files))

    async def _here(self, call: Call) -> list[Reported]:
        return await self._store.read(lambda connection: cases.listed(connection, room_key=call.room.key))


def _told(language: str, case: Reported) -> str:
    cited = "、".join(case.cited) if language == "zh" else ", ".join(case.cited)
    answer = one_line(plain_answer(case.answer), SHOWN_CHARS)
    line = CASE_LINE.in_language(
        language, id=case.id, question=one_line(case.question, SHOWN_CHARS), answer=answer, cited=cited or "–"
    )
    return f"{line}\n{NOTE_LINE.in_language(language, note=one_line(case.note, SHOWN_CHARS))}" if case.note else line


def _closing(call: Call, number: int, ruled: Ruled, files: tuple[str, ...]) -> Operation[object]:
    closing = cases.close(number, ruled, files, by=call.member.key, at=call.at, room_key=call.room.key)
    new = {"case": number, "verdict": ruled.value, "source": list(files)}
    note = audit.noted(call, scope_of(call.room), "kb.case", new)

    def write(connection: Connection) -> None:
        closing(connection)
        note(connection)

    return write
