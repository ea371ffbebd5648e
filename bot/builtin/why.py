"""``/why``: what became of a message, read back from its one decision and its deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select

from bot.commands import Argument, Call, Command, Done, both
from bot.decision import Outcome, Reason
from bot.delivery import DeliveryState
from bot.durations import say_duration
from bot.errors import MemberError, NotAllowed
from bot.event import Role
from bot.reasons import STATES, headline
from bot.room_settings import one_line
from bot.store import Operation, Store
from bot.tables import deliveries, inbox
from bot.texts import Text

ABOUT = Text(zh="说明我为什么那样回答，或者为什么不说话", en="tell why I answered as I did, or why I was silent")
ARGUMENT = Text(
    zh="消息的编号；也可以直接回复那条消息", en="the message's id; or reply to the message with this command"
)
NOTHING_YET = Text(zh="这里还没有可以说明的消息。", en="There is no message here to tell about yet.")
NOT_KNOWN = Text(
    zh="没有这条消息的记录。记录最多保存 {kept}。",
    en="I have no record of that message. Records are kept for {kept} at most.",
)
NO_SUCH_ID = Text(
    zh="我没有编号“{typed}”的消息的记录。`/why` 要回复一条消息来用，或者写上消息的编号。记录最多保存 {kept}。",
    en="I have no record of a message “{typed}”. `/why` wants to be a reply to a message, or a message's id after it. "
    "Records are kept for {kept} at most.",
)
NOT_YOURS = Text(
    zh="这是别人的消息，只有协管员以上可以看；`/why` 可以说明你自己的消息。",
    en="That is somebody else's message, for moderators to look into; `/why` tells about your own.",
)
WAITING = Text(
    zh="还没有决定：先等别人回答，再过 {left} 才轮到我。",
    en="Not decided yet: a person may answer first; my turn comes in {left}.",
)
WORKING = Text(zh="还没有决定：正在处理，或者在排队。", en="Not decided yet: it is being worked on, or waits its turn.")
WHEN = Text(
    zh="消息 `{message}`，{ago}前收到，{took}后有了决定",
    en="message `{message}`, received {ago} ago, decided after {took}",
)
WHEN_OTHER = Text(zh="{ago}前收到，{took}后有了决定", en="received {ago} ago, decided after {took}")
WHEN_OPEN = Text(zh="消息 `{message}`，{ago}前收到", en="message `{message}`, received {ago} ago")
PART = Text(zh="第 {part} 条：{state}，试了 {attempts} 次", en="part {part}: {state}, attempts: {attempts}")
BY_ITSELF = Text(zh="这是我自己发的，不是对某条消息的回答。", en="I sent this by myself; it answers no message.")
NO_DELIVERY = Text(zh="没有发出任何消息", en="nothing was sent")

EXPLAINED = ("said", "edited", "pressed")
MAX_DETAIL_CHARS = 80


@dataclass(frozen=True, slots=True)
class Story:
    """An event's row, None for what we sent by ourselves, and the rows of its deliveries."""

    event: RowMapping | None
    deliveries: Sequence[RowMapping]


class Why:
    def __init__(self, store: Store, retention_days: float) -> None:
        self._store = store
        self._retention_days = retention_days
        self.command = Command(
            "why",
            ABOUT,
            self.run,
            arguments=(Argument("message", ARGUMENT, required=False),),
            aliases=("为什么", "为啥"),
        )

    async def run(self, call: Call) -> Done:
        """Moderators see every message of the room, a member their own."""
        wanted = call.arguments.get("message") or call.reply_to
        sees_all = call.role >= Role.MODERATOR
        if wanted is None:
            story = await self._store.read(
                _last_story(call.room.key, call.event_id, None if sees_all else call.member.key)
            )
        else:
            story = await self._store.read(_story_of(call.room.key, wanted))
        if story is None:
            kept = say_duration(self._retention_days * 86_400, call.language)
            if wanted is None:
                raise MemberError(Text(NOTHING_YET.zh, NOTHING_YET.en))
            if (typed := call.arguments.get("message")) is not None:
                raise MemberError(both(NO_SUCH_ID, typed=one_line(typed), kept=kept))
            raise MemberError(NOT_KNOWN, kept=kept)
        if not sees_all and (story.event is None or story.event["member"] != call.member.key):
            raise NotAllowed(NOT_YOURS)
        return Done("\n".join(_told(story, call, show_errors=sees_all)))


