"""The stage of voice messages: a note that was meant for us becomes text, and goes on as text.

Meant for us is what addresses us, and what its author sends soon after having addressed us; a room may let us hear
everything. Whatever else is sent is never downloaded. What was heard is kept in the message itself, before anything
is made of it: it is heard once, erased with the message, and part of what the room remembers. Spoken words are never
commands: those are parsed before this stage.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection, select, update

from bot.decision import Decision, Outcome, Reason
from bot.errors import MemberError, ModelError, NoEar, NotHeard, PlatformError
from bot.event import Addressed, Attachment, AttachmentKind, Edited, Message, Said, dump_event, load_event
from bot.naming import by_name
from bot.ports import Ear, Heard, Platform, Screen
from bot.replies import (
    AUDIO_ERASED,
    AUDIO_KEPT,
    EAR_FAILED,
    HEARD_BY_SERVER,
    HEARD_HERE,
    NO_EAR,
    NOT_FETCHED,
    VOICE_NOTE,
    sources_head,
)
from bot.room_settings import LANGUAGE, NAMES, VOICE_LISTEN, Language, Listening
from bot.store import Operation, Store
from bot.tables import inbox, rooms
from bot.texts import Text, language_of
from bot.turn import Conclusion, Ending, Turn, says, silent

log = structlog.get_logger(__name__)

MAX_QUOTE_CHARS = 500
"""Of a transcript above its answer."""


@dataclass(frozen=True, slots=True)
class HearingLimits:
    """``follow_up_s``: a note so soon after its author addressed us is meant for us. ``work_dir``: where notes lie
    while they are heard; None: the system's. ``keep_dir``: where their sound stays; None: it is erased at once."""

    follow_up_s: float = 120.0
    max_note_bytes: int = 25_000_000
    fetch_s: float = 20.0
    work_dir: Path | None = None
    keep_dir: Path | None = None


