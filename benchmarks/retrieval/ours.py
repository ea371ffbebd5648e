"""The objects of a room: chunks and vectors in SQL, ``Indexes`` over them, ``Retriever`` in front.

The embedding is a double that looks its vectors up. Documents hold twenty chunks each, and are written as the shelf
writes what it has read and split; reading files is not part of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import faiss

from benchmarks.retrieval.arms import LIMIT, Ask
from benchmarks.retrieval.corpus import CHUNKS_PER_DOCUMENT, Corpus, Vectors
from bot.logs import LogSettings, Secrets, configure
from bot.store import Store, StoreSettings, metadata
from rag.embed import embed
from rag.indexes import Indexes
from rag.retrieve import Retriever
from rag.settings import EndpointEmbedding, KnowledgeSettings
from rag.writing import Chunk, Read, base_id_of, write_batch

BASE = "default"
_SETTINGS = KnowledgeSettings(embedding=EndpointEmbedding(kind="endpoint", url="http://127.0.0.1", model="looked-up"))

T = TypeVar("T")


class LookedUp:
    """An embedding whose vectors are known before."""

    key = "looked-up"
    batch_texts = _SETTINGS.embed_commit_texts

    def __init__(self, texts: Sequence[str], vectors: Vectors) -> None:
        self._numbers = {text: number for number, text in enumerate(texts)}
        self._vectors = vectors

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._vectors[[self._numbers[text] for text in texts]]

    def query(self, text: str) -> Vectors:
        vector: Vectors = self._vectors[self._numbers[text]]
        return vector


def build(corpus: Corpus, folder: Path) -> dict[str, float]:
    configure(LogSettings(level="warning"), Secrets(()))
    parts: dict[str, float] = {}
    store = _store(folder)
    metadata.create_all(store.engine)
    embedder = LookedUp(corpus.texts, corpus.vectors)
    _timed(parts, "sql", lambda: _write(store, corpus))
    _timed(parts, "vectors", lambda: embed(store, _SETTINGS, embedder, BASE))
    indexes = Indexes(store, _SETTINGS, folder / "index", embedder)
    _timed(parts, "index", indexes.open)
    assert indexes.current[BASE].chunk_ids.shape == (len(corpus.texts),)
    store.close()
    return parts


def _write(store: Store, corpus: Corpus) -> None:
    """What ``Library.add`` does once it has read and split the files."""
    base_id = store.write_now(lambda connection: base_id_of(connection, BASE))
    step = CHUNKS_PER_DOCUMENT * _SETTINGS.batch_documents
    for start in range(0, len(corpus.texts), step):
        batch = [
            _document(corpus.texts[first : first + CHUNKS_PER_DOCUMENT], first // CHUNKS_PER_DOCUMENT)
            for first in range(start, min(start + step, len(corpus.texts)), CHUNKS_PER_DOCUMENT)
        ]
        store.write_now(partial(write_batch, base_id=base_id, root="/corpus", batch=batch))


def _document(texts: Sequence[str], number: int) -> Read:
    digests = [hashlib.blake2b(f"\n{text}".encode(), digest_size=16).hexdigest() for text in texts]
    pieces = tuple(Chunk("", text, digest) for text, digest in zip(texts, digests, strict=True))
    size = sum(len(text.encode()) for text in texts)
    return Read(f"{number:05}.txt", digests[0], size, None, "", pieces)


def _timed(parts: dict[str, float], name: str, work: Callable[[], T]) -> T:
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    parts[f"{name}_s"], parts[f"{name}_cpu_s"] = time.perf_counter() - began, time.process_time() - cpu
    return result


def opened(folder: Path, corpus: Corpus) -> Ask:
    configure(LogSettings(level="warning"), Secrets(()))
    store = _store(folder)
    indexes = Indexes(store, _SETTINGS, folder / "index", LookedUp(corpus.asked, corpus.asked_vectors))
    indexes.open()
    retriever = Retriever(store, indexes, _SETTINGS)

    def ask(text: str, vector: Vectors) -> list[str]:
        return [hit.passage.text for hit in retriever.search(text, [BASE], LIMIT)]

    return ask


def _store(folder: Path) -> Store:
    faiss.omp_set_num_threads(1)
    return Store.open(StoreSettings(f"sqlite:///{folder}/maodou.db"))
