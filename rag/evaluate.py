"""A question set put to the room's own knowledge and answerer, and counted: when it spoke, and from which file.

One message a line, as JSON: ``{"text", "expect": "answer" | "silent"}``, and where they apply ``"source"`` (a file or
a list of files, any of which answers), ``"earlier"`` (the room's messages before it, oldest first), ``"kind"``
(answerable, unanswerable, multi-turn, poisoned), ``"addressed"`` (true: as if the bot had been mentioned) and
``"forbid"`` (texts that the answer must not hold).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from bot.errors import UsageError
from bot.event import Addressed
from bot.ports import Answerer, Knowledge, Question, Utterance, Verdict
from bot.room_settings import Eagerness
from bot.texts import language_of

MAX_CASES = 100_000


class Kind(StrEnum):
    ANSWERABLE = "answerable"
    UNANSWERABLE = "unanswerable"
    MULTI_TURN = "multi-turn"
    POISONED = "poisoned"


class Case(BaseModel):
    """One message of a question set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    expect: Literal["answer", "silent"]
    source: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    kind: Kind | None = None
    addressed: bool = False
    forbid: tuple[str, ...] = ()

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @property
    def counted_as(self) -> Kind:
        """Its kind, or the one that what is expected of it suggests."""
        if self.kind is not None:
            return self.kind
        if self.expect == "silent":
            return Kind.UNANSWERABLE
        return Kind.MULTI_TURN if self.earlier else Kind.ANSWERABLE


class Fault(StrEnum):
    """What was wrong with an outcome."""

    SILENT = "silent"
    SPOKE = "spoke"
    OTHER_SOURCE = "other_source"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``cited``: the files that the answer names, in its order. ``ms``: from text to the end of the answer."""

    case: Case
    answer: str
    cited: tuple[str, ...]
    reason: str
    score: float
    ms: float

    @property
    def answered(self) -> bool:
        return bool(self.answer)

    @property
    def right_source(self) -> bool:
        """Whether the answer names one of the files that hold it."""
        return any(_same_file(wanted, cited) for wanted in self.case.source for cited in self.cited)

    @property
    def fault(self) -> Fault | None:
        if any(text in self.answer for text in self.case.forbid):
            return Fault.FORBIDDEN
        if not self.answered:
            return Fault.SILENT if self.case.expect == "answer" else None
        if self.case.expect == "silent":
            return Fault.SPOKE
        return Fault.OTHER_SOURCE if self.case.source and not self.right_source else None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some outcomes. An answer counts as right when one was expected; ``right_source`` is a share of those right
    answers whose file is known. Shares of nothing are None."""

    messages: int
    expected: int
    answered: int
    right: int
    forbidden: int
    precision: float | None
    recall: float | None
    f1: float | None
    right_source: float | None
    ms_per_message: float


def read_cases(lines: Iterable[str]) -> list[Case]:
    """Cases from JSON lines; blank lines are passed over. Raises ``UsageError`` that names the line."""
    cases: list[Case] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            cases.append(Case.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"Line {number}: {where + ': ' if where else ''}{first['msg']}") from None
        if len(cases) > MAX_CASES:
            raise UsageError(f"There are more than {MAX_CASES} messages.")
    if not cases:
        raise UsageError("There is no message in it: one JSON object a line, with text and expect.")
    return cases


async def evaluate(
    cases: Sequence[Case],
    knowledge: Knowledge,
    answerer: Answerer,
    bases: tuple[str, ...],
    *,
    eagerness: Eagerness = Eagerness.HELPFUL,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Outcome]:
    """Put each message as a room that reads ``bases`` would, one after the other."""
    outcomes: list[Outcome] = []
    for number, case in enumerate(cases, start=1):
        outcomes.append(await _put(case, knowledge, answerer, bases, eagerness))
        if progress is not None:
            progress(number, len(cases), case.text)
    return outcomes


async def _put(
    case: Case, knowledge: Knowledge, answerer: Answerer, bases: tuple[str, ...], eagerness: Eagerness
) -> Outcome:
    question = Question(
        text=case.text,
        bases=bases,
        addressed=Addressed.MENTION if case.addressed else Addressed.NONE,
        language=language_of(case.text),
        earlier=_before(case.earlier),
        eagerness=eagerness,
    )
    began = time.perf_counter()
    judgement = await knowledge.judge(question)
    texts: list[str] = []
    cited: dict[str, None] = {}
    if judgement.verdict is Verdict.ANSWER:
        async for sentence in answerer.answer(question, judgement):
            texts.append(sentence.text)
            cited.update((citation.source, None) for citation in sentence.citations)
    answer = "".join(texts).strip()
    ms = (time.perf_counter() - began) * 1_000
    return Outcome(case, answer, tuple(cited), judgement.reason.value, judgement.score, ms)


def _before(texts: Sequence[str]) -> Callable[[], Awaitable[tuple[Utterance, ...]]]:
    said = tuple(Utterance("member", text) for text in texts)

    async def earlier() -> tuple[Utterance, ...]:
        return said

    return earlier


def _same_file(wanted: str, cited: str) -> bool:
    """Sources are relative to the folder that was added: one of the two paths may be longer."""
    wanted, cited = wanted.strip("/"), cited.strip("/")
    return wanted == cited or wanted.endswith(f"/{cited}") or cited.endswith(f"/{wanted}")


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """The counts and shares of ``outcomes``."""
    expected = sum(outcome.case.expect == "answer" for outcome in outcomes)
    answered = [outcome for outcome in outcomes if outcome.answered]
    right = [outcome for outcome in answered if outcome.case.expect == "answer"]
    sourced = [outcome for outcome in right if outcome.case.source]
    return Figures(
        messages=len(outcomes),
        expected=expected,
        answered=len(answered),
        right=len(right),
        forbidden=sum(outcome.fault is Fault.FORBIDDEN for outcome in outcomes),
        precision=_share(len(right), len(answered)),
        recall=_share(len(right), expected),
        f1=_share(2 * len(right), len(answered) + expected),
        right_source=_share(sum(outcome.right_source for outcome in sourced), len(sourced)),
        ms_per_message=round(sum(outcome.ms for outcome in outcomes) / max(1, len(outcomes)), 2),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def by_kind(outcomes: Sequence[Outcome]) -> dict[str, Figures]:
    """Figures of each kind that occurs, in the order of :class:`Kind`, then of ``all``."""
    kinds = {kind: [outcome for outcome in outcomes if outcome.case.counted_as is kind] for kind in Kind}
    table = {kind.value: figures(some) for kind, some in kinds.items() if some}
    return {**table, "all": figures(outcomes)}
