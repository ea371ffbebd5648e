"""A base's index in memory: a cache of what SQL holds, one immutable snapshot at a time.

A snapshot is made of another one and of the documents that differ from it (by id and hash), so one changed file
costs one file. It is saved to one file, replaced atomically; a file that is missing, broken, of another recipe or
of another database only costs the time to make it again.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from sqlalchemy import Connection, select

from rag import index_file
from rag.lsa import Lsa
from rag.meanings import Meanings, fitted, stored
from rag.settings import LsaEmbedding
from rag.tables import bases, chunks, documents
from search import bm25, near_duplicates, tokenise
from search.bm25 import Postings, WordIndex
from search.vectors import VectorIndex
from search.vocabulary import StoredVocabulary

log = structlog.get_logger(__name__)

VERSION = 3
"""Of the file's layout and of the weights below: an index of another version is made anew."""

BODY_WEIGHT = 1.0
HEADING_WEIGHT = 2.0
SOURCE_WEIGHT = 2.0
"""How much one occurrence counts. The heading line stands in its chunk's text too; the path of a file names its
project and topic, which its text seldom repeats."""

_READ_DOCUMENTS = 256


@dataclass(frozen=True, slots=True)
class BaseIndex:
    """``chunk_ids``, ``document_ids``, ``prints``: of each chunk, by its number in ``words``; shape (chunks,).
    ``order``: the numbers in the order of their chunk ids. ``versions``: of each document, the hash it was indexed
    with; ``givers``: of the documents that members gave, whose each is. ``recipe`` names all that the tokens and
    vectors rest on."""

    name: str
    recipe: str
    watermark: int
    chunk_ids: npt.NDArray[np.int64]
    document_ids: npt.NDArray[np.int64]
    prints: npt.NDArray[np.uint64]
    versions: Mapping[int, str]
    givers: Mapping[int, str]
    words: WordIndex
    meanings: Meanings | None
    order: npt.NDArray[np.int64]

    def numbers(self, chunk_ids: Sequence[int]) -> list[int]:
        """The numbers of chunks that are in this index."""
        found: list[int] = self.order[np.searchsorted(self.chunk_ids, chunk_ids, sorter=self.order)].tolist()
        return found

    @classmethod
    def empty(cls, name: str, recipe: str) -> BaseIndex:
        none, nothing = np.zeros(0, np.int32), np.zeros(0, np.int64)
        postings = Postings.of(none, none, np.zeros(0, np.float32), 0, 0)
        prints = np.zeros(0, np.uint64)
        return cls(name, recipe, -1, nothing, nothing, prints, {}, {}, WordIndex(postings, {}), None, nothing)


@dataclass(frozen=True, slots=True)
class BaseRow:
    id: int
    name: str
    watermark: int
    recipe: str


def base_rows(connection: Connection, model: str) -> list[BaseRow]:
    """Every base with its watermark: the cheap question whether an index is fresh. ``model``: of the vectors."""
    rows = connection.execute(select(bases.c.id, bases.c.name, bases.c.watermark, bases.c.made_at))
    return [BaseRow(row.id, row.name, row.watermark, _recipe(row.id, row.made_at, model)) for row in rows]


def _recipe(base_id: int, made_at: float, model: str) -> str:
    weights = (BODY_WEIGHT, HEADING_WEIGHT, SOURCE_WEIGHT, bm25.K1, bm25.B)
    return json.dumps([VERSION, tokenise.VERSION, weights, base_id, made_at, model])


def refreshed(
    connection: Connection, base: BaseRow, old: BaseIndex | None, model: str | None, lsa: LsaEmbedding | None
) -> BaseIndex:
    """The base as it stands now, made of ``old`` and what differs from it; vectors of ``model``, or by ``lsa``.

    ``base`` was read before: what is committed while this reads makes the next watermark differ.
    """
    if old is None or old.recipe != base.recipe:
        old = BaseIndex.empty(base.name, base.recipe)
    columns = documents.c
    rows = connection.execute(
        select(columns.id, columns.hash, columns.added_by).where(columns.base_id == base.id, columns.chunks > 0)
    ).all()
    versions = {row.id: row.hash for row in rows}
    givers = {row.id: row.added_by for row in rows if row.added_by}
    if old.watermark == base.watermark and versions == old.versions:
        return replace(old, givers=givers)  # as it was saved, with its vectors
    stale = [number for number, version in old.versions.items() if versions.get(number) != version]
    fresh = [number for number, version in versions.items() if old.versions.get(number) != version]
    if stale or fresh:
        old = _reworded(connection, old, stale, fresh)
    meanings = None
    if lsa is not None:
        meanings = fitted(lsa, old.words, old.chunk_ids, old.meanings)
    elif model is not None:
        meanings = stored(connection, model, old.chunk_ids, old.meanings)
    return replace(old, name=base.name, watermark=base.watermark, versions=versions, givers=givers, meanings=meanings)