class Hearing:
    """Without an ear a note is kept, and whoever addressed us with it is told so."""

    def __init__(
        self,
        store: Store,
        platforms: Mapping[str, Platform],
        screen: Screen,
        ear: Ear | None = None,
        limits: HearingLimits | None = None,
    ) -> None:
        self._store = store
        self._platforms = platforms
        self._screen = screen
        self._ear = ear
        self._limits = limits or HearingLimits()

    async def start(self) -> None:
        """Erase what an earlier life of this process was hearing when it ended."""
        if self._limits.work_dir is not None:
            await asyncio.to_thread(shutil.rmtree, self._limits.work_dir, ignore_errors=True)

    async def hear(self, turn: Turn) -> Conclusion | None:
        note = note_of(turn.message)
        if note is None or (turn.message.text.strip() and not note.transcript):
            return None  # what is written beside a note is what counts
        known = note.transcript or await self._heard_before(turn)
        if known:
            await self._goes_on(turn, known)
            return None
        if not await self._is_meant(turn):
            return silent(Reason.NOT_ADDRESSED)
        if self._ear is None:
            return self._refused(turn, Reason.NO_EAR, NO_EAR.in_language(turn.language), {})
        try:
            heard = await self._listen(turn, note, self._ear)
        except NoEar as error:
            return await self._without_ear(turn, error)
        except MemberError as error:
            why = {"why": error.why, **error.facts} if isinstance(error, NotHeard) else {}
            log.info("note.not_heard", **why)
            return self._refused(turn, Reason.NOT_HEARD, error.in_language(turn.language), why)
        except (ModelError, PlatformError, TimeoutError, OSError) as error:
            return self._failed(turn, error)
        message = turn.message
        if message.addressed is Addressed.NONE and turn.values[VOICE_LISTEN] is Listening.ADDRESSED:
            message = replace(message, addressed=Addressed.REPLY)  # it goes on with what its author said to us
        kept = replace(message, text=heard.text, attachments=_with_transcript(message, heard.text))
        await self._store.write(_keep(turn, kept))
        turn.message = kept
        await self._goes_on(turn, heard.text)
        return None

    # ── is it for us ─────────────────────────────────────────────────────────────────────────────────

    async def _is_meant(self, turn: Turn) -> bool:
        message = turn.message
        if message.is_addressed or turn.values[VOICE_LISTEN] is Listening.ALL:
            return True
        since = message.sent_at - self._limits.follow_up_s
        return await self._store.read(
            lambda connection: (
                connection.execute(
                    select(inbox.c.id)
                    .where(
                        inbox.c.room == message.room.key,
                        inbox.c.member == message.author.key,
                        inbox.c.id < turn.entry.id,
                        inbox.c.addressed,
                        inbox.c.at >= since,
                        inbox.c.kind.in_(("said", "edited")),
                    )
                    .limit(1)
                ).first()
                is not None
            )
        )

    async def _heard_before(self, turn: Turn) -> str:
        """What an earlier turn of the same entry heard: one that was postponed, or cut short by a crash."""
        if turn.entry.due_at is None and not turn.entry.recovered:
            return ""
        kept = await self._store.read(
            lambda connection: connection.execute(select(inbox.c.payload).where(inbox.c.id == turn.entry.id)).scalar()
        )
        event = load_event(kept) if kept else None
        note = note_of(event.message) if isinstance(event, Said | Edited) else None
        if note is None or not isinstance(event, Said | Edited):
            return ""
        turn.message = event.message
        return note.transcript

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────

    async def _listen(self, turn: Turn, note: Attachment, ear: Ear) -> Heard:
        """Fetch, hear, erase."""
        limits, room = self._limits, turn.message.room
        folder = Path(await asyncio.to_thread(_new_folder, limits.work_dir))
        try:
            async with asyncio.timeout(limits.fetch_s):
                platform = self._platforms[room.platform]
                path = await platform.fetch(note, folder, limits.max_note_bytes)
            chosen = turn.values[LANGUAGE]
            language = None if chosen is Language.AUTO else str(chosen.value)
            heard = await ear.hear(path, claimed_s=note.duration_s, language=language)
            if limits.keep_dir is not None:
                await asyncio.to_thread(_keep_sound, path, limits.keep_dir, turn.entry.id)
            return heard
        finally:
            # not awaited through a cancellation of ours: the thread ends by itself
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def _goes_on(self, turn: Turn, transcript: str) -> None:
        """From here on the note is a written message."""
        message = replace(turn.message, text=transcript)
        if not message.is_addressed:
            message = _called_by_name(message, turn.values[NAMES])
        turn.message = message
        if turn.values[LANGUAGE] is Language.AUTO:
            turn.language = language_of(transcript, turn.language)
        shown = await self._screen.show(message.room, transcript)
        turn.quote = quoted(shown.text) if shown.text else ""
        turn.notice = await self._not_yet_told(turn)

    # ── what is said about it ────────────────────────────────────────────────────────────────────────

    async def _not_yet_told(self, turn: Turn) -> str:
        """What becomes of voice messages, for the first answer to one in a room: told when that is shown, so that a
        note to which nothing is said does not use it up."""
        untold = select(rooms.c.key).where(rooms.c.key == turn.message.room.key, rooms.c.voice_told_at.is_(None))
        if await self._store.read(lambda connection: connection.execute(untold).first()) is None:
            return ""
        leaves_machine = self._ear is not None and self._ear.leaves_machine
        becomes = what_becomes(turn.language, leaves_machine=leaves_machine, is_kept=self._limits.keep_dir is not None)
        return f"\n\n*{VOICE_NOTE.in_language(turn.language, **becomes)}*"

    async def _without_ear(self, turn: Turn, error: NoEar) -> Conclusion:
        """How to get an ear is said once in a room; after that only that there is none."""
        first = turn.message.is_addressed and await self._first_time(turn, rooms.c.no_ear_told_at.name)
        text = error.in_language(turn.language) if first else NO_EAR.in_language(turn.language)
        return self._refused(turn, Reason.NO_EAR, text, {})

    async def _first_time(self, turn: Turn, column: str) -> bool:
        """Whether the room is told this for the first time; from now on it was."""
        return await self._store.write(partial(_tell_once, key=turn.message.room.key, column=column, now=turn.at))

    @staticmethod
    def _refused(turn: Turn, reason: Reason, text: str, why: Mapping[str, str | int | float]) -> Conclusion:
        if _is_to_us(turn):
            return says(Outcome.REFUSED, reason, text, **why)
        return silent(reason, **why)

    @staticmethod
    def _failed(turn: Turn, error: Exception) -> Conclusion:
        log.error("note.failed", why=f"{type(error).__name__}: {error}")
        fetched = isinstance(error, ModelError)
        text: Text = EAR_FAILED if fetched else NOT_FETCHED
        details = {"part": "ear" if fetched else "download"}
        if _is_to_us(turn):
            return says(Outcome.FAILED, Reason.ERROR, text.in_language(turn.language), **details)
        return Conclusion(Decision(Outcome.FAILED, Reason.ERROR, details))


