"""What stands at the core's ports instead of documents: answers by a word in the question, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bot.decision import Reason
from bot.ports import Judgement, Question, Sentence, Verdict
from bot.testing import Echo, KnowsEverything

NOT_THERE, UNCLEAR, LONG, SLOW = "火星", "那个", "全部", "慢慢"

CODE = "```python\nfor bean in beans:\n    plant(bean)\n```"
TABLE = "| 后端 | 支持 |\n| --- | --- |\n| ncnn | 是 |"
LINES = tuple(f"第 {number} 步：" + "浇水、晒太阳、等它发芽。" * 12 for number in range(1, 45))
LONG_ANSWER = "\n\n".join([*LINES[:20], CODE, *LINES[20:], TABLE])


class ScriptedKnowledge:
    """Has an answer to every question; what nobody asked and is no question is left alone."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self._knows = KnowsEverything()
        self._lacks = KnowsEverything(Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS)
        self._doubts = KnowsEverything(Verdict.ASK_BACK, Reason.UNCLEAR)
        self._ignores = KnowsEverything(Verdict.SILENT, Reason.NOT_A_QUESTION)

    async def judge(self, question: Question) -> Judgement:
        self.asked.append(question)
        chatter = question.addressed.value == "none" and not question.text.endswith(("?", "？"))
        knowledge = (
            self._ignores
            if chatter
            else self._lacks
            if NOT_THERE in question.text
            else self._doubts
            if UNCLEAR in question.text
            else self._knows
        )
        return await knowledge.judge(question)


class ScriptedAnswerer:
    """Says the question back; a long answer, or a slow one, to those who ask for it."""

    def __init__(self) -> None:
        self._echo = Echo()
        self._long = Echo(LONG_ANSWER)
        self._slow = Echo("一。", "二。", "三。", delay_s=0.25)

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        answerer = self._long if LONG in question.text else self._slow if SLOW in question.text else self._echo
        async for sentence in answerer.answer(question, judgement):
            yield sentence
