"""The stage of commands: typed in a message, picked as a slash command, or pressed as a button."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, select

from bot.commands import Call, Commands, Invocation
from bot.decision import Decision, Outcome, Reason
from bot.delivery import Content
from bot.errors import MemberError
from bot.event import Message, Pressed, RoomKind
from bot.inbox import Entry
from bot.ports import Platform
from bot.replies import BUTTON_GONE
from bot.rights import Rights
from bot.store import Operation, Store
from bot.tables import buttons
from bot.turn import Conclusion, Turn, says
from bot.values import Values


class Commanding:
    """``stop`` ends the answer in progress in a room (by its key). ``platforms``: by name."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        rights: Rights,
        stop: Callable[[str], bool],
        platforms: Mapping[str, Platform],
    ) -> None:
        self._store = store
        self._commands = commands
        self._rights = rights
        self._stop = stop
        self._platforms = platforms

    def is_urgent(self, message: Message) -> bool:
        """Whether a message is a command that overtakes the room's other work."""
        try:
            invocation = self._commands.parse(message.text, addressed=self._is_for_us(message))
        except MemberError:
            return True  # the word about it costs nothing
        return invocation is not None and invocation.overtakes

    async def command(self, turn: Turn) -> Conclusion | None:
        """A typed command; None when the message is none."""
        message = turn.message
        try:
            invocation = self._commands.parse(message.text, addressed=self._is_for_us(message))
        except MemberError as error:
            return _refused(error, turn.language)
        if invocation is None:
            return None
        call = Call(
            event_id=turn.entry.id,
            room=message.room,
            member=message.author,
            role=await self._rights.role(message.room, message.author),
            language=turn.language,
            values=turn.values,
            at=turn.at,
            message_id=message.id,
            reply_to=message.reply_to,
            attachments=message.attachments,
        )
        return await self._run(invocation, call)

    async def pressed(self, event: Pressed, entry: Entry, values: Values, language: str, at: float) -> Conclusion:
        """A slash command or a button; the presser's right is checked again."""
        text = event.command
        if event.button is not None:
            text = await self._store.read(_command_of(event.button, event.room.key))
        try:
            invocation = self._commands.parse(text or "", addressed=True)
        except MemberError as error:
            return _refused(error, language)
        if invocation is None:
            return says(Outcome.REFUSED, Reason.UNKNOWN_COMMAND, BUTTON_GONE.in_language(language))
        call = Call(
            event_id=entry.id,
            room=event.room,
            member=event.member,
            role=await self._rights.role(event.room, event.member),
            language=language,
            values=values,
            at=at,
            reply_to=event.message_id,
        )
        return await self._run(invocation, call)

    def _is_for_us(self, message: Message) -> bool:
        """Whether a slash at its beginning can only be meant for us: elsewhere it may be another bot's."""
        if message.is_addressed or message.room.kind is RoomKind.DIRECT:
            return True
        platform = self._platforms.get(message.room.platform)
        return platform is not None and platform.capabilities.only_bot

    async def _run(self, invocation: Invocation, call: Call) -> Conclusion:
        try:
            done = await self._commands.run(invocation, call)
        except MemberError as error:
            return _refused(error, call.language)
        if done.stop:
            self._stop(call.room.key)
        details = {"command": "/" + " ".join(invocation.path), **done.details}
        content = Content(done.text, buttons=done.buttons)
        decision = Decision(Outcome.DONE, done.reason, details)
        return Conclusion(decision, (content,), write=done.write, screen_again=done.screen_again)


def _refused(error: MemberError, language: str) -> Conclusion:
    return says(Outcome.REFUSED, error.reason, error.in_language(language))


def _command_of(button_id: str, room_key: str) -> Operation[str | None]:
    """What a button does, in the room that it was made for."""
    chosen = select(buttons.c.command).where(buttons.c.id == button_id, buttons.c.room == room_key)

    def query(connection: Connection) -> str | None:
        return connection.execute(chosen).scalar_one_or_none()

    return query
