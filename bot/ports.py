"""The seams of the core: what it asks of the world, named for what it does.

Adapters and features implement these; the core imports none of them. ``maodou/app.py`` joins the two.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bot.decision import Reason
from bot.delivery import Audio, Content, Delivery, Speech
from bot.event import Addressed, Attachment, Event, Member, Role, Room
from bot.room_settings import Eagerness
from bot.values import Values


class Clock(Protocol):
    """Unix time, seconds, and a way to wait: tests run it faster or by hand."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do; what it cannot is degraded by the core and shown in the committed table.

    ``max_chars``: of one message. ``sends_per_s``, ``edits_per_s``: per room, 0 for no limit.
    ``key_window_s``: how long the platform recognises a delivery's key after the first attempt.
    ``only_bot``: no other bot can be in its rooms, so that every slash command there is meant for us.
    """

    edits: bool
    recalls: bool
    threads: bool
    streams: bool
    buttons: bool
    voice: bool
    history: bool
    max_chars: int
    sends_per_s: float
    edits_per_s: float
    key_window_s: float
    only_bot: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Who can be in a room, as its platform says now. ``age_restricted``: adults alone. ``external``: people from
    outside the organisation as well."""

    age_restricted: bool = False
    external: bool = False


Accept = Callable[[Event], Awaitable[bool]]
"""Commits an event to the inbox; True when it was new. Returning is the leave to acknowledge; it raises
``StoreError`` when the commit failed, and then the adapter must not acknowledge."""


class Platform(Protocol):
    """A chat platform: its events in, our deliveries out."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def run(self, accept: Accept) -> None:
        """Receive until cancelled. Survives lost connections by itself; returns only when cancelled."""

    async def send(self, delivery: Delivery) -> str:
        """Post ``delivery.content`` under ``delivery.key``; returns the message's id.

        Within ``key_window_s`` a second call with the same key returns the first message's id.
        Raises ``TryLater``, ``Undeliverable``; anything else means that the outcome is not known.
        """
        ...

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        """Replace the whole of a message of ours. Raises as :meth:`send`."""

    async def recall(self, room: Room, message_id: str) -> None:
        """Take a message of ours back; no error when it is gone already. Raises as :meth:`send`."""

    async def find(self, delivery: Delivery) -> str | None:
        """Look in the room's history for this delivery: our message that replies to the same question with
        this text (a stream: any text). None when it is not there; ``CannotLook`` when that cannot be known."""
        ...

    async def role(self, room: Room, member: Member) -> Role:
        """The member's role as the platform knows it now (never ``OPERATOR``, which is ours to know)."""
        ...

    async def standing(self, room: Room) -> Standing:
        """Who can be in the room (in a thread: in its parent), asked of the platform for this call."""
        ...

    async def thinking(self, room: Room, message_id: str) -> None:
        """Show that an answer is being made. Best effort; never raises."""

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        """Download an attachment into the folder ``into``; returns the file, of at most ``max_bytes``. Raises
        ``PlatformError``, or ``MemberError`` with what its author is told."""
        ...

    def health(self) -> str | None:
        """None while connected; otherwise what is wrong, as a sentence."""
        ...


@dataclass(frozen=True, slots=True)
class Utterance:
    """One earlier message of the room, as context. ``quoted``: the question replies to this one."""

    author: str
    text: str
    ours: bool = False
    quoted: bool = False


