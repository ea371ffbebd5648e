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
from bot.ports import Answerer
from bot.store import Store
from maodou.config import SAMPLE_BASE, Settings
from maodou.config_file import PROJECT
from rag.indexes import Indexes
from rag.library import Library

if TYPE_CHECKING:
    from llm.client import ModelClient
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
    trouble: str | None = None
    model: ModelClient | None = None

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, store: Store, *, sample: bool = False) -> Iterator[Documents]:
        """Load the indexes, which blocks for a moment; closed afterwards. ``sample``: bring it in step first."""
        from rag.knowledge import GatedKnowledge

        answerer, model = answerer_of(settings)
        library = Library(store, settings.knowledge)
        trouble = add_sample(library, PROJECT) if sample and settings.sample else None
        indexes = Indexes(store, settings.knowledge, settings.data_dir / "index")
        indexes.open()
        knowledge = GatedKnowledge(store, indexes, settings.knowledge)
        try:
            yield cls(library, indexes, knowledge, answerer, trouble, model)
        finally:
            knowledge.close()
            indexes.close()

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


def answerer_of(settings: Settings) -> tuple[Answerer, ModelClient | None]:
    """Answers by a model where one is configured, in the documents' own words otherwise and when it fails."""
    from rag.extractive import ExtractiveAnswerer

    if settings.model is None:
        return ExtractiveAnswerer(), None
    if importlib.util.find_spec("openai") is None:
        raise UsageError("Answers by a model need the extra `openai`: make setup ALL=1, or take `model` out again.")
    from llm.client import ModelClient
    from rag.model_answers import ModelAnswerer

    model = ModelClient(settings.model)
    return ModelAnswerer(model, ExtractiveAnswerer()), model


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
