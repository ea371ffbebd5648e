"""A one-line echo where the knowledge would be, for the bots of every platform."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bot.decision import Reason
from bot.ports import Judgement, Passage, Question, Sentence, Verdict

_passage = Passage(base="default", source="echo.md", heading="Echo", text="echo", score=1.0)


class EchoKnowledge:
    """Every question has an answer."""

    async def judge(self, question: Question) -> Judgement:
        return Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 1.0, (_passage,))


class EchoAnswerer:
    """One line: the question."""

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        yield Sentence(f"echo: {question.text}")
