"""The word index: BM25 over weighted token counts, kept and scored as bm25s does it.

bm25s stores one score per (token, chunk) and adds up the columns of a query's tokens (Lù 2024, arXiv
2407.03618). We fill that matrix ourselves, from arrays of token ids in numpy: ten times faster than its own
loop, and with weighted counts, so that a word of a heading counts more than one of the text (BM25F in its simple
form, Robertson et al. 2004). Adding up is one line of numpy, so the library, which loads scipy and numba wherever
they are installed, is needed only to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

K1 = 1.2
B = 0.75
"""Lucene's defaults (and Robertson's advice): saturation of repeated words, and how much length counts."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Which token stands in which chunk how often, by token (compressed sparse columns).

    ``counts``, ``chunks``: one entry per (token, chunk), shape (n,); ``starts``: shape (vocabulary + 1,);
    the entries of token ``t`` are ``starts[t]:starts[t + 1]``. ``lengths``: weighted tokens of each chunk.
    """

    counts: npt.NDArray[np.float16]
    chunks: Ints
    starts: Longs
    lengths: Floats

    @classmethod
    def of(cls, token_ids: Ints, chunk_numbers: Ints, weights: Floats, chunks: int, vocabulary: int) -> Postings:
        """From one entry per occurrence: token ``token_ids[i]`` in chunk ``chunk_numbers[i]``, counting
        ``weights[i]``. All three of shape (occurrences,)."""
        keys = token_ids.astype(np.int64) * chunks + chunk_numbers
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.int64)
        counts = np.add.reduceat(weights[order], first) if len(keys) else np.zeros(0, np.float32)
        unique = keys[first]
        starts = np.searchsorted(unique, np.arange(vocabulary + 1, dtype=np.int64) * chunks).astype(np.int64)
        lengths = np.bincount(chunk_numbers, weights=weights, minlength=chunks).astype(np.float32)
        return cls(counts.astype(np.float16), (unique % max(chunks, 1)).astype(np.int32), starts, lengths)

    def frequencies(self) -> Longs:
        """In how many chunks each token stands, shape (vocabulary,)."""
        return np.diff(self.starts)

    def token_ids(self) -> Ints:
        """The token of each entry, shape (n,)."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), self.frequencies())


def _idf(chunks: int, frequencies: Any) -> Any:
    return np.log1p((chunks - frequencies + 0.5) / (frequencies + 0.5))


def shared_weights(indexes: Sequence[WordIndex], tokens: Sequence[str]) -> list[dict[str, float]]:
    """For each index, the weights of ``tokens`` that make its scores comparable with the others'.

    A word's idf is then that of all the indexes together; by its own, the only chunk of a small index would know
    no rare words, and lose against any chunk of a large one.
    """
    if len(indexes) < 2:
        return [dict.fromkeys(tokens, 1.0) for _ in indexes]
    chunks = sum(index.chunks for index in indexes)
    together = {token: sum(index.document_frequency(token) for index in indexes) for token in tokens}
    return [
        {
            token: float(_idf(chunks, frequency) / _idf(index.chunks, index.document_frequency(token)))
            for token, frequency in together.items()
            if index.document_frequency(token)
        }
        for index in indexes
    ]


class WordIndex:
    """Scores every chunk for a query. Immutable; safe for many threads at once.

    ``impacts``: what each entry of ``postings`` adds to its chunk's score, shape (n,), as an index with the same
    ``k1`` and ``b`` has them; they are made when they are not given.
    """

    def __init__(
        self,
        postings: Postings,
        vocabulary: Mapping[str, int],
        *,
        k1: float = K1,
        b: float = B,
        impacts: Floats | None = None,
    ) -> None:
        if impacts is not None and impacts.shape != postings.counts.shape:
            raise ValueError(f"expected impacts of shape {postings.counts.shape}, got {impacts.shape}")
        self.postings = postings
        self.vocabulary = vocabulary
        self._frequencies = postings.frequencies()
        self.impacts = self._impacts(k1, b) if impacts is None else impacts

    def _impacts(self, k1: float, b: float) -> Floats:
        """idf · tf / (tf + k1 (1 - b + b length / mean length)), Lucene's idf: ln(1 + (N - df + ½)/(df + ½))."""
        postings, chunks = self.postings, len(self.postings.lengths)
        idf = _idf(chunks, self._frequencies).astype(np.float32)
        mean = float(postings.lengths.mean()) if chunks else 1.0
        norm = (k1 * (1 - b + b * postings.lengths / max(mean, 1e-9))).astype(np.float32)
        scores: Floats = postings.counts.astype(np.float32)
        below = norm[postings.chunks]  # in place from here: at millions of entries, fresh memory is what costs
        below += scores
        scores /= below
        scores *= np.repeat(idf, self._frequencies)
        return scores

    @property
    def chunks(self) -> int:
        return len(self.postings.lengths)

    def document_frequency(self, token: str) -> int:
        """In how many chunks ``token`` stands; 0 for one that is in none."""
        number = self.vocabulary.get(token)
        return 0 if number is None else int(self._frequencies[number])

    def scores(self, tokens: Sequence[str] | Mapping[str, float]) -> Floats:
        """The BM25 score of every chunk, shape (chunks,). A mapping gives each token its weight."""
        weighted = tokens if isinstance(tokens, Mapping) else dict.fromkeys(tokens, 1.0)
        starts, total = self.postings.starts, np.zeros(self.chunks, np.float32)
        for token, weight in weighted.items():
            number = self.vocabulary.get(token)
            if number is not None:
                column = slice(starts[number], starts[number + 1])
                np.add.at(total, self.postings.chunks[column], np.float32(weight) * self.impacts[column])
        return total

    def best(
        self, tokens: Sequence[str] | Mapping[str, float], limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Ints, Floats]:
        """The numbers and scores of the ``limit`` best chunks, best first; only those that share a token.

        ``allowed``: shape (chunks,); chunks that are False cannot be found.
        """
        scores = self.scores(tokens)
        if allowed is not None:
            scores *= allowed
        return top(scores, limit)


def top(scores: Floats, limit: int) -> tuple[Ints, Floats]:
    """Positions and values of the ``limit`` largest positive scores, largest first; ties in order of position."""
    candidates = np.flatnonzero(scores > 0)
    values = scores[candidates]
    if limit < len(candidates):
        least = np.partition(values, len(values) - limit)[len(values) - limit]
        above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
        kept = np.sort(np.concatenate([above, equal[: limit - len(above)]]))
        candidates, values = candidates[kept], values[kept]
    order = np.argsort(-values, kind="stable")
    return candidates[order].astype(np.int32), values[order]
