"""``/voice correct``: the author says what they had really said, and is answered anew in the place of the first answer.

A correction is an edit of the note, as if the platform had brought it: the whole way of an edited message is there
already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import Connection, select

from bot.commands import Argument, Call, Command, Done
from bot.errors import MemberError
from bot.event import Edited, Event, Message, Said, load_event
from bot.hearing import corrected, note_of
from bot.room_settings import one_line
from bot.store import Store
from bot.tables import deliveries, inbox
from bot.texts import Text

LOOK_BACK = 50
"""Messages of the author in this room among which the note is looked for."""

ABOUT = Text(zh="更正我听错的语音，重新回答", en="say what you really said in a voice message; I answer anew")
WORDS = Text(zh="正确的文字", en="the right words")
NO_NOTE = Text(
    zh="我在这里没有听过你的语音。发一条语音，听错了再更正。",
    en="I have heard no voice message of yours here. Send one, and correct me when I misheard.",
)
CORRECTED = Text(zh="改成了“{words}”，重新回答。", en="It says “{words}” now; I answer anew.")

Accept = Callable[[Event], Awaitable[bool]]


class Correcting:
    """``command`` goes into the family of ``/voice``. ``accept``: the inbox's."""

    def __init__(self, store: Store, accept: Accept) -> None:
        self._store = store
        self._accept = accept
        self.command = Command(
            "correct", ABOUT, self.correct, arguments=(Argument("words", WORDS, rest=True),), aliases=("更正",)
        )

    async def correct(self, call: Call) -> Done:
        """The note that the call replies to (or whose answer it replies to), else the author's last one."""
        words = call.arguments["words"].strip()
        message = await self._store.read(lambda connection: _note(connection, call))
        if message is None:
            raise MemberError(NO_NOTE)
        # Its key holds the call's time: a call that is handled twice corrects once.
        await self._accept(Edited(corrected(message, words), call.at))
        return Done(CORRECTED.in_language(call.language, words=one_line(words)))


def _note(connection: Connection, call: Call) -> Message | None:
    """The note, as it stands now."""
    chosen = (
        select(inbox.c.id, inbox.c.message_id, inbox.c.payload)
        .where(
            inbox.c.room == call.room.key,
            inbox.c.member == call.member.key,
            inbox.c.kind.in_(("said", "edited")),
            inbox.c.payload.is_not(None),
            inbox.c.id < call.event_id,
        )
        .order_by(inbox.c.id.desc())
        .limit(LOOK_BACK)
    )
    wanted, events = call.reply_to, set[int | None]()
    if wanted is not None:
        answered = select(deliveries.c.event_id).where(
            deliveries.c.room == call.room.key, deliveries.c.message_id == wanted
        )
        events = set(connection.execute(answered).scalars())
    for row in connection.execute(chosen):
        event = load_event(row.payload)
        if not isinstance(event, Said | Edited):
            continue
        note = note_of(event.message)
        if note is None or not note.transcript:
            continue
        if wanted is None or row.message_id == wanted or row.id in events:
            return event.message
    return None