def _reworded(connection: Connection, old: BaseIndex, stale: Sequence[int], fresh: Sequence[int]) -> BaseIndex:
    """``old`` without the chunks of the documents ``stale`` and with those of the documents ``fresh``."""
    kept = ~np.isin(old.document_ids, stale)
    added = _Added(old.words.vocabulary, int(kept.sum()))
    for chunk in _read_chunks(connection, fresh):
        added.take(*chunk)
    chunk_ids = np.concatenate([old.chunk_ids[kept], np.array(added.chunk_ids, np.int64)])
    return replace(
        old,
        chunk_ids=chunk_ids,
        document_ids=np.concatenate([old.document_ids[kept], np.array(added.document_ids, np.int64)]),
        prints=np.concatenate([old.prints[kept], added.prints()]),
        words=WordIndex(added.postings(old.words.postings, kept), added.vocabulary),
        order=np.argsort(chunk_ids),
    )


def _read_chunks(connection: Connection, document_ids: Sequence[int]) -> Iterator[tuple[int, int, str, str, str]]:
    """Id, document, source, heading and text of the documents' chunks."""
    for start in range(0, len(document_ids), _READ_DOCUMENTS):
        part = document_ids[start : start + _READ_DOCUMENTS]
        query = (
            select(chunks.c.id, chunks.c.document_id, documents.c.source, chunks.c.heading, chunks.c.text)
            .join(documents)
            .where(chunks.c.document_id.in_(part))
            .order_by(chunks.c.document_id, chunks.c.ordinal)
        )
        for row in connection.execute(query):
            yield row.id, row.document_id, row.source, row.heading, row.text


class _Added:
    """The new chunks of an index, tokenised; their numbers go on after those that were kept."""

    def __init__(self, vocabulary: Mapping[str, int], first: int) -> None:
        self._numbered = defaultdict(count(len(vocabulary)).__next__, vocabulary)  # a new token gets the next number
        self.chunk_ids: list[int] = []
        self.document_ids: list[int] = []
        self._first = first
        self._ids = array("i")  # of all chunks, one after the other: body, heading, source
        self._lengths: list[tuple[int, int, int]] = []  # of these three, of each chunk
        self._sources: dict[str, list[int]] = {}
        self._headings: dict[str, list[int]] = {}

    @property
    def vocabulary(self) -> dict[str, int]:
        """A copy: one in which a token that is asked for is not made."""
        return dict(self._numbered)

    def take(self, chunk_id: int, document_id: int, source: str, heading: str, text: str) -> None:
        if source not in self._sources:
            self._sources = {source: self._numbers(tokenise.tokens(source.replace("/", " ")))}
        if heading not in self._headings:
            self._headings = {heading: self._numbers(tokenise.tokens(heading))}
        body, above, path = self._numbers(tokenise.tokens(text)), self._headings[heading], self._sources[source]
        self.chunk_ids.append(chunk_id)
        self.document_ids.append(document_id)
        self._ids.extend(body)
        self._ids.extend(above)
        self._ids.extend(path)
        self._lengths.append((len(body), len(above), len(path)))

    def _numbers(self, tokens: Iterable[str]) -> list[int]:
        return list(map(self._numbered.__getitem__, tokens))

    def prints(self) -> npt.NDArray[np.uint64]:
        """SimHashes of the chunks' own texts; a text that is too short for one gets the hash of its tokens."""
        ids = np.array(self._ids, np.int32)
        used = np.zeros(len(self._numbered), np.bool_)
        used[ids] = True
        hashes = np.zeros(len(self._numbered), np.uint64)
        hashes[used] = near_duplicates.token_hashes(compress(self._numbered, used.tolist()))
        of_ids = hashes[ids]
        starts = np.cumsum([0, *(sum(lengths) for lengths in self._lengths)]).tolist()
        bodies = [of_ids[start : start + body] for start, (body, _, _) in zip(starts, self._lengths, strict=False)]
        return near_duplicates.fingerprints_of(bodies)

    def postings(self, old: Postings, kept: npt.NDArray[np.bool_]) -> Postings:
        numbers = np.cumsum(kept) - 1
        entries = kept[old.chunks]
        lengths = np.array(self._lengths, np.int64).reshape(-1, 3)
        new_chunks = np.arange(self._first, self._first + len(lengths), dtype=np.int32)
        weights = np.tile(np.array([BODY_WEIGHT, HEADING_WEIGHT, SOURCE_WEIGHT], np.float32), len(lengths))
        return Postings.of(
            np.concatenate([old.token_ids()[entries], np.array(self._ids, np.int32)]),
            np.concatenate([numbers[old.chunks[entries]].astype(np.int32), new_chunks.repeat(lengths.sum(axis=1))]),
            np.concatenate([old.counts[entries].astype(np.float32), weights.repeat(lengths.ravel())]),
            self._first + len(lengths),
            len(self._numbered),
        )


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────