def _is_to_us(turn: Turn) -> bool:
    """In a room where we hear everything, a note that nobody sent to us needs no word when it fails."""
    return turn.message.is_addressed or turn.values[VOICE_LISTEN] is Listening.ADDRESSED


# ── the note in its message ──────────────────────────────────────────────────────────────────────────────


def note_of(message: Message) -> Attachment | None:
    """The voice message in a message; the first, if a platform allows several."""
    return next((each for each in message.attachments if each.kind is AttachmentKind.VOICE), None)


def is_note(message: Message) -> bool:
    return note_of(message) is not None


def _with_transcript(message: Message, transcript: str) -> tuple[Attachment, ...]:
    note = note_of(message)
    return tuple(replace(each, transcript=transcript) if each is note else each for each in message.attachments)


def corrected(message: Message, words: str) -> Message:
    """The message as its author corrects what was heard in it."""
    return replace(message, text=words, attachments=_with_transcript(message, words))


def _called_by_name(message: Message, names: tuple[str, ...]) -> Message:
    """As in a written message – but nobody speaks a comma, so a name at the beginning is enough."""
    named = by_name(message, names)
    if named.is_addressed:
        return named
    if any(name and message.text.casefold().startswith(name.casefold()) for name in names):
        return replace(message, addressed=Addressed.NAME)
    return message


def quoted(transcript: str) -> str:
    """What was heard, as a quote above what is said to it."""
    flat = " ".join(transcript.split())
    if len(flat) > MAX_QUOTE_CHARS:
        flat = flat[: MAX_QUOTE_CHARS - 1] + "…"
    return f"> 🎤 {flat}\n\n"


def framed(turn: Turn, ending: Ending) -> Ending:
    """The ending with the quote above its first words and the notice below them, above their sources: those stand at
    the end of an answer, where the web room folds them."""
    if not isinstance(ending, Conclusion) or not ending.contents or not (turn.quote or turn.notice):
        return ending
    first, *rest = ending.contents
    answer, head, sources = first.text.rstrip().partition(sources_head(turn.language))
    text = turn.quote + answer + turn.notice + head + sources
    shown = replace(ending, contents=(replace(first, text=text), *rest))
    return replace(shown, write=_with_notice(turn, ending.write)) if turn.notice else shown


def what_becomes(language: str, *, leaves_machine: bool, is_kept: bool) -> dict[str, str]:
    """``how`` voice messages become text, and whether their sound is ``kept``, for a sentence that tells a room."""
    how, kept = HEARD_BY_SERVER if leaves_machine else HEARD_HERE, AUDIO_KEPT if is_kept else AUDIO_ERASED
    return {"how": how.in_language(language), "kept": kept.in_language(language)}


# ── what is stored ───────────────────────────────────────────────────────────────────────────────────────


def _keep(turn: Turn, message: Message) -> Operation[object]:
    """Keep what was heard in the message's row, as long as it is there and undecided."""
    event = turn.entry.event
    if not isinstance(event, Said | Edited):
        raise TypeError(f"{event.kind} is no message")
    kept = {"payload": dump_event(replace(event, message=message)), "addressed": message.is_addressed}
    those = (inbox.c.id == turn.entry.id) & inbox.c.payload.is_not(None) & inbox.c.outcome.is_(None)
    return lambda connection: connection.execute(update(inbox).where(those).values(kept)).rowcount


def _with_notice(turn: Turn, write: Operation[object] | None) -> Operation[object]:
    """Beside what else the ending writes: the room knows now."""
    told = partial(_tell_once, key=turn.message.room.key, column=rooms.c.voice_told_at.name, now=turn.at)

    def both(connection: Connection) -> object:
        told(connection)
        return None if write is None else write(connection)

    return both


def _tell_once(connection: Connection, *, key: str, column: str, now: float) -> bool:
    untold = (rooms.c.key == key) & rooms.c[column].is_(None)
    return connection.execute(update(rooms).where(untold).values({column: now})).rowcount == 1


def _new_folder(parent: Path | None) -> str:
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return tempfile.mkdtemp(prefix="note-", dir=parent)


def _keep_sound(path: Path, keep_dir: Path, event_id: int) -> None:
    keep_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(path, keep_dir / f"{event_id}{path.suffix[:12]}")
