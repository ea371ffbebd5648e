"""Documents that know when to be silent: retrieval and gate behind the core's ``Knowledge`` port.

A question is completed from the conversation where it leans on it, looked up in the bases of its room – and in no
other –, weighed, and ruled upon. What members gave is asked only where the operators' documents have no answer: it can
add to them and never stand in their place. All of it runs in a worker thread; the room's lane waits, the others do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.event import Addressed
from bot.ports import Judgement, Question, Verdict
from bot.room_settings import Eagerness
from bot.store import Store
from rag.completion import Complete, whole
from rag.gate import background
from rag.gate.deciding import Ruling, decide
from rag.gate.features import view_of
from rag.gate.forms import form_of
from rag.gate.headings import asks_for_one, those_first
from rag.gate.learning import Learner
from rag.gate.prior import Prior, shipped
from rag.indexes import Indexes
from rag.judging import Judge
from rag.retrieve import Hit, Retriever
from rag.settings import KnowledgeSettings

MAX_CITATIONS = 5


class GatedKnowledge:
    """A :class:`bot.ports.Knowledge` over the bases of one installation. ``learner``: what examples taught.
    ``complete``: makes follow-ups whole. ``judge``: asked where the gate is in doubt, None for never."""

    def __init__(
        self,
        store: Store,
        indexes: Indexes,
        settings: KnowledgeSettings,
        prior: Prior | None = None,
        *,
        complete: Complete = whole,
        judge: Judge | None = None,
    ) -> None:
        background.load()  # a file, which must not be read on the loop
        self.retriever = Retriever(store, indexes, settings)
        self.prior = prior or shipped()
        self.complete = complete
        self._judge = judge
        self.learner = Learner(store, self.retriever, self.prior)

    def close(self) -> None:
        """Let the learner finish what it is at."""
        self.learner.close()

    async def judge(self, question: Question) -> Judgement:
        """The gate's word on ``question``, with at most MAX_CITATIONS passages, best first, whatever the verdict."""
        text = await self.complete(question)
        addressed = question.addressed is not Addressed.NONE
        ruling, hits = await asyncio.to_thread(
            self.rule,
            text,
            question.bases,
            addressed=addressed,
            eagerness=question.eagerness or Eagerness.HELPFUL,
        )
        passages = tuple(hit.passage for hit in hits)
        if self._judge is not None and passages and self._judge.is_unclear(ruling):
            ruling = await self._judge.rule(ruling, text, passages, question.language, addressed=addressed)
        return Judgement(ruling.verdict, ruling.reason, ruling.score, passages)

    def rule(
        self, text: str, bases: Sequence[str], *, addressed: bool = False, eagerness: Eagerness = Eagerness.HELPFUL
    ) -> tuple[Ruling, list[Hit]]:
        """The ruling on a message and the passages it rests on. Blocks for some milliseconds."""
        form = form_of(text)
        statistics = self.retriever.statistics(bases)
        fitted = self.learner.fitted(bases)

        def ruled(hits: list[Hit]) -> Ruling:
            return decide(
                view_of(form, statistics, hits),
                self.prior,
                fitted,
                chunks=statistics.chunks,
                found=bool(hits),
                addressed=addressed,
                eagerness=eagerness,
                in_heading=asks_for_one(form.text, hits),
            )

        hits = self.retriever.search(form.text, bases, MAX_CITATIONS)
        if any(hit.passage.added_by for hit in hits):
            trusted = self.retriever.search(form.text, bases, MAX_CITATIONS, members=False)
            ruling = ruled(trusted)
            if ruling.verdict is Verdict.ANSWER:
                return ruling, those_first(form.text, trusted)
        return ruled(hits), those_first(form.text, hits)
