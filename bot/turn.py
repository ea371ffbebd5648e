"""One message on its way through the assistant's row of stages, and how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.decision import Decision, Outcome, Reason
from bot.delivery import Content, Speech
from bot.event import Message
from bot.inbox import Entry
from bot.planning import RareWord
from bot.ports import Judgement, Question
from bot.store import Operation
from bot.values import Values


@dataclass(slots=True)
class Turn:
    """``message`` is what the stages read and may complete (a voice note gains its text); ``language`` is what
    the answer is written in. ``quote``, what was heard in a voice message, stands above whatever is said to it, and
    ``notice`` below."""

    entry: Entry
    message: Message
    values: Values
    language: str
    at: float
    question: Question | None = None
    judgement: Judgement | None = None
    quote: str = ""
    notice: str = ""
    sign: asyncio.Task[None] | None = None  # that an answer is being made, once that takes long


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A stage's last word: the decision, what is said in the room, what else is written with it, and
    what is said aloud afterwards. ``screen_again``: as in :class:`bot.commands.Done`."""

    decision: Decision
    contents: tuple[Content, ...] = ()
    take_back: tuple[str, ...] = ()
    rare: RareWord | None = None
    write: Operation[object] | None = None
    speech: Speech | None = None
    screen_again: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """Ask again at this time (Unix seconds)."""

    until: float


Ending = Conclusion | Postponed


def silent(reason: Reason, **details: str | int | float | bool | None) -> Conclusion:
    return Conclusion(Decision(Outcome.SILENT, reason, details))


def says(outcome: Outcome, reason: Reason, text: str, **details: str | int | float | bool | None) -> Conclusion:
    """A conclusion that shows one text."""
    return Conclusion(Decision(outcome, reason, details), (Content(text),))
