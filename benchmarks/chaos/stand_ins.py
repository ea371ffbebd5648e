"""What stands at the core's ports instead of documents and a model: scripted, and named so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from benchmarks.chaos.points import Fuse, Point
from benchmarks.chaos.script import paragraphs, pause_s, question_in
from bot.decision import Reason
from bot.ports import Judgement, Passage, Question, Sentence, Verdict

_passage = Passage(base="chaos", source="install.md", heading="Install", text="Run the installer.", score=0.99)


class ScriptedKnowledge:
    """Has an answer to every question, and to nothing else."""

    async def judge(self, question: Question) -> Judgement:
        if question_in(question.text) is None:
            return Judgement(Verdict.SILENT, Reason.NOT_A_QUESTION, 0.01)
        return Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.99, (_passage,))


class ScriptedAnswerer:
    """Speaks the script's answer, one paragraph a sentence, stamped with the bot's ``life``."""

    def __init__(self, life: int, fuse: Fuse) -> None:
        self._life = life
        self._fuse = fuse

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        number = question_in(question.text)
        assert number is not None, question.text
        for text in paragraphs(number, self._life):
            await asyncio.sleep(pause_s(number))
            self._fuse.reached(Point.WHILE_ANSWERING)
            yield Sentence(text)