def save(index: BaseIndex, path: Path) -> None:
    """Write the snapshot to ``path``, whole or not at all. Raises ``OSError``."""
    postings = index.words.postings
    vocabulary = StoredVocabulary.of(index.words.vocabulary)
    arrays: dict[str, npt.NDArray[Any]] = {
        "chunk_ids": index.chunk_ids,
        "document_ids": index.document_ids,
        "prints": index.prints,
        "order": index.order,
        "version_ids": np.array(list(index.versions), np.int64),
        "versions": _bytes("\n".join(index.versions.values())),
        "giver_ids": np.array(list(index.givers), np.int64),
        "givers": _bytes("\n".join(index.givers.values())),
        "tokens": vocabulary.text,
        "token_ends": vocabulary.ends,
        "token_hashes": vocabulary.hashes,
        "token_numbers": vocabulary.numbers,
        "counts": postings.counts,
        "impacts": index.words.impacts,
        "chunks": postings.chunks,
        "starts": postings.starts,
        "lengths": postings.lengths,
    }
    if index.meanings is not None:
        arrays["vectors"] = index.meanings.index.to_bytes()
        if index.meanings.lsa is not None:
            lsa = index.meanings.lsa
            arrays |= {"lsa_components": lsa.components, "lsa_rows": lsa.rows, "lsa_chunks": np.array([lsa.chunks])}
    head = {"name": index.name, "recipe": index.recipe, "watermark": index.watermark}
    index_file.write(path, head, arrays)


def load(path: Path, recipe: str) -> BaseIndex | None:
    """The snapshot at ``path``, or None when there is none of this recipe that can be read."""
    try:
        head, arrays = index_file.read(path)
        if head["recipe"] != recipe:
            return None
        words = WordIndex(
            Postings(arrays["counts"], arrays["chunks"], arrays["starts"], arrays["lengths"]),
            StoredVocabulary(arrays["tokens"], arrays["token_ends"], arrays["token_hashes"], arrays["token_numbers"]),
            impacts=arrays["impacts"],
        )
        return BaseIndex(
            head["name"],
            head["recipe"],
            head["watermark"],
            arrays["chunk_ids"],
            arrays["document_ids"],
            arrays["prints"],
            _by_document(arrays["version_ids"], arrays["versions"]),
            _by_document(arrays["giver_ids"], arrays["givers"]),
            words,
            _meanings(arrays),
            arrays["order"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # RuntimeError: faiss
        log.warning("index.cache_unreadable", path=str(path), error=str(error))
        return None


def _meanings(arrays: Mapping[str, Any]) -> Meanings | None:
    if "vectors" not in arrays:
        return None
    lsa = None
    if "lsa_rows" in arrays:
        lsa = Lsa(arrays["lsa_components"], arrays["lsa_rows"], int(arrays["lsa_chunks"][0]))
    return Meanings(VectorIndex.over(arrays["vectors"]), lsa)


def _by_document(ids: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> dict[int, str]:
    told = values.tobytes().decode("utf-8", "surrogatepass")
    return dict(zip(ids.tolist(), told.split("\n"), strict=True)) if len(ids) else {}


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
