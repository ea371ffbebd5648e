"""One message on its way through the assistant's row of stages, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

from bot.decision import Decision, Outcome, Reason
from bot.delivery import Content
from bot.event import Message
from bot.inbox import Entry
from bot.planning import RareWord
from bot.ports import Judgement
from bot.scopes import Values
from bot.store import Operation


@dataclass(slots=True)
class Turn:
    """``message`` is what the stages read and may complete (a voice note gains its text); ``language`` is what
    the answer is written in."""

    entry: Entry
    message: Message
    values: Values
    language: str
    at: float
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A stage's last word: the decision, what is said in the room, and what else is written with it."""

    decision: Decision
    contents: tuple[Content, ...] = ()
    take_back: tuple[str, ...] = ()
    rare: RareWord | None = None
    write: Operation[object] | None = None


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
