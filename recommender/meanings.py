"""Entries by what they are about, not by which words say it: latent semantic analysis of a room's own entries.

Deerwester and others 1990, by randomised projection (Halko, Martinsson and Tropp 2011). Alone it finds less than the
words do; a little of it beside them helps where few likes are known, since a like then brings up what shares no word
with it. Singular values are damped by their root, so that the largest subjects do not drown the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]

DIMENSIONS = 100
ENTRIES_A_DIMENSION = 20
"""A small shelf has few subjects: more dimensions than that would only spell its words."""

LEAST_ENTRIES = 300
"""Fewer do not tell what goes together."""

POWER_ITERATIONS = 2


class Meanings:
    """Projects entries' vectors. Immutable."""

    def __init__(self, projection: Floats) -> None:
        self._projection = projection

    @classmethod
    def of(cls, vectors: csr_matrix) -> Meanings | None:
        """Learned from entries (n, vocabulary); None from too few of them."""
        dimensions = min(DIMENSIONS, vectors.shape[0] // ENTRIES_A_DIMENSION, vectors.shape[1] - 1)
        if vectors.shape[0] < LEAST_ENTRIES or dimensions < 2:
            return None
        from sklearn.utils.extmath import randomized_svd

        _, sizes, directions = randomized_svd(vectors, dimensions, n_iter=POWER_ITERATIONS, random_state=0)
        return cls(np.asarray(directions.T / np.sqrt(np.maximum(sizes, 1e-9)), np.float64))

    def vectors(self, vectors: csr_matrix) -> Floats:
        """(n, vocabulary) to (n, dimensions), of unit length; zeros stay zeros."""
        projected = np.asarray(vectors @ self._projection, np.float64)
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return np.asarray(projected / np.maximum(lengths, 1e-12), np.float64)