async def _nothing_earlier() -> tuple[Utterance, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Question:
    """A message as the knowledge sees it. ``bases`` are the knowledge bases this room may read: they are part
    of every query, and nothing else may be read for it. ``await earlier()``: the room's last messages, oldest
    first, the one that is replied to last of all – read from the database only when somebody asks, since most
    questions stand alone."""

    text: str
    bases: tuple[str, ...]
    addressed: Addressed = Addressed.NONE
    language: str = "zh"
    earlier: Callable[[], Awaitable[tuple[Utterance, ...]]] = _nothing_earlier
    eagerness: Eagerness | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document. ``source``: path relative to the folder that was added. ``heading``: the path of
    headings above it, joined by `` › ``. ``added_by``: the member who gave the document; empty: an operator did."""

    base: str
    source: str
    heading: str
    text: str
    score: float
    chunk_id: int = 0
    added_by: str = ""


class Verdict(StrEnum):
    ANSWER = "answer"
    ASK_BACK = "ask_back"  # only to the addressed
    NOTHING_FOUND = "nothing_found"  # only to the addressed
    SILENT = "silent"  # only to the unaddressed


@dataclass(frozen=True, slots=True)
class Judgement:
    """The gate's word on a question, with the passages it rests on (best first, whatever the verdict).

    ``score``: the estimated chance that these documents answer this message, 0–1.
    """

    verdict: Verdict
    reason: Reason
    score: float
    passages: tuple[Passage, ...] = ()


class Knowledge(Protocol):
    """Documents that know when to be silent."""

    async def judge(self, question: Question) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class Citation:
    number: int
    source: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of an answer that may be shown as it is: joined without a separator, so it carries its own
    spaces and newlines, and its marks (``[1]``) stand in ``text``."""

    text: str
    citations: tuple[Citation, ...] = ()


class Introduction(Protocol):
    """What the bot says of itself when somebody asks."""

    def is_asked(self, text: str) -> bool:
        """Whether this is a question about the bot itself, and nothing besides."""
        ...

    async def about_itself(self, text: str, language: str) -> tuple[str, ...]:
        """A few sentences, each with the blank before it. Never fails: what cannot be made is said in fixed words."""
        ...


class Answerer(Protocol):
    """Makes an answer of a judgement's passages, sentence by sentence. No side effects, no tools."""

    def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What the screen leaves of a text; ``text`` is None when nothing may be shown."""

    text: str | None
    why: str = ""


class Screen(Protocol):
    """What may be shown in which room. Everything that leaves passes it, sentence by sentence."""

    async def show(self, room: Room, text: str) -> Shown: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a voice message. ``language``: ``zh``, ``en`` or empty where the model does not tell.
    ``confidence``: 0–1, of the recogniser's own words; None where it does not tell. ``model_s``: what recognising
    took, without all that is around it."""

    text: str
    duration_s: float
    language: str = ""
    confidence: float | None = None
    model_s: float | None = None


class Ear(Protocol):
    """Voice to text, beside the event loop. To be cancelled when nobody waits for it any more."""

    @property
    def leaves_machine(self) -> bool:
        """Whether the recording is sent to a server: members are told."""
        ...

    async def hear(self, note: Path, *, claimed_s: float | None = None, language: str | None = None) -> Heard:
        """``claimed_s``: the length that the platform tells. Raises ``NotHeard`` for what cannot be heard, ``NoEar``
        without a model, ``ModelError`` when the ear itself failed or took too long."""
        ...


class Voice(Protocol):
    """Text to a voice message."""

    def speech(self, text: str, language: str, values: Values) -> Speech | None:
        """What of an answer (Markdown) is said aloud in a room with these settings; None when there is nothing in it
        to be said."""
        ...

    async def say(self, speech: Speech) -> Audio:
        """Make the sound; the file stays for as long as its delivery may take. Raises ``ModelError`` when nothing
        can say it."""
        ...


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """``context_tokens``: of prompt and answer together. ``answer_tokens``, ``timeout_s``: of one answer."""

    context_tokens: int
    answer_tokens: int
    timeout_s: float


class ChatModel(Protocol):
    """A chat model. Messages are ``{"role": …, "content": …}``."""

    @property
    def limits(self) -> ModelLimits: ...

    def tokens_at_most(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of a prompt; never fewer than the model will count."""
        ...

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        timeout_s: float,
        response_format: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[str, None]:
        """The answer in pieces. Raises ``ModelError``, also in the midst of it or when it was cut short at its
        limit: then its last sentence is not whole. To be closed when the rest is not wanted."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


class OpenScreen:
    """Lets everything through: what stands at the ``Screen`` port until a room's filter does."""

    async def show(self, room: Room, text: str) -> Shown:
        return Shown(text)
