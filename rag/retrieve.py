"""A message to the passages that may answer it: words and vectors, fused by rank. What the gate stands on.

Only the bases that are named can be found: each has an index of its own, and words are weighed by these bases
alone. The text of a hit comes from SQL, so a passage that was taken out a moment ago is not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from sqlalchemy import bindparam, select

from bot.errors import ModelError
from bot.ports import Passage
from bot.store import Store
from rag.index import BaseIndex
from rag.indexes import Indexes
from rag.meanings import question
from rag.settings import KnowledgeSettings
from rag.tables import chunks, documents
from search import near_duplicates
from search.bm25 import shared_weights
from search.fusion import fuse
from search.tokenise import tokens

log = structlog.get_logger(__name__)

_Key = tuple[str, int]  # base and chunk id

_TEXTS = (
    select(
        chunks.c.id,
        chunks.c.document_id,
        chunks.c.ordinal,
        chunks.c.heading,
        chunks.c.text,
        documents.c.source,
        documents.c.title,
    )
    .join(documents)
    .where(chunks.c.id.in_(bindparam("ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage and how it was found.

    ``lexical``: BM25 score, 0 and up, without a fixed top; ``vector``: cosine, -1 to 1; a rank counts from 1 and is
    None where the channel did not find it among its candidates, and the score is then 0. ``fused``: 0 to 1, of rank
    alone (also the passage's ``score``). ``same_as``: sources of near-identical passages that were folded into it.
    """

    passage: Passage
    document_id: int
    ordinal: int
    title: str
    lexical: float
    lexical_rank: int | None
    vector: float
    vector_rank: int | None
    fused: float
    same_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the bases' words look like: for whoever weighs a word. All answers are dictionary look-ups."""

    indexes: tuple[BaseIndex, ...]

    @property
    def chunks(self) -> int:
        return sum(index.words.chunks for index in self.indexes)

    def document_frequency(self, token: str) -> int:
        """In how many chunks a token of :func:`search.tokenise.tokens` stands."""
        return sum(index.words.document_frequency(token) for index in self.indexes)

    def knows(self, token: str) -> bool:
        return any(index.words.document_frequency(token) for index in self.indexes)


