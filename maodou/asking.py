"""One question to a knowledge base, outside any room: ``maodou kb ask``. Gate and answerer are the rooms' own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bot.decision import Reason
from bot.event import Addressed
from bot.ports import Citation, Judgement, Question, Verdict
from bot.room_settings import Eagerness
from bot.texts import language_of
from maodou.documents import Documents

MAX_CITATIONS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """``source``: the file's path relative to the folder that was added."""

    source: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the bot would do. ``citations``: the best passages, best first, whatever the decision. ``cited``: what the
    numbers in ``answer`` stand for."""

    decision: Verdict
    reason: Reason
    answer: str
    citations: tuple[Source, ...]
    score: float
    cited: tuple[Citation, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All but ``cited``."""
        told = asdict(self)
        del told["cited"]
        return told


async def ask(documents: Documents, text: str, base: str, *, addressed: bool) -> Asked:
    """What the bot would do with ``text`` in a room that reads ``base`` and lets it be helpful."""
    question = Question(
        text=text,
        bases=(base,),
        addressed=Addressed.MENTION if addressed else Addressed.NONE,
        language=language_of(text),
        eagerness=Eagerness.HELPFUL,
    )
    if not text.strip():
        return Asked(Verdict.ASK_BACK if addressed else Verdict.SILENT, Reason.EMPTY, "", (), 0.0)
    judgement = await documents.knowledge.judge(question)
    decision, reason, answer = judgement.verdict, judgement.reason, ""
    cited: tuple[Citation, ...] = ()
    if decision is Verdict.ANSWER:
        answer, cited = await _answer(documents, question, judgement)
        if not answer:  # as in the room: the documents seemed to know, but nothing came of it
            decision = Verdict.NOTHING_FOUND if addressed else Verdict.SILENT
            reason = Reason.NOT_IN_DOCUMENTS if addressed else Reason.UNSURE
    best = judgement.passages[:MAX_CITATIONS]
    sources = tuple(Source(passage.source, passage.heading, passage.text) for passage in best)
    return Asked(decision, reason, answer, sources, round(judgement.score, 4), cited)


async def _answer(documents: Documents, question: Question, judgement: Judgement) -> tuple[str, tuple[Citation, ...]]:
    sentences = [sentence async for sentence in documents.answerer.answer(question, judgement)]
    cited = {each.number: each for said in sentences for each in said.citations}
    return "".join(said.text for said in sentences).strip(), tuple(cited[number] for number in sorted(cited))
