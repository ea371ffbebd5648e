"""The script: what members say, and what a complete answer to it looks like.

Both sides know it and neither tells the other: the answerer speaks it, the count checks the platform's log
against it. Every paragraph of an answer is stamped ``⟦q7.2/5·31⟧``: question 7, paragraph 2 of 5, written in
the bot's 31st life. So a missing paragraph, one shown twice, parts out of order, and an answer patched
together from two attempts can all be told from the text that members see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_CHARS = 240
"""Of one message: small, so that long answers split into three or four parts."""

_stamp = re.compile(r"⟦q(\d+)\.(\d+)/(\d+)·(\d+)⟧")
_question = re.compile(r"\bq(\d+)\b")


class Style(StrEnum):
    SHORT = "short"  # one paragraph, at once
    LONG = "long"  # splits into several messages
    SLOW = "slow"  # one message, long enough in the making to be streamed
    SLOW_AND_LONG = "slow and long"  # a stream whose final text splits


_STYLES = (Style.SHORT, Style.LONG, Style.SLOW, Style.SHORT, Style.SLOW_AND_LONG)
_PARAGRAPHS = {Style.SHORT: 1, Style.LONG: 9, Style.SLOW: 3, Style.SLOW_AND_LONG: 7}
_PAUSE_S = {Style.SHORT: 0.0, Style.LONG: 0.004, Style.SLOW: 0.12, Style.SLOW_AND_LONG: 0.07}


@dataclass(frozen=True, slots=True)
class Line:
    """What a member says. ``number`` counts all lines; a question carries it in its text as ``q7``."""

    number: int
    id: str
    room: str
    member: str
    text: str
    addressed: bool
    sent_at: float


@dataclass(frozen=True, slots=True)
class Stamp:
    question: int
    paragraph: int
    of: int
    life: int


def style_of(question: int) -> Style:
    return _STYLES[question % len(_STYLES)]


def pause_s(question: int) -> float:
    """How long the answerer thinks before each paragraph."""
    return _PAUSE_S[style_of(question)]


def paragraphs(question: int, life: int) -> list[str]:
    """The whole answer, written in the bot's life number ``life``."""
    count = paragraph_count(question)
    return [
        f"⟦q{question}.{index}/{count}·{life}⟧ Paragraph {index} of what the documents say, 第 {index} 段。\n\n"
        for index in range(1, count + 1)
    ]


def paragraph_count(question: int) -> int:
    return _PARAGRAPHS[style_of(question)]


def question_in(text: str) -> int | None:
    """The number of the question that a member's line asks; None for chatter."""
    match = _question.search(text)
    return int(match[1]) if match else None


def stamps_in(text: str) -> list[Stamp]:
    """The stamps that a message shows, in their order."""
    return [Stamp(int(q), int(index), int(of), int(life)) for q, index, of, life in _stamp.findall(text)]