class Retriever:
    """Finds passages. Its methods block for some milliseconds: call them from a worker thread."""

    def __init__(self, store: Store, indexes: Indexes, settings: KnowledgeSettings) -> None:
        self.store = store
        self.indexes = indexes
        self.settings = settings

    def statistics(self, bases: Sequence[str]) -> Statistics:
        current = self.indexes.current
        return Statistics(tuple(current[base] for base in dict.fromkeys(bases) if base in current))

    def search(self, text: str, bases: Sequence[str], limit: int = 5) -> list[Hit]:
        """The ``limit`` best passages for ``text``, best first; only from ``bases``; empty when no word is known.

        Near-identical passages are folded into the best of them, and a document gives at most
        ``passages_per_document``.
        """
        wanted = max(limit * 3, self.settings.recall_floor)
        found = self._candidates(text[: self.settings.max_query_chars], self.statistics(bases).indexes, wanted)
        fused = fuse(
            {"lexical": found.ranked("lexical", wanted), "vector": found.ranked("vector", wanted)},
            {"lexical": 1.0, "vector": self.settings.embedding.weight},
        )
        chosen, folded = self._chosen(fused, found.of_key, limit)
        rows = self._rows([key[1] for key, _ in chosen] + [key[1] for keys in folded.values() for key in keys])
        return [_hit(key, score, found, rows, folded.get(key, [])) for key, score in chosen if key[1] in rows]

    def _candidates(self, text: str, snapshots: Sequence[BaseIndex], wanted: int) -> _Found:
        found = _Found({"lexical": {}, "vector": {}}, {})
        query = tokens(text)
        vector = self._vector(text) if any(_outside(snapshot) for snapshot in snapshots) else None
        weights = shared_weights([snapshot.words for snapshot in snapshots], query)
        for snapshot, weighted in zip(snapshots, weights, strict=True):
            numbers, scores = snapshot.words.best(weighted, wanted)
            found.take("lexical", snapshot, numbers.tolist(), scores.tolist())
            if snapshot.meanings is not None:
                ids, cosines = question(snapshot.meanings, snapshot.words, query, vector, wanted)
                found.take("vector", snapshot, snapshot.numbers(ids), cosines)
        return found

    def _vector(self, text: str) -> npt.NDArray[np.float32] | None:
        """The question's vector; None when the model fails: words alone must do then."""
        if self.indexes.embedder is None:
            return None
        try:
            return self.indexes.embedder.query(text)
        except ModelError as error:
            log.warning("retrieve.no_vector", error=str(error))
            return None

    def _chosen(
        self, fused: list[tuple[_Key, float]], of_key: dict[_Key, tuple[int, int]], limit: int
    ) -> tuple[list[tuple[_Key, float]], dict[_Key, list[_Key]]]:
        """The best ``limit`` after folding and the documents' caps, and what was folded into each."""
        chosen: list[tuple[_Key, float]] = []
        folded: dict[_Key, list[_Key]] = {}
        of_document: dict[int, int] = {}
        prints = np.array([of_key[key][1] for key, _ in fused], np.uint64)
        same_as: list[_Key | None] = [None] * len(fused)  # the best of the chosen that says the same
        for number, (key, score) in enumerate(fused):
            same = same_as[number]
            if same is not None:
                folded.setdefault(same, []).append(key)
                continue
            document = of_key[key][0]
            if len(chosen) >= limit or of_document.get(document, 0) >= self.settings.passages_per_document:
                continue
            of_document[document] = of_document.get(document, 0) + 1
            chosen.append((key, score))
            for other in np.flatnonzero(near_duplicates.near_any(prints[number], prints)).tolist():
                if other > number and same_as[other] is None:
                    same_as[other] = key
        return chosen, folded

    def neighbours(self, hit: Hit, before: int = 1, after: int = 1) -> list[Passage]:
        """The passages around ``hit`` in its document, with itself, in their order."""
        query = (
            select(chunks.c.id, chunks.c.heading, chunks.c.text)
            .where(
                chunks.c.document_id == hit.document_id,
                chunks.c.ordinal.between(hit.ordinal - before, hit.ordinal + after),
            )
            .order_by(chunks.c.ordinal)
        )
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        base, source = hit.passage.base, hit.passage.source
        return [Passage(base, source, row.heading, row.text, hit.fused, row.id) for row in rows]

    def _rows(self, ids: Sequence[int]) -> dict[int, Any]:
        if not ids:
            return {}
        rows: Sequence[Any] = self.store.read_now(lambda connection: connection.execute(_TEXTS, {"ids": ids}).all())
        return {row.id: row for row in rows}


@dataclass(slots=True)
class _Found:
    """``scores``: by channel and key. ``of_key``: document id and fingerprint."""

    scores: dict[str, dict[_Key, float]]
    of_key: dict[_Key, tuple[int, int]]

    def take(self, channel: str, snapshot: BaseIndex, numbers: Sequence[int], scores: Sequence[float]) -> None:
        for number, score in zip(numbers, scores, strict=True):
            key = (snapshot.name, int(snapshot.chunk_ids[number]))
            self.scores[channel][key] = score
            self.of_key[key] = (int(snapshot.document_ids[number]), int(snapshot.prints[number]))

    def ranked(self, channel: str, limit: int) -> list[_Key]:
        scores = self.scores[channel]
        return sorted(scores, key=lambda key: -scores[key])[:limit]

    def rank(self, channel: str, key: _Key) -> int | None:
        """From 1; None when the channel did not find it."""
        scores = self.scores[channel]
        return None if key not in scores else 1 + sum(1 for score in scores.values() if score > scores[key])


def _outside(snapshot: BaseIndex) -> bool:
    return snapshot.meanings is not None and snapshot.meanings.lsa is None


def _hit(key: _Key, fused: float, found: _Found, rows: dict[int, Any], folded: Sequence[_Key]) -> Hit:
    row = rows[key[1]]
    same = (rows[other[1]].source for other in folded if other[1] in rows)
    return Hit(
        Passage(key[0], row.source, row.heading, row.text, fused, row.id),
        row.document_id,
        row.ordinal,
        row.title,
        found.scores["lexical"].get(key, 0.0),
        found.rank("lexical", key),
        found.scores["vector"].get(key, 0.0),
        found.rank("vector", key),
        fused,
        tuple(dict.fromkeys(source for source in same if source != row.source)),
    )
