"""A bot in a test, in one line: ``await room.says("@毛豆 怎么安装？")`` and ``room.heard("pip install")``.

These are products, not mocks: :class:`PaperPlatform` keeps every promise that a platform makes (keys,
edits, history) and can be told to break them; the core behind it is the real one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Row, select

from bot.commands import Commands
from bot.core import Core
from bot.decision import Outcome, Reason
from bot.delivery import Audio, Content, Delivery, DeliveryAct
from bot.errors import Undeliverable
from bot.event import Addressed, Attachment, AttachmentKind, Event, Member, Message, Recalled, Role, Room, Said
from bot.hearing import HearingLimits
from bot.ports import (
    Accept,
    Answerer,
    Capabilities,
    Citation,
    Clock,
    Ear,
    Heard,
    Introduction,
    Judgement,
    Knowledge,
    Passage,
    Question,
    Screen,
    Sentence,
    Standing,
    Verdict,
    Voice,
)
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store
from bot.tables import inbox

EVERYTHING = Capabilities(
    edits=True,
    recalls=True,
    threads=True,
    streams=True,
    buttons=True,
    voice=True,
    history=True,
    max_chars=2000,
    sends_per_s=0,
    edits_per_s=0,
    key_window_s=3600,
)


@dataclass(slots=True)
class Shown:
    """A message of ours as members see it now; ``texts`` are all that it ever was."""

    id: str
    room: str
    reply_to: str | None
    texts: list[str]
    buttons: tuple[str, ...] = ()
    audio: Audio | None = None

    @property
    def text(self) -> str:
        return self.texts[-1]


@dataclass(slots=True)
class PaperPlatform:
    """A platform on paper. ``on_send`` is asked before each send and may raise what a real one would raise;
    with ``loses_replies`` the message appears and the call fails all the same.
    ``standings``: by the room's id (a thread's parent's), or what asking for it raises; ``asked_standing``: the
    rooms it was asked of. ``files``: what attachments hold, by ``ref``; ``fetched``: those that were asked for."""

    capabilities: Capabilities = EVERYTHING
    name: str = "paper"
    roles: dict[str, Role] = field(default_factory=dict)
    standings: dict[str, Standing | Exception] = field(default_factory=dict)
    asked_standing: list[str] = field(default_factory=list)
    shown: dict[str, Shown] = field(default_factory=dict)
    on_send: Callable[[Delivery], None] = field(default=lambda delivery: None)
    loses_replies: int = 0
    attempts: list[Delivery] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    _by_key: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def run(self, accept: Accept) -> None:
        await asyncio.Event().wait()

    async def send(self, delivery: Delivery) -> str:
        self.attempts.append(delivery)
        self.on_send(delivery)
        known = self._by_key.get(delivery.key)
        if known is None:
            known = self._by_key[delivery.key] = f"ours-{next(self._numbers)}"
            labels = tuple(button.id for button in delivery.content.buttons)
            text = delivery.content.text
            audio = delivery.content.audio
            self.shown[known] = Shown(known, delivery.room.key, delivery.reply_to, [text], labels, audio)
        if self.loses_replies:
            self.loses_replies -= 1
            raise ConnectionResetError("the reply was lost")
        return known

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        if message_id not in self.shown:
            raise Undeliverable("the message is gone")
        self.shown[message_id].texts.append(content.text)

    async def recall(self, room: Room, message_id: str) -> None:
        self.shown.pop(message_id, None)

    async def find(self, delivery: Delivery) -> str | None:
        for each in self.shown.values():
            same = delivery.act is DeliveryAct.STREAM or each.text == delivery.content.text
            if each.room == delivery.room.key and each.reply_to == delivery.reply_to and same:
                return each.id
        return None

    async def role(self, room: Room, member: Member) -> Role:
        return self.roles.get(member.id, Role.MEMBER)

    async def standing(self, room: Room) -> Standing:
        self.asked_standing.append(room.id)
        standing = self.standings.get(room.parent or room.id, Standing())
        if isinstance(standing, Exception):
            raise standing
        return standing

    async def thinking(self, room: Room, message_id: str) -> None:
        return

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        self.fetched.append(attachment.ref)
        content = self.files.get(attachment.ref)
        if content is None:
            raise FileNotFoundError(attachment.ref)
        target = into / (attachment.name or "file")
        await asyncio.to_thread(target.write_bytes, content)
        return target

    def health(self) -> str | None:
        return None

    def forget_keys(self) -> None:
        """The key window is over."""
        self._by_key.clear()


class KnowsEverything:
    """A knowledge double: every question has an answer. ``verdict`` makes it say something else."""

    def __init__(self, verdict: Verdict = Verdict.ANSWER, reason: Reason = Reason.FROM_DOCUMENTS) -> None:
        self.verdict = verdict
        self.reason = reason
        self.asked: list[Question] = []

    async def judge(self, question: Question) -> Judgement:
        self.asked.append(question)
        passage = Passage("default", "guide.md", "Guide", question.text, 1.0)
        return Judgement(self.verdict, self.reason, 0.9, (passage,))


class Echo:
    """An answerer double: says the question back in one cited line. ``delay_s`` before each sentence."""

    def __init__(self, *sentences: str, delay_s: float = 0.0) -> None:
        self.sentences = sentences
        self.delay_s = delay_s

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        for sentence in self.sentences or (f"echo: {question.text} [1]",):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            yield Sentence(sentence, (Citation(1, "guide.md", "Guide", question.text),))


class Listens:
    """An ear double: hears what it is told to, by the note's file name without its ending. ``delay_s`` before it."""

    leaves_machine = False

    def __init__(self, heard: Mapping[str, str | Exception], *, delay_s: float = 0.0) -> None:
        self.words = dict(heard)
        self.delay_s = delay_s
        self.asked: list[str] = []
        self.languages: list[str | None] = []
        self.cancelled = 0

    async def hear(self, note: Path, *, claimed_s: float | None = None, language: str | None = None) -> Heard:
        self.asked.append(note.stem)
        self.languages.append(language)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        words = self.words[note.stem]
        if isinstance(words, Exception):
            raise words
        return Heard(words, claimed_s or 1.0)


