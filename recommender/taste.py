"""What a room likes, as a direction among the entries: learned from its likes and dislikes, and from nothing else.

Few likes make a centroid (Rocchio 1971): the mean of what was liked, less half the mean of what was not. More of
them train a linear support vector machine with the entries that nobody rated as negatives, which unlearns what all
entries share; it joins from the third like on, with a say that grows with their number. A centroid of what the entries
are about (:mod:`recommender.meanings`) has a small say always. All scores are measured against the same unrated
entries, so that 0 is an ordinary entry and 1 a standard deviation above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recommender.meanings import Meanings

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]

DISLIKE = 0.5
"""What a dislike weighs beside a like: one says “more of this”, the other only “not this”."""

SVM_FROM_LIKES = 3
SVM_HALF_AT_LIKES = 4.0
"""With so many likes the support vector machine and the centroid have an equal say; with n of them, n / (n + this)."""

SVM_C = 0.1
SVM_TOLERANCE = 1e-3
SVM_MAX_ITERATIONS = 10_000
"""liblinear's own are tighter and fewer: it complains sooner than the order of entries changes."""

MEANINGS_SHARE = 0.2
"""Of what the entries are about, beside their words at 1."""

MAX_BACKGROUND = 3_000
"""Of the entries that nobody rated, so many are compared with; more of them cost time and gain nothing."""


MEASURED_ON = 1_000
"""Entries that tell mean and deviation of a score well enough."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What was liked or disliked: vectors (n, vocabulary) and the weight of each, shape (n,), at most 1."""

    vectors: csr_matrix
    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)

    def mean(self, meanings: Meanings | None = None) -> Floats:
        """Weighted, but never more than its weights add up to: half a like is half a direction."""
        vectors = self.vectors if meanings is None else meanings.vectors(self.vectors)
        return np.asarray(vectors.T @ self.weights, np.float64) / max(float(self.weights.sum()), 1.0)


@dataclass(frozen=True, slots=True)
class _Direction:
    """``share``: its say. ``mean``, ``deviation``: of its scores over entries that nobody rated. With ``meanings`` it
    lies among those."""

    share: float
    direction: Floats
    mean: float
    deviation: float
    meanings: Meanings | None = None

    @classmethod
    def measured(
        cls, share: float, direction: Floats, background: csr_matrix, meanings: Meanings | None = None
    ) -> _Direction:
        if not background.shape[0]:
            return cls(share, direction, 0.0, 1.0, meanings)
        raw = cls(1.0, direction, 0.0, 1.0, meanings).scores(background[:MEASURED_ON])
        deviation = float(raw.std())
        return cls(share, direction, float(raw.mean()), deviation if deviation > 1e-9 else 1.0, meanings)

    def scores(self, vectors: csr_matrix) -> Floats:
        where = vectors if self.meanings is None else self.meanings.vectors(vectors)
        return self.share * (np.asarray(where @ self.direction, np.float64) - self.mean) / self.deviation


class Taste:
    """Scores entries by their vectors. Immutable."""

    def __init__(self, directions: Sequence[_Direction]) -> None:
        self._directions = directions

    @classmethod
    def of(cls, likes: Rated, dislikes: Rated, background: csr_matrix, meanings: Meanings | None = None) -> Taste:
        """``background``: vectors of entries that nobody rated, (n, vocabulary); the first ones are taken."""
        background = background[:MAX_BACKGROUND]
        if not len(likes) and not len(dislikes):
            return cls([])
        centroid = likes.mean() - DISLIKE * dislikes.mean()
        directions = []
        share = 0.0
        if SVM_FROM_LIKES <= len(likes) <= background.shape[0]:
            share = len(likes) / (len(likes) + SVM_HALF_AT_LIKES)
            learned = _support_vectors(likes, dislikes, background)
            directions.append(_Direction.measured(share, learned, background))
        directions.append(_Direction.measured(1 - share, centroid, background))
        if meanings is not None:
            about = likes.mean(meanings) - DISLIKE * dislikes.mean(meanings)
            directions.append(_Direction.measured(MEANINGS_SHARE, about, background, meanings))
        return cls(directions)

    def scores(self, vectors: csr_matrix) -> Floats:
        """How far each entry (n, vocabulary) stands above an ordinary one, shape (n,); zeros while nothing is
        known of what is liked."""
        return sum((each.scores(vectors) for each in self._directions), np.zeros(vectors.shape[0]))


def _support_vectors(likes: Rated, dislikes: Rated, background: csr_matrix) -> Floats:
    """The weights of a linear SVM, shape (vocabulary,). Likes weigh together as much as all that is unrated; a
    dislike weighs :data:`DISLIKE` of a like."""
    from scipy.sparse import vstack
    from sklearn.svm import LinearSVC

    vectors = vstack([likes.vectors, dislikes.vectors, background], format="csr")
    liked = np.arange(vectors.shape[0]) < len(likes)
    half = vectors.shape[0] / 2
    each_like = half / max(float(likes.weights.sum()), 1.0)
    weights = np.concatenate(
        [
            each_like * likes.weights,
            each_like * DISLIKE * dislikes.weights,
            np.full(background.shape[0], half / background.shape[0]),
        ]
    )
    machine = LinearSVC(C=SVM_C, tol=SVM_TOLERANCE, max_iter=SVM_MAX_ITERATIONS, random_state=0)
    machine.fit(vectors, np.where(liked, 1, -1), sample_weight=weights)
    return np.asarray(machine.coef_[0], np.float64)
