"""``/kb good``, ``/kb bad`` and ``/kb feedback``: what a room teaches the gate about when to speak.

Good and bad are said in words, by a moderator; what reactions suggest counts half, once an admin has confirmed it.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, select

from bot import audit
from bot.commands import Argument, BadArguments, Call, Command, Done, both
from bot.errors import MemberError, UsageError
from bot.event import Edited, Message, Role, RoomKind, Said, load_event
from bot.room_settings import KNOWLEDGE, one_line
from bot.scopes import scope_of
from bot.store import Operation, Store
from bot.tables import deliveries, inbox
from bot.texts import Text
from rag import feedback
from rag.examples import Example, Examples
from rag.feedback import WEIGHT, Rated

SHOWN = 5
SHOWN_CHARS = 120

GOOD_ABOUT = Text(
    zh="例子：这样的消息该回答（写在后面，或回复那条消息）",
    en="an example: such a message should be answered (write it, or reply to it)",
)
BAD_ABOUT = Text(
    zh="例子：这样的消息不该回答（写在后面，或回复那条消息）",
    en="an example: such a message should be left alone (write it, or reply to it)",
)
TEXT_ABOUT = Text(zh="那条消息", en="the message")
FEEDBACK_ABOUT = Text(
    zh="大家点过 👍👎 的回答：看一看，再决定是否让我学", en="answers with 👍 or 👎: look at them, and say what I learn"
)
NUMBER_ABOUT = Text(zh="编号，或 all 全部", en="its number, or all")
RULING_ABOUT = Text(zh="yes 学，no 不学", en="yes: learn it; no: do not")

NOTHING_SAID = Text(
    zh="哪条消息？写在后面，或者回复那条消息。", en="Which message? Write it behind the command, or reply to it."
)
NO_BASE_HERE = Text(zh="这里还没有读任何知识库。", en="This room reads no knowledge base.")
LEARNT = Text(
    zh="记下了（{kind}）。`{base}` 现在有 {good} 条该答、{bad} 条不该答的例子。",
    en="Noted ({kind}). `{base}` has {good} good and {bad} bad examples now.",
)
KINDS = {True: Text(zh="该答", en="to be answered"), False: Text(zh="不该答", en="to be left alone")}
NOTHING_WAITS = Text(zh="没有等着看的 👍👎。", en="No 👍 or 👎 is waiting.")
LINE = Text(zh="**第 {id} 号** 👍{up} 👎{down}（{kind}）{question}", en="**{id}** 👍{up} 👎{down} ({kind}) {question}")
MORE = Text(zh="还有 {count} 条。", en="And {count} more.")
HOW = Text(
    zh="`/kb feedback <编号|all> yes` 让我学，`… no` 不学。",
    en="`/kb feedback <number|all> yes` and I learn it, `… no` and I do not.",
)
NOT_WAITING = Text(zh="没有第 {id} 号在等着看。", en="No {id} is waiting.")
NEEDS_RULING = Text(zh="请写 yes 或 no：`/kb feedback {id} yes`。", en="Say yes or no: `/kb feedback {id} yes`.")
WEIGHED = Text(zh="{count} 条，学了。", en="{count} learnt.")
SET_ASIDE = Text(zh="{count} 条，不学。", en="{count} set aside.")
NOT_ALONE = Text(
    zh="一个人的对话里不能教我；请在群里说。", en="Where we are alone you cannot teach me: say it in the group."
)


class TeachingCommands:
    """``family`` belongs under ``/kb``. ``per_member``: reactions of one member that count."""

    def __init__(self, store: Store, per_member: int) -> None:
        self._store = store
        self._examples = Examples(store)
        self._per_member = per_member
        text = (Argument("text", TEXT_ABOUT, required=False, rest=True),)
        self.family = (
            Command("good", GOOD_ABOUT, self.good, role=Role.MODERATOR, arguments=text, aliases=("该答",)),
            Command("bad", BAD_ABOUT, self.bad, role=Role.MODERATOR, arguments=text, aliases=("不该答",)),
            Command(
                "feedback",
                FEEDBACK_ABOUT,
                self.feedback,
                role=Role.ADMIN,
                arguments=(
                    Argument("number", NUMBER_ABOUT, required=False),
                    Argument(
                        "ruling",
                        RULING_ABOUT,
                        required=False,
                        choices=("yes", "no"),
                        synonyms={"学": "yes", "不学": "no"},
                    ),
                ),
                aliases=("反馈",),
            ),
        )

    async def good(self, call: Call) -> Done:
        return await self._example(call, good=True)

    async def bad(self, call: Call) -> Done:
        return await self._example(call, good=False)

    async def _example(self, call: Call, *, good: bool) -> Done:
        if call.room.kind is RoomKind.DIRECT and call.role < Role.OPERATOR:
            raise MemberError(NOT_ALONE)
        base = _base(call)
        text, author = call.arguments.get("text", ""), ""
        if not text and call.reply_to is not None:
            message = await self._store.read(_message(call.room.key, call.reply_to))
            if message is not None:
                text, author = message.text, message.author.key
        if not text.strip():
            raise BadArguments(NOTHING_SAID)
        await self._learn(base, [Example(text, good, call.member.key, author)])
        counts = await asyncio.to_thread(self._examples.counts, base)
        kind = KINDS[good].in_language(call.language)
        told = LEARNT.in_language(call.language, kind=kind, base=base, good=counts.good, bad=counts.bad)
        return Done(told, write=audit.noted(call, scope_of(call.room), "kb.example", {"base": base, "good": good}))

    async def feedback(self, call: Call) -> Done:
        rated = await self._store.read(
            lambda connection: feedback.waiting(connection, call.room.key, per_member=self._per_member, now=call.at)
        )
        typed = call.arguments.get("number")
        if typed is None:
            return Done(_listed(call, rated))
        chosen = [each for each in rated if typed in ("all", "全部") or typed.lstrip("#") == str(each.number)]
        if not chosen:
            raise BadArguments(both(NOT_WAITING, id=one_line(typed)))
        ruling = call.arguments.get("ruling")
        if ruling is None:
            raise BadArguments(both(NEEDS_RULING, id=one_line(typed)))
        confirmed = ruling == "yes"
        if confirmed:
            # Learnt before it is noted: a crash between the two has it looked at once more, and it is known by then.
            given = [Example(each.question, bool(each.good), call.member.key, each.asker, WEIGHT) for each in chosen]
            await self._learn(_base(call), given)
        said = (WEIGHED if confirmed else SET_ASIDE).in_language(call.language, count=len(chosen))
        return Done(said, write=_weighing(call, chosen, confirmed))

    async def _learn(self, base: str, given: list[Example]) -> None:
        try:
            await asyncio.to_thread(self._examples.add, base, given)
        except UsageError:
            raise MemberError(NO_BASE_HERE) from None


def _base(call: Call) -> str:
    reads = call.values[KNOWLEDGE]
    if not reads:
        raise MemberError(NO_BASE_HERE)
    return reads[0]


def _listed(call: Call, rated: list[Rated]) -> str:
    if not rated:
        return NOTHING_WAITS.in_language(call.language)
    lines = [
        LINE.in_language(
            call.language,
            id=each.number,
            up=each.up,
            down=each.down,
            kind=KINDS[bool(each.good)].in_language(call.language),
            question=one_line(each.question, SHOWN_CHARS),
        )
        for each in rated[:SHOWN]
    ]
    if len(rated) > SHOWN:
        lines.append(MORE.in_language(call.language, count=len(rated) - SHOWN))
    return "\n".join([*lines, "", HOW.in_language(call.language)])


def _message(room_key: str, message_id: str) -> Operation[Message | None]:
    """A member's message, or the one that a message of ours answers."""
    ours = select(deliveries.c.event_id).where(
        deliveries.c.room == room_key, deliveries.c.message_id == message_id, deliveries.c.event_id.is_not(None)
    )
    here = (inbox.c.room == room_key) & ((inbox.c.message_id == message_id) | inbox.c.id.in_(ours))
    spoken = inbox.c.kind.in_(("said", "edited")) & inbox.c.payload.is_not(None)
    query = select(inbox.c.payload).where(here, spoken).order_by(inbox.c.id.desc()).limit(1)

    def read(connection: Connection) -> Message | None:
        payload = connection.scalar(query)
        event = None if payload is None else load_event(payload)
        return event.message if isinstance(event, Said | Edited) else None

    return read


def _weighing(call: Call, chosen: list[Rated], confirmed: bool) -> Operation[object]:
    note = audit.noted(
        call, scope_of(call.room), "kb.feedback", {"answers": [each.number for each in chosen], "confirmed": confirmed}
    )

    def write(connection: Connection) -> None:
        for each in chosen:
            feedback.weigh(connection, call.room.key, each, confirmed=confirmed, by=call.member.key, at=call.at)
        note(connection)

    return write
