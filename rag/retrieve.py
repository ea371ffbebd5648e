"""A message to the passages that may answer it: words and vectors, fused by rank. What the gate stands on.

Only the bases that are named can be found: each has an index of its own, and words are weighed by these bases
alone. The text of a hit comes from SQL, so a passage that was taken out a moment ago is not shown.

What members gave is found beside the operators' documents within limits: one passage of all that one member gave, and
few of all that members gave, so that many texts of one hand, or of many, are no majority. Where such a passage says
what an operator's says, the operator's is the one that is found.
"""

from __future__ import annotations

from collections import Counter
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
        chunks.c.heading,
        chunks.c.text,
        documents.c.source,
        documents.c.title,
        documents.c.added_by,
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

    def search(self, text: str, bases: Sequence[str], limit: int = 5, *, members: bool = True) -> list[Hit]:
        """The ``limit`` best passages for ``text``, best first; only from ``bases``; empty when no word is known.
        ``members``: False for the operators' documents alone.

        Near-identical passages are folded into the best of them, and a document gives at most
        ``passages_per_document``.
        """
        wanted = max(limit * 3, self.settings.recall_floor)
        found = self._candidates(text[: self.settings.max_query_chars], self.statistics(bases).indexes, wanted, members)
        fused = fuse(
            {"lexical": found.ranked("lexical", wanted), "vector": found.ranked("vector", wanted)},
            {"lexical": 1.0, "vector": self.settings.embedding.weight},
        )
        chosen, folded = self._chosen(fused, found.of_key, limit)
        rows = self._rows([key[1] for key, _ in chosen] + [key[1] for keys in folded.values() for key in keys])
        return [_hit(key, score, found, rows, folded.get(key, [])) for key, score in chosen if key[1] in rows]

    def _candidates(self, text: str, snapshots: Sequence[BaseIndex], wanted: int, members: bool) -> _Found:
        found = _Found({"lexical": {}, "vector": {}}, {})
        query = tokens(text)
        vector = self._vector(text) if any(_outside(snapshot) for snapshot in snapshots) else None
        weights = shared_weights([snapshot.words for snapshot in snapshots], query)
        for snapshot, weighted in zip(snapshots, weights, strict=True):
            allowed = None if members else _operators(snapshot)
            numbers, scores = snapshot.words.best(weighted, wanted, allowed)
            found.take("lexical", snapshot, numbers.tolist(), scores.tolist())
            if snapshot.meanings is not None:
                only = None if allowed is None else snapshot.chunk_ids[allowed]
                ids, cosines = question(snapshot.meanings, snapshot.words, query, vector, wanted, only)
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
        self, fused: list[tuple[_Key, float]], of_key: dict[_Key, _Of], limit: int
    ) -> tuple[list[tuple[_Key, float]], dict[_Key, list[_Key]]]:
        """The best ``limit`` after folding and the documents' caps, and what was folded into each."""
        chosen: list[tuple[_Key, float]] = []
        folded: dict[_Key, list[_Key]] = {}
        caps = _Caps(self.settings)
        prints = np.array([of_key[key].print for key, _ in fused], np.uint64)
        same_as = _said_by_operators([(key, of_key[key].giver) for key, _ in fused], prints)
        for number, (key, score) in enumerate(fused):
            same = same_as[number]
            if same is not None:
                folded.setdefault(same, []).append(key)
                continue
            if len(chosen) >= limit or not caps.take(of_key[key]):
                continue
            chosen.append((key, score))
            for other in np.flatnonzero(near_duplicates.near_any(prints[number], prints)).tolist():
                if other > number and same_as[other] is None:
                    same_as[other] = key
        return chosen, folded

    def _rows(self, ids: Sequence[int]) -> dict[int, Any]:
        if not ids:
            return {}
        rows: Sequence[Any] = self.store.read_now(lambda connection: connection.execute(_TEXTS, {"ids": ids}).all())
        return {row.id: row for row in rows}


@dataclass(frozen=True, slots=True)
class _Of:
    """What a chunk belongs to. ``giver``: the member who gave its document; empty: an operator did."""

    document: int
    print: int
    giver: str


class _Caps:
    """How many passages one document, one member and all members may still give."""

    def __init__(self, settings: KnowledgeSettings) -> None:
        self._settings = settings
        self._of_document: Counter[int] = Counter()
        self._of_giver: Counter[str] = Counter()

    def take(self, of: _Of) -> bool:
        """Count a passage in; False when it is one too many."""
        settings = self._settings
        if self._of_document[of.document] >= settings.passages_per_document:
            return False
        if of.giver:
            theirs, all_of_them = self._of_giver[of.giver], self._of_giver.total()
            if theirs >= settings.passages_per_member or all_of_them >= settings.passages_of_members:
                return False
            self._of_giver[of.giver] += 1
        self._of_document[of.document] += 1
        return True


def _said_by_operators(keys: Sequence[tuple[_Key, str]], prints: npt.NDArray[np.uint64]) -> list[_Key | None]:
    """For each member's passage, the best of the operators' that says the same; None for all others."""
    same_as: list[_Key | None] = [None] * len(keys)
    for number, (_, giver) in enumerate(keys):
        if giver:
            near = np.flatnonzero(near_duplicates.near_any(prints[number], prints)).tolist()
            same_as[number] = next((keys[other][0] for other in near if not keys[other][1]), None)
    return same_as


def _operators(snapshot: BaseIndex) -> npt.NDArray[np.bool_] | None:
    """Which chunks are of the operators' documents; None when all are."""
    if not snapshot.givers:
        return None
    theirs: npt.NDArray[np.bool_] = ~np.isin(snapshot.document_ids, list(snapshot.givers))
    return theirs


@dataclass(slots=True)
class _Found:
    """``scores``: by channel and key."""

    scores: dict[str, dict[_Key, float]]
    of_key: dict[_Key, _Of]

    def take(self, channel: str, snapshot: BaseIndex, numbers: Sequence[int], scores: Sequence[float]) -> None:
        for number, score in zip(numbers, scores, strict=True):
            key = (snapshot.name, int(snapshot.chunk_ids[number]))
            self.scores[channel][key] = score
            document = int(snapshot.document_ids[number])
            self.of_key[key] = _Of(document, int(snapshot.prints[number]), snapshot.givers.get(document, ""))

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
        Passage(key[0], row.source, row.heading, row.text, fused, row.id, row.added_by),
        row.title,
        found.scores["lexical"].get(key, 0.0),
        found.rank("lexical", key),
        found.scores["vector"].get(key, 0.0),
        found.rank("vector", key),
        fused,
        tuple(dict.fromkeys(source for source in same if source != row.source)),
    )