def _last_story(room: str, asking: int, member: str | None) -> Operation[Story | None]:
    """The last decided message of a room, or of a member in it; commands that went well are no riddle."""
    decided = (inbox.c.room == room) & inbox.c.outcome.is_not(None) & (inbox.c.id != asking)
    riddles = inbox.c.kind.in_(EXPLAINED) & (inbox.c.reason != Reason.COMMAND.value)
    query = select(inbox).where(decided, riddles).order_by(inbox.c.id.desc()).limit(1)
    if member is not None:
        query = query.where(inbox.c.member == member)

    def read(connection: Connection) -> Story | None:
        event = connection.execute(query).mappings().first()
        return None if event is None else Story(event, _deliveries_of(connection, event["id"]))

    return read


def _story_of(room: str, message_id: str) -> Operation[Story | None]:
    """Of a member's message (its latest edit), or of one of ours."""

    def read(connection: Connection) -> Story | None:
        theirs = (inbox.c.room == room) & (inbox.c.message_id == message_id) & inbox.c.kind.in_(("said", "edited"))
        event = connection.execute(select(inbox).where(theirs).order_by(inbox.c.id.desc()).limit(1)).mappings().first()
        if event is not None:
            return Story(event, _deliveries_of(connection, event["id"]))
        ours = (deliveries.c.room == room) & (deliveries.c.message_id == message_id)
        sent = connection.execute(select(deliveries).where(ours).order_by(deliveries.c.id)).mappings().first()
        if sent is None:
            return None
        if sent["event_id"] is None:
            return Story(None, (sent,))
        event = connection.execute(select(inbox).where(inbox.c.id == sent["event_id"])).mappings().first()
        return Story(event, _deliveries_of(connection, sent["event_id"]))

    return read


def _deliveries_of(connection: Connection, event_id: int) -> Sequence[RowMapping]:
    query = select(deliveries).where(deliveries.c.event_id == event_id).order_by(deliveries.c.part, deliveries.c.id)
    return connection.execute(query).mappings().all()


def _when(event: RowMapping, took: str, call: Call) -> str:
    if event["message_id"] is None:  # a slash command, being added: it came without a message
        return WHEN_OTHER.in_language(call.language, ago=_ago(event, call), took=took)
    return WHEN.in_language(call.language, message=event["message_id"], ago=_ago(event, call), took=took)


def _told(story: Story, call: Call, *, show_errors: bool) -> list[str]:
    language, event = call.language, story.event
    if event is None:
        lines = [BY_ITSELF.in_language(language)]
    elif event["outcome"] is None:
        left_s = (event["due_at"] or 0) - call.at
        lines = [
            WAITING.in_language(language, left=say_duration(left_s, language))
            if left_s > 0
            else WORKING.in_language(language),
            "- " + WHEN_OPEN.in_language(language, message=event["message_id"], ago=_ago(event, call)),
        ]
    else:
        took = say_duration(event["decided_at"] - event["received_at"], language)
        lines = [
            f"**{headline(Outcome(event['outcome']), Reason(event['reason']), language)}** "
            f"(`{event['outcome']}({event['reason']})`)",
            "- " + _when(event, took, call),
        ]
        lines += [f"- `{name}`: {_shown(value)}" for name, value in (event["details"] or {}).items()]
    return lines + _told_deliveries(story.deliveries, language, show_errors)


def _told_deliveries(rows: Sequence[RowMapping], language: str, show_errors: bool) -> list[str]:
    if not rows:
        return ["- " + NO_DELIVERY.in_language(language)]
    lines = []
    for row in rows:
        state = STATES[DeliveryState(row["state"])].in_language(language)
        line = PART.in_language(language, part=row["part"] + 1, state=state, attempts=row["attempts"])
        if show_errors and row["error"]:
            line += f" – `{one_line(row['error'], MAX_DETAIL_CHARS)}`"
        lines.append(f"- {line}")
    return lines


def _ago(event: RowMapping, call: Call) -> str:
    return say_duration(call.at - event["received_at"], call.language)


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else one_line(str(value), MAX_DETAIL_CHARS)
