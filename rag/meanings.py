"""The vector side of a base's index: what it holds, how it follows the words, how a question is put to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, select

from rag.lsa import Lsa
from rag.settings import LsaEmbedding
from rag.tables import chunks, vectors
from search.bm25 import WordIndex
from search.vectors import VectorIndex

_READ_CHUNKS = 2_000

_STORED = (
    select(chunks.c.id, vectors.c.vector)
    .join(vectors, vectors.c.hash == chunks.c.hash)
    .where(vectors.c.model == bindparam("model"), chunks.c.id.in_(bindparam("ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Meanings:
    """``index``: vectors under the ids of their chunks. ``lsa``: the projection, when that is what made them."""

    index: VectorIndex
    lsa: Lsa | None = None


def stored(
    connection: Connection, model: str, chunk_ids: npt.NDArray[np.int64], old: Meanings | None
) -> Meanings | None:
    """The vectors of ``model`` that SQL has for these chunks; those that ``old`` has are not read again."""
    if old is not None and _same(old.index, chunk_ids):
        return old
    index = None if old is None else _kept(old.index, chunk_ids)
    missing = chunk_ids if index is None else chunk_ids[~np.isin(chunk_ids, index.ids())]
    for start in range(0, len(missing), _READ_CHUNKS):
        part = missing[start : start + _READ_CHUNKS].tolist()
        rows = connection.execute(_STORED, {"model": model, "ids": part}).all()
        if rows:
            index = index or VectorIndex(len(rows[0].vector) // 2)
            index.add([row.id for row in rows], np.stack([from_bytes(row.vector) for row in rows]))
    return None if index is None else Meanings(index)


def fitted(
    settings: LsaEmbedding, words: WordIndex, chunk_ids: npt.NDArray[np.int64], old: Meanings | None
) -> Meanings | None:
    """LSA vectors: new chunks are projected as the others were, until so many are new that it is fitted again."""
    if old is not None and old.lsa is not None:
        if _same(old.index, chunk_ids):
            return old
        index = _kept(old.index, chunk_ids)
        missing = np.flatnonzero(~np.isin(chunk_ids, index.ids()))
        gone = max(0, old.lsa.chunks - len(index))
        if max(len(missing), gone) <= settings.refit_share * old.lsa.chunks:
            index.add(chunk_ids[missing], old.lsa.passages(words, missing))
            return Meanings(index, old.lsa)
    lsa = Lsa.fit(words, settings)
    if lsa is None:
        return None
    index = VectorIndex(lsa.dimensions)
    index.add(chunk_ids, lsa.passages(words, np.arange(len(chunk_ids))))
    return Meanings(index, lsa)


def _kept(index: VectorIndex, chunk_ids: npt.NDArray[np.int64]) -> VectorIndex:
    """A copy of ``index`` without what is not among ``chunk_ids``: others may still be searching the old one."""
    copy = VectorIndex.from_bytes(index.to_bytes())
    ids = copy.ids()
    copy.remove(ids[~np.isin(ids, chunk_ids)])
    return copy


def _same(index: VectorIndex, chunk_ids: npt.NDArray[np.int64]) -> bool:
    """Whether ``index`` has the vectors of just these chunks."""
    return len(index) == len(chunk_ids) and bool(np.isin(chunk_ids, index.ids()).all())


def to_bytes(vector: npt.NDArray[np.float32]) -> bytes:
    """As ``kb_vectors`` keeps it: float16, little-endian."""
    return vector.astype("<f2").tobytes()


def from_bytes(data: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(data, "<f2").astype(np.float32)


def question(
    meanings: Meanings,
    words: WordIndex,
    tokens: Sequence[str],
    vector: npt.NDArray[np.float32] | None,
    limit: int,
    allowed: npt.NDArray[np.int64] | None = None,
) -> tuple[list[int], list[float]]:
    """Chunk ids and cosines of the nearest, nearest first. ``vector``: the question's, from a model from outside.
    ``allowed``: ids of chunks, when not all may be found."""
    if meanings.lsa is not None:
        vector = meanings.lsa.query(tokens, words.vocabulary)
    if vector is None or vector.shape != (meanings.index.dim,):
        return [], []
    ids, cosines = meanings.index.search(vector, limit, allowed)
    return ids.tolist(), cosines.tolist()
