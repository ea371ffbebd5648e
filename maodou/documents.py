"""The knowledge of one installation, opened: shelf, indexes, gate and answerer, for the rooms and the commands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bot.ports import Answerer, Knowledge
from bot.store import Store
from maodou.config import SAMPLE_BASE, Settings
from rag.indexes import Indexes
from rag.library import Library

log = structlog.get_logger(__name__)

PROJECT = Path(__file__).resolve().parent.parent
SAMPLE = ("README.md", "README_zh.md", "docs")
"""The project's own documentation, below its folder: what a new installation can be asked about."""


@dataclass(slots=True)
class Documents:
    """``trouble``: what went wrong with the sample, as a sentence; None while all is well."""

    library: Library
    indexes: Indexes
    knowledge: Knowledge
    answerer: Answerer
    with_sample: bool = True
    trouble: str | None = None
    _cancel: threading.Event = field(default_factory=threading.Event)
    _sample: threading.Thread | None = None

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, store: Store) -> Iterator[Documents]:
        """Load the indexes, which blocks for a moment; closed afterwards."""
        from rag.extractive import ExtractiveAnswerer
        from rag.knowledge import GatedKnowledge

        library = Library(store, settings.knowledge)
        indexes = Indexes(store, settings.knowledge, settings.data_dir / "index")
        indexes.open()
        documents = cls(
            library,
            indexes,
            GatedKnowledge(store, indexes, settings.knowledge),
            ExtractiveAnswerer(),
            settings.sample,
        )
        try:
            yield documents
        finally:
            documents.close()

    def start(self) -> None:
        """Keep the indexes fresh from now on, and bring in the sample."""
        self.indexes.start()
        if self.with_sample:
            self._sample = threading.Thread(target=self._add_sample, name="sample")
            self._sample.start()

    def close(self) -> None:
        self._cancel.set()
        if self._sample is not None:
            self._sample.join()
        self.indexes.close()

    def _add_sample(self) -> None:
        try:
            if self.wants_sample():
                self.add_sample()
        except Exception as error:  # without it the rooms still answer from what there is
            log.exception("documents.sample_failed")
            self.trouble = f"The sample documents could not be read: {error}"

    def wants_sample(self) -> bool:
        """Whether there is no knowledge base yet, or one that the sample went into, which may have changed."""
        bases = {base.name for base in self.library.bases()}
        if SAMPLE_BASE not in bases:
            return not bases
        roots = {Path(document.root) for document in self.library.list(SAMPLE_BASE)}
        return PROJECT in roots or PROJECT / "docs" in roots

    def add_sample(self) -> None:
        """Bring the sample base in step with the project's documentation."""
        for name in SAMPLE:
            path = PROJECT / name
            if path.exists() and not self._cancel.is_set():
                self.library.add(path, SAMPLE_BASE, cancel=self._cancel)
