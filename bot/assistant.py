"""What becomes of a message: a readable row of stages, each of which may have the last word.

The lanes call :meth:`Assistant.handle` for one entry at a time in a room. Whatever the row concludes is
committed by the outbox as one decision with its deliveries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import structlog
from sqlalchemy import Connection, update

from bot.answering import Answering
from bot.commanding import Commanding
from bot.commands import SLASHES
from bot.decision import Decision, Outcome, Reason
from bot.delivery import Content
from bot.event import Added, Edited, Message, Pressed, Reacted, Recalled, Removed, Said
from bot.happenings import Happenings
from bot.hearing import Hearing, framed, is_note
from bot.history import events_of_message, window
from bot.inbox import Entry
from bot.introducing import Introducing
from bot.naming import by_name
from bot.outbox import Outbox
from bot.planning import RareWord, messages_for
from bot.ports import Clock, Voice
from bot.replies import APOLOGIES, BUSY, CUT_SHORT, LATE_WORD, STOPPED
from bot.room_settings import LANGUAGE, MUTED_UNTIL, NAMES, Language
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.speaking import aloud
from bot.store import Store
from bot.tables import inbox
from bot.texts import language_of
from bot.turn import Conclusion, Ending, Postponed, Turn, says, silent
from bot.values import Values

log = structlog.get_logger(__name__)

Stage = Callable[[Turn], Awaitable[Ending | None]]

NOT_JUDGED = frozenset(
    {
        Reason.STALE,
        Reason.LATE_WORD,
        Reason.MUTED,
        Reason.HOURLY_LIMIT,
        Reason.BUSY,
        Reason.TOO_BUSY,
        Reason.TIMEOUT,
        Reason.ERROR,
        Reason.STOPPED,
    }
)
"""Decisions that say nothing about what a message says: an answer to its earlier text stands."""


class Assistant:
    """Decides every entry, as a :class:`bot.lanes.Handler`: a message goes through ``stages``, in this order, until one
    has a last word; everything else goes to ``happenings``, buttons and slash commands to ``commanding``."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: CoreSettings,
        scopes: Scopes,
        outbox: Outbox,
        happenings: Happenings,
        commanding: Commanding,
        hearing: Hearing,
        answering: Answering,
        introducing: Introducing,
        voice: Voice | None = None,
    ) -> None:
        self._voice = voice
        self._store = store
        self._clock = clock
        self._settings = settings
        self._scopes = scopes
        self._outbox = outbox
        self._happenings = happenings
        self._commanding = commanding
        self._answering = answering
        self._turns: dict[int, Turn] = {}  # in the row just now, by their entries
        self.stages: tuple[Stage, ...] = (
            self.not_from_a_bot,
            self.not_too_late,
            commanding.command,
            self.not_muted,
            hearing.hear,
            answering.may_speak,
            answering.has_words,
            introducing.introduce,
            answering.gate,
            answering.answer,
        )

    # ── what the lanes ask ───────────────────────────────────────────────────────────────────────────

    def overtakes(self, entry: Entry) -> bool:
        match entry.event:
            case Recalled() | Reacted() | Pressed() | Removed():
                return True
            case Said(message):
                message = by_name(message, NAMES.default)  # a room's own names are known only later
                return self._commanding.is_urgent(message)
            case _:
                return False

    async def ready(self, entry: Entry) -> None:
        await self._outbox.ready(entry.event.room)

    async def handle(self, entry: Entry) -> float | None:
        values = await self._values(entry)
        entry = _named(entry, values)
        ending = await self._conclude(entry, values)
        if isinstance(ending, Postponed):
            await self._store.write(partial(_postpone, event_id=entry.id, until=ending.until))
            return ending.until
        await self._commit(entry, ending)
        return None

    def takes_long(self, entry: Entry) -> None:
        turn = self._turns.get(entry.id)
        if turn is not None:
            self._answering.show_thinking(turn)

    async def give_up(self, entry: Entry, outcome: Outcome, reason: Reason) -> None:
        """The work ended early: say so to whoever addressed us, and leave no half answer standing unmarked."""
        values = await self._values(entry)
        entry = _named(entry, values)
        language = await self._language(entry, values)
        ending = Conclusion(Decision(outcome, reason))
        shown = self._outbox.shown(entry)
        if shown is not None and reason in (Reason.STOPPED, Reason.TIMEOUT, Reason.ERROR):
            mark = STOPPED if reason is Reason.STOPPED else CUT_SHORT
            text = f"{shown.rstrip()}\n\n{mark.in_language(language)}"
            ending = says(Outcome.ANSWERED if reason is Reason.STOPPED else outcome, reason, text)
        elif reason in (Reason.TOO_BUSY, Reason.BUSY):
            ending = self._busy(entry, ending, values, language)
        elif reason in APOLOGIES and _addresses_us(entry):
            ending = says(outcome, reason, APOLOGIES[reason].in_language(language))
        await self._commit(entry, ending)

    # ── the row ──────────────────────────────────────────────────────────────────────────────────────

    async def _values(self, entry: Entry) -> Values:
        """What the room, and the one who acts in it, have set."""
        match entry.event:
            case Said(message) | Edited(message):
                return await self._scopes.of(message.room, message.author)
            case Pressed(room=room, member=member):
                return await self._scopes.of(room, member)
            case event:
                return await self._scopes.of(event.room)

    async def _conclude(self, entry: Entry, values: Values) -> Ending:
        now = self._clock.now()
        match event := entry.event:
            case Said(message) | Edited(message):
                return await self._message(entry, message, values, now)
            case Recalled():
                return await self._happenings.recalled(event, entry, now)
            case Reacted():
                return await self._happenings.reacted(event, now)
            case Added():
                return await self._happenings.added(event, values, now)
            case Removed():
                return await self._happenings.removed(event, now)
            case Pressed():
                if now - event.at > self._settings.answer_within_s:
                    return silent(Reason.STALE)
                language = await self._language(entry, values)
                return await self._commanding.pressed(event, entry, values, language, now)

    async def _message(self, entry: Entry, message: Message, values: Values, now: float) -> Ending:
        turn = Turn(entry, message, values, await self._language(entry, values), now)
        self._turns[entry.id] = turn
        try:
            for stage in self.stages:
                ending = await stage(turn)
                if ending is not None:
                    return framed(turn, aloud(turn, ending, self._voice))
        finally:
            del self._turns[entry.id]
            if turn.sign is not None:
                turn.sign.cancel()
        raise RuntimeError("the last stage must conclude")

    async def not_from_a_bot(self, turn: Turn) -> Ending | None:
        """Two bots that answer each other never stop."""
        return silent(Reason.FROM_BOT) if turn.message.author.is_bot else None

    async def not_too_late(self, turn: Turn) -> Ending | None:
        """After an outage a room gets one late word, not a burst of answers that nobody waits for."""
        return self._too_late(turn.entry, turn.message, turn.values, turn.language)

    async def not_muted(self, turn: Turn) -> Ending | None:
        """Commands are answered even then; they stand before this in the row."""
        return silent(Reason.MUTED) if _is_muted(turn.values, turn.at) else None

    # ── the end of the row ───────────────────────────────────────────────────────────────────────────

    async def _commit(self, entry: Entry, ending: Conclusion) -> None:
        contents, take_back = ending.contents, ending.take_back
        replaced: tuple[str, ...] = ()
        if isinstance(entry.event, Edited):
            contents, replaced, take_back = await self._instead(entry, entry.event, ending)
        await self._outbox.decide(
            entry,
            ending.decision,
            contents,
            reply_to=_reply_to(entry),
            instead_of=replaced,
            take_back=take_back,
            rare=ending.rare,
            write=ending.write,
            speech=ending.speech,
        )
        if ending.screen_again:
            await self._outbox.screen_again(entry.event.room)

    async def _instead(
        self, entry: Entry, event: Edited, ending: Conclusion
    ) -> tuple[tuple[Content, ...], tuple[str, ...], tuple[str, ...]]:
        """An edited question is answered in the place of its first answer, or that one is taken back: what is said,
        the messages that it replaces, and those that go. An answer stands where its new text was never judged."""
        earlier = await self._store.read(
            partial(events_of_message, room_key=event.room.key, message_id=event.message.id, before_id=entry.id)
        )
        if ending.decision.reason in NOT_JUDGED:
            stands = await self._store.read(partial(messages_for, event_ids=earlier))
            return (() if stands else ending.contents), (), ending.take_back
        await self._outbox.withdraw(event.room, earlier)
        answers = tuple(await self._store.read(partial(messages_for, event_ids=earlier, spoken=False)))
        voices = await self._store.read(partial(messages_for, event_ids=earlier, spoken=True))
        if ending.contents:  # a voice message cannot be edited: it goes, and the new answer has its own
            return ending.contents, answers, (*ending.take_back, *voices)
        return (), (), (*ending.take_back, *answers, *voices)

    def _too_late(self, entry: Entry, message: Message, values: Values, language: str) -> Conclusion | None:
        """``message`` as it was said or edited when ``entry`` came; an edit counts from its own time."""
        now = self._clock.now()
        late_s = now - entry.event.at
        if late_s <= self._settings.answer_within_s:
            return None
        stale = silent(Reason.STALE, late_s=round(late_s))
        if not message.is_addressed or _is_muted(values, now):
            return stale
        word = says(Outcome.DONE, Reason.LATE_WORD, LATE_WORD.in_language(language), late_s=round(late_s))
        return replace(word, rare=RareWord(now - self._settings.late_word_every_s, stale.decision))

    def _busy(self, entry: Entry, ending: Conclusion, values: Values, language: str) -> Conclusion:
        """The room's lane is full. After an outage it is full of what is too late anyway."""
        now = self._clock.now()
        if isinstance(entry.event, Said | Edited):
            too_late = self._too_late(entry, entry.event.message, values, language)
            if too_late is not None:
                return too_late
        if not _addresses_us(entry) or _is_muted(values, now):
            return ending
        word = says(Outcome.REFUSED, Reason.TOO_BUSY, BUSY.in_language(language))
        rare = RareWord(now - self._settings.busy_word_every_s, Decision(Outcome.REFUSED, Reason.BUSY))
        return replace(word, rare=rare)

    async def _language(self, entry: Entry, values: Values) -> str:
        """What to answer in: the room's choice, or the language of the message. Commands are spelled alike in all
        languages, and a voice message has no words yet: for them it is that of what was last said in the room."""
        event = entry.event
        chosen = values[LANGUAGE]
        if chosen is not Language.AUTO:
            return str(chosen.value)
        text = event.message.text if isinstance(event, Said | Edited) else ""
        wordless = isinstance(event, Said | Edited) and is_note(event.message) and not text.strip()
        if isinstance(event, Said | Edited) and not wordless and not text.startswith(tuple(SLASHES)):
            return language_of(text)
        if isinstance(event, Pressed) and event.language is not None:
            return event.language
        said = await self._store.read(
            partial(window, room=event.room, before_id=entry.id, count=self._settings.context_messages)
        )
        plain = [each.text for each in said if not each.ours and not each.text.startswith(tuple(SLASHES))]
        return next((known for text in reversed(plain) if (known := language_of(text, ""))), language_of(text))


def _named(entry: Entry, values: Values) -> Entry:
    """The entry as the room means it: a message that calls us by name is addressed to us."""
    event = entry.event
    if not isinstance(event, Said | Edited) or event.message.is_addressed:
        return entry
    return replace(entry, event=replace(event, message=by_name(event.message, values[NAMES])))


def _is_muted(values: Values, at: float) -> bool:
    return values[MUTED_UNTIL] > at


def _addresses_us(entry: Entry) -> bool:
    event = entry.event
    if isinstance(event, Pressed):
        return True
    return isinstance(event, Said | Edited) and event.message.is_addressed and not event.message.author.is_bot


def _reply_to(entry: Entry) -> str | None:
    """The message that deliveries reply to; for a slash command or a button, its interaction."""
    event = entry.event
    if isinstance(event, Said | Edited):
        return event.message.id
    return event.interaction_id if isinstance(event, Pressed) else None


def _postpone(connection: Connection, event_id: int, until: float) -> None:
    connection.execute(update(inbox).where(inbox.c.id == event_id).values(due_at=until))
