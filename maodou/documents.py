"""The knowledge of one installation, opened: shelf, indexes, gate and answerer, for the rooms and the commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bot.errors import MaodouError
from bot.ports import Answerer
from bot.store import Store
from maodou.config import SAMPLE_BASE, Settings
from rag.indexes import Indexes
from rag.library import Library

if TYPE_CHECKING:
    from rag.knowledge import GatedKnowledge

log = structlog.get_logger(__name__)

PROJECT = Path(__file__).resolve().parent.parent
SAMPLE = ("README.md", "README_zh.md", "docs")
"""The project's own documentation, below its folder: what a new installation can be asked about."""


@dataclass(frozen=True, slots=True)
class Documents:
    """``trouble``: what went wrong with the sample, as a sentence; None while all is well."""

    library: Library
    indexes: Indexes
    knowledge: GatedKnowledge
    answerer: Answerer
    trouble: str | None = None

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, store: Store, *, sample: bool = False) -> Iterator[Documents]:
        """Load the indexes, which blocks for a moment; closed afterwards. ``sample``: bring it in step first."""
        from rag.extractive import ExtractiveAnswerer
        from rag.knowledge import GatedKnowledge

        library = Library(store, settings.knowledge)
        trouble = add_sample(library, PROJECT) if sample and settings.sample else None
        indexes = Indexes(store, settings.knowledge, settings.data_dir / "index")
        indexes.open()
        knowledge = GatedKnowledge(store, indexes, settings.knowledge)
        try:
            yield cls(library, indexes, knowledge, ExtractiveAnswerer(), trouble)
        finally:
            knowledge.close()
            indexes.close()


def add_sample(library: Library, project: Path) -> str | None:
    """Bring the sample base in step with the project's documentation, where it is wanted; what went wrong.

    It is wanted while there is no knowledge base, and kept in step where it went in: an operator who takes it
    out does not get it back.
    """
    names = {base.name for base in library.bases()}
    if SAMPLE_BASE in names:
        roots = {Path(document.root) for document in library.list(SAMPLE_BASE)}
        if not roots & {project, project / "docs"}:
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
