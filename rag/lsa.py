"""Latent semantic analysis of a base: a small embedding fitted on its own words, for when there is no model.

TF-IDF and a truncated singular value decomposition (Deerwester et al. 1990; Halko et al. 2011 for the randomised
one). It is no language model: it finds words that keep company in these documents, and is called what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rag.settings import LsaEmbedding
from search.bm25 import WordIndex
from search.vectors import Vectors, unit

_SEED = 0


@dataclass(frozen=True, slots=True)
class Lsa:
    """A fitted projection.

    ``components``: shape (known tokens, dimensions), float16, each row already times its token's idf. ``rows``: which
    row a token of the vocabulary has, -1 for none; tokens that came after the fit lie beyond its end. ``chunks``:
    how many it was fitted on.
    """

    components: npt.NDArray[np.float16]
    rows: npt.NDArray[np.int32]
    chunks: int

    @classmethod
    def fit(cls, words: WordIndex, settings: LsaEmbedding) -> Lsa | None:
        """None when there is too little text to fit on."""
        from scipy.sparse import diags_array
        from sklearn.utils.extmath import randomized_svd

        frequencies = words.postings.frequencies()
        known = np.flatnonzero(frequencies > 1)  # a token of one chunk alone has no company to learn from
        dimensions = min(settings.dimensions, words.chunks - 1, len(known) - 1)
        if dimensions < 2:
            return None
        idf = np.log(words.chunks / frequencies[known]).astype(np.float32)
        counts = _matrix(words)[:, known] @ diags_array(idf)
        lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
        weighted = diags_array((1 / np.maximum(lengths, 1e-9)).astype(np.float32)) @ counts.tocsr()
        _, _, directions = randomized_svd(weighted, dimensions, n_iter=4, random_state=_SEED)
        rows = np.full(len(frequencies), -1, np.int32)
        rows[known] = np.arange(len(known))
        return cls((directions.T * idf[:, None]).astype(np.float16), rows, words.chunks)

    @property
    def dimensions(self) -> int:
        return int(self.components.shape[1])

    def passages(self, words: WordIndex, chunks: npt.NDArray[np.int64]) -> Vectors:
        """The vectors of the chunks of these numbers, shape (chunks, dimensions), of length 1 or 0."""
        known = np.flatnonzero(self.rows >= 0)
        matrix = _matrix(words)[:, known].tocsr()[chunks]
        return unit(np.asarray(matrix @ self.components[self.rows[known]].astype(np.float32), np.float32))

    def query(self, tokens: Sequence[str], vocabulary: Mapping[str, int]) -> npt.NDArray[np.float32] | None:
        """Shape (dimensions,); None when none of the tokens was known when it was fitted."""
        numbers = [vocabulary[token] for token in dict.fromkeys(tokens) if token in vocabulary]
        rows = [row for number in numbers if number < len(self.rows) and (row := int(self.rows[number])) >= 0]
        vector: npt.NDArray[np.float32] = self.components[rows].astype(np.float32).sum(axis=0)
        return vector if np.any(vector) else None


def _matrix(words: WordIndex) -> Any:
    """ln(1 + count) of each token in each chunk: scipy's CSC, shape (chunks, vocabulary)."""
    from scipy.sparse import csc_array

    postings = words.postings
    counts = np.log1p(postings.counts.astype(np.float32))
    return csc_array((counts, postings.chunks, postings.starts), shape=(words.chunks, len(postings.starts) - 1))
