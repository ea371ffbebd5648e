"""The knowledge of one installation, opened: shelf, indexes, gate and answerer, for the rooms and the commands."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from bot.errors import MaodouError, UsageError
from bot.ports import Answerer, SystemClock
from bot.store import Store
from maodou.config import SAMPLE_BASE, Settings
from maodou.config_file import PROJECT
from rag.completion import Complete, whole
from rag.indexes import Indexes
from rag.library import Library
from rag.sources import Keeper, Sources

if TYPE_CHECKING:
    from llm.client import ModelClient
    from rag.judging import Judge
    from rag.knowledge import GatedKnowledge

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

SAMPLE = ("README.md", "README_zh.md", "docs/guide")
"""The guide for members and operators: what a new installation can be asked about. Not how the house is built."""


@dataclass(frozen=True, slots=True)
class Documents:
    """``trouble``: what went wrong with the sample, as a sentence; None while all is well. ``model``: what writes the
    answers, where one is configured."""

    library: Library
    indexes: Indexes
    knowledge: GatedKnowledge
    answerer: Answerer
    sources: Sources
    keeper: Keeper
    trouble: str | None = None
    model: ModelClient | None = None

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, store: Store, *, sample: bool = False) -> Iterator[Documents]:
        """Load the indexes, which blocks for a moment; closed afterwards. ``sample``: bring it in step first."""
        from rag.knowledge import GatedKnowledge

        model = model_of(settings)
        complete = completer_of(settings, model)
        answerer = answerer_of(model, complete)
        library = Library(store, settings.knowledge)
        trouble = add_sample(library, PROJECT) if sample and settings.sample else None
        indexes = Indexes(store, settings.knowledge, settings.data_dir / "index")
        indexes.open()
        judge = judge_of(settings, model)
        knowledge = GatedKnowledge(store, indexes, settings.knowledge, complete=complete, judge=judge)
        sources = Sources(library, SystemClock())
        keeper = Keeper(sources, library)
        try:
            yield cls(library, indexes, knowledge, answerer, sources, keeper, trouble, model)
        finally:
            keeper.close()
            knowledge.close()
            indexes.close()

    def start(self) -> None:
        """Keep indexes and sources in step from threads of their own, until all is closed."""
        self.indexes.start()
        self.keeper.start()

    async def aclose(self) -> None:
        """Close the model's connections, on the loop that used them."""
        if self.model is not None:
            await self.model.aclose()

    async def then_close(self, work: Awaitable[_T]) -> _T:
        """What ``work`` gives, and the connections closed: for a command with a loop of its own."""
        try:
            return await work
        finally:
            await self.aclose()


def model_of(settings: Settings) -> ModelClient | None:
    """The chat model that is configured. Raises ``UsageError`` where what it needs is not installed."""
    if settings.model is None:
        return None
    if importlib.util.find_spec("openai") is None:
        raise UsageError("Answers by a model need the extra `openai`: make setup ALL=1, or take `model` out again.")
    from llm.client import ModelClient

    return ModelClient(settings.model)


def completer_of(settings: Settings, model: ModelClient | None) -> Complete:
    """What makes follow-ups whole: the model where there is one, and the rule."""
    if model is None or not settings.knowledge.completion.enabled:
        return whole
    from rag.model_completion import ModelCompleter

    return ModelCompleter(model, settings.knowledge.completion)


def judge_of(settings: Settings, model: ModelClient | None) -> Judge | None:
    """The model as a judge, where that is wanted. Raises ``UsageError`` where it is and there is no model."""
    if not settings.knowledge.judge.enabled:
        return None
    if model is None:
        raise UsageError("knowledge.judge.enabled needs a model: set `model` as well, or take it out again.")
    from rag.judging import Judge

    return Judge(model, settings.knowledge.judge)


def answerer_of(model: ModelClient | None, complete: Complete) -> Answerer:
    """Answers by the model where there is one, in the documents' own words otherwise and when it fails."""
    from rag.extractive import ExtractiveAnswerer

    if model is None:
        return ExtractiveAnswerer(complete)
    from rag.model_answers import ModelAnswerer

    return ModelAnswerer(model, ExtractiveAnswerer(complete), complete=complete)


def add_sample(library: Library, project: Path) -> str | None:
    """Bring the sample base in step with the project's documentation, where it is wanted; what went wrong.

    It is wanted while there is no knowledge base, and kept in step where it went in: an operator who takes it
    out does not get it back.
    """
    names = {base.name for base in library.bases()}
    if SAMPLE_BASE in names:
        roots = {Path(document.root) for document in library.list(SAMPLE_BASE)}
        if not roots & {project, *(project / name for name in SAMPLE)}:
            return None
    elif names:
        return None
    try:
        for name in SAMPLE:
            if (project / name).exists():
                library.add(project / name, SAMPLE_BASE)
    except MaodouError as error:  # without it the rooms still answer from what there is
        log.error("documents.sample_failed", error=str(error))
        return f"The sample documents could not be read: {error}"
    return None
