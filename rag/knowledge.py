"""Documents that know when to be silent: retrieval and gate behind the core's ``Knowledge`` port.

A question is completed from the conversation where it leans on it, looked up in the bases of its room – and in no
other –, weighed, and ruled upon. All of it runs in a worker thread; the room's lane waits, the others do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.event import Addressed
from bot.ports import Eagerness, Judgement, Question
from bot.store import Store
from rag.completion import whole
from rag.gate.deciding import Ruling, decide
from rag.gate.features import view_of
from rag.gate.forms import form_of
from rag.gate.learning import Learner
from rag.gate.prior import Prior, shipped
from rag.indexes import Indexes
from rag.retrieve import Hit, Retriever
from rag.settings import KnowledgeSettings

MAX_CITATIONS = 5


class GatedKnowledge:
    """A :class:`bot.ports.Knowledge` over the bases of one installation. ``learner``: what examples taught."""

    def __init__(self, store: Store, indexes: Indexes, settings: KnowledgeSettings, prior: Prior | None = None) -> None:
        self.retriever = Retriever(store, indexes, settings)
        self.prior = prior or shipped()
        self.learner = Learner(store, self.retriever, self.prior)

    def close(self) -> None:
        """Let the learner finish what it is at."""
        self.learner.close()

    async def judge(self, question: Question) -> Judgement:
        """The gate's word on ``question``, with at most MAX_CITATIONS passages, best first, whatever the verdict."""
        text = await whole(question)
        ruling, hits = await asyncio.to_thread(
            self.rule,
            text,
            question.bases,
            addressed=question.addressed is not Addressed.NONE,
            eagerness=question.eagerness or Eagerness.HELPFUL,
        )
        return Judgement(ruling.verdict, ruling.reason, ruling.score, tuple(hit.passage for hit in hits))

    def rule(
        self, text: str, bases: Sequence[str], *, addressed: bool = False, eagerness: Eagerness = Eagerness.HELPFUL
    ) -> tuple[Ruling, list[Hit]]:
        """The ruling on a message and the passages it rests on. Blocks for some milliseconds."""
        form = form_of(text)
        statistics = self.retriever.statistics(bases)
        hits = self.retriever.search(form.text, bases, MAX_CITATIONS)
        ruling = decide(
            view_of(form, statistics, hits),
            self.prior,
            self.learner.fitted(bases),
            chunks=statistics.chunks,
            found=bool(hits),
            addressed=addressed,
            eagerness=eagerness,
        )
        return ruling, hits