class BotRoom:
    """One room with people in it, and the bot."""

    def __init__(self, core: Core, platform: PaperPlatform, room: Room, clock: Clock) -> None:
        self.core = core
        self.platform = platform
        self.room = room
        self._clock = clock
        self._numbers = itertools.count(1)
        self.last = ""

    def member(self, name: str, *, is_bot: bool = False) -> Member:
        return Member(self.room.platform, name, name, is_bot)

    def message(
        self,
        text: str,
        *,
        by: str = "anna",
        id: str | None = None,
        addressed: Addressed | None = None,
        reply_to: str | None = None,
        attachments: tuple[Attachment, ...] = (),
        sent_ago_s: float = 0.0,
        is_bot: bool = False,
    ) -> Message:
        """``@毛豆`` or ``@maodou`` in the text addresses the bot, as an adapter would have it."""
        plain = text.replace("@毛豆", "").replace("@maodou", "").strip()
        mentioned = Addressed.MENTION if plain != text.strip() else Addressed.NONE
        return Message(
            id=id or f"{self.room.id}-{next(self._numbers)}",
            room=self.room,
            author=self.member(by, is_bot=is_bot),
            text=plain,
            addressed=addressed or mentioned,
            reply_to=reply_to,
            attachments=attachments,
            sent_at=self._clock.now() - sent_ago_s,
        )

    async def says(self, text: str, **details: object) -> str:
        """A member says something; returns its message id when the bot is done with it."""
        message = self.message(text, **details)  # type: ignore[arg-type]
        await self.happens(Said(message))
        self.last = message.id
        return message.id

    async def happens(self, *events: Event) -> None:
        for event in events:
            await self.core.inbox.accept(event)
        await self.core.idle()

    async def sends_note(self, name: str, **details: object) -> str:
        """A member sends a voice message, whose file is called ``name``; returns its message id."""
        note = Attachment(AttachmentKind.VOICE, name, f"{name}.ogg", "audio/ogg", 1_000, 1.0)
        self.platform.files.setdefault(name, b"OggS")
        return await self.says("", attachments=(note,), **details)

    async def recalls(self, message_id: str) -> None:
        await self.happens(Recalled(self.room, message_id, self._clock.now()))

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────

    @property
    def shown(self) -> list[str]:
        """Everything of ours that the room sees now, in order."""
        return [each.text for each in self.platform.shown.values() if each.room == self.room.key]

    def answers(self, message_id: str | None = None) -> list[str]:
        """Our written replies to a message; to the last one that :meth:`says` said."""
        to = message_id or self.last
        return [each.text for each in self.platform.shown.values() if each.reply_to == to and each.audio is None]

    def spoken(self, message_id: str | None = None) -> list[Audio]:
        """Our voice messages that reply to a message; to the last one that :meth:`says` said."""
        to = message_id or self.last
        return [each.audio for each in self.platform.shown.values() if each.reply_to == to and each.audio is not None]

    def heard(self, part: str, message_id: str | None = None) -> str:
        """Assert that exactly one reply came and that ``part`` stands in it; returns it."""
        answers = self.answers(message_id)
        assert len(answers) == 1, f"expected one reply, got {answers}"
        assert part in answers[0], f"{part!r} is not in {answers[0]!r}"
        return answers[0]

    async def silent(self, reason: Reason, message_id: str | None = None) -> None:
        """Assert that no reply came, and why."""
        assert self.answers(message_id) == []
        row = await self.decision(message_id)
        assert (row.outcome, row.reason) == (Outcome.SILENT, reason), f"{row.outcome}({row.reason})"

    async def decision(self, message_id: str | None = None) -> Row[tuple[object, ...]]:
        """The row of ``inbox`` for a message."""
        chosen = select(inbox).where(inbox.c.message_id == (message_id or self.last), inbox.c.kind != "recalled")
        rows = await self.core.store.read(lambda connection: connection.execute(chosen).all())
        return rows[-1]


class Bot:
    """The real core on a store, with doubles at its ports; ``async with Bot(store, clock) as bot``."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        platform: PaperPlatform | None = None,
        knowledge: Knowledge | None = None,
        answerer: Answerer | None = None,
        screen: Screen | None = None,
        voice: Voice | None = None,
        ear: Ear | None = None,
        hearing_limits: HearingLimits | None = None,
        introduction: Introduction | None = None,
        commands: Commands | None = None,
        scopes: Scopes | None = None,
        **settings: float,
    ) -> None:
        self.platform = platform or PaperPlatform()
        self.knowledge = knowledge or KnowsEverything()
        self.core = Core.build(
            store,
            {self.platform.name: self.platform},
            self.knowledge,
            answerer or Echo(),
            settings=CoreSettings.model_validate(settings),
            clock=clock,
            screen=screen,
            voice=voice,
            ear=ear,
            hearing_limits=hearing_limits,
            introduction=introduction,
            commands=commands,
            scopes=scopes,
        )
        self.clock = clock

    def room(self, id: str = "r1", **details: object) -> BotRoom:
        room = replace(Room(self.platform.name, id), **details)  # type: ignore[arg-type]
        return BotRoom(self.core, self.platform, room, self.clock)

    async def __aenter__(self) -> Bot:
        await self.core.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.core.close(0)
