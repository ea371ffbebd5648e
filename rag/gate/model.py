"""The learnt half of the gate: a linear model over the features and the character pairs of a message.

Logistic regression whose starting point is the shipped prior: the prior's log-odds enter as an offset, the weights
of everything else are drawn to zero by an L2 penalty (a normal prior around the shipped weights). So with no
examples it is the prior, and each example moves it a little. Fitted by Newton's method with conjugate gradients
(Lin, Weng and Keerthi 2008, JMLR 9), in numpy alone; the weights are plain numbers by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

PAIR_SCALE = 8.0
"""How far the pairs of characters may move a message's log-odds, against the features' FEATURE_SCALE: variances of
the weights' prior. Measured by cross-validation, flat between a half and the double of these values."""
FEATURE_SCALE = 1.0
BIAS_SCALE = 1.0

_SPACES = re.compile(r"\s+")
_NEWTON_STEPS = 20
_CG_STEPS = 60
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix by rows: row ``i`` has ``values[starts[i]:starts[i + 1]]`` at ``columns[...]``.
    No row is empty."""

    starts: Longs
    columns: Longs
    values: Floats
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, chosen: Longs) -> Rows:
        """The rows ``chosen``, in that order."""
        lengths = np.diff(self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths) + np.repeat(self.starts[:-1][chosen], lengths)
        return Rows(starts, self.columns[index], self.values[index], self.width)

    def times(self, weights: Floats) -> Floats:
        """``X w``: shape (rows,)."""
        product: Floats = np.add.reduceat(self.values * weights[self.columns], self.starts[:-1])
        return product

    def transposed_times(self, per_row: Floats) -> Floats:
        """``Xᵀ r``: shape (width,)."""
        spread = self.values * np.repeat(per_row, np.diff(self.starts))
        return np.bincount(self.columns, weights=spread, minlength=self.width).astype(np.float64)


def grams(text: str) -> Counter[str]:
    """The characters and pairs of characters of a message, in lower case."""
    text = _SPACES.sub(" ", text.lower())
    return Counter([*text, *(text[start : start + 2] for start in range(len(text) - 1))])


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The characters and pairs seen in at least two examples, with their idf (smoothed, Salton and Buckley 1988)."""

    numbers: Mapping[str, int]
    idf: Floats

    @classmethod
    def of(cls, texts: Sequence[str]) -> Lexicon:
        seen: Counter[str] = Counter()
        for text in texts:
            seen.update(grams(text).keys())
        kept = sorted(gram for gram, count in seen.items() if count >= 2)
        counts = np.array([seen[gram] for gram in kept], float)
        return cls({gram: number for number, gram in enumerate(kept)}, 1 + np.log((1 + len(texts)) / (1 + counts)))

    def entries(self, text: str) -> tuple[Longs, Floats]:
        """Columns and values of a message, of unit length: (1 + ln count) · idf; empty when nothing is known."""
        found = [
            (number, count) for gram, count in grams(text).items() if (number := self.numbers.get(gram)) is not None
        ]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0)
        columns = np.array([number for number, _ in found], np.int64)
        values = (1 + np.log(np.array([count for _, count in found], float))) * self.idf[columns]
        return columns, values / np.linalg.norm(values)


def rows_of(lexicon: Lexicon, texts: Sequence[str], features: Floats) -> Rows:
    """One row a message: its pairs, then its features (shape (texts, n), standardised), then a one; all scaled."""
    pairs, width = len(lexicon.numbers), features.shape[1]
    tail = np.arange(pairs, pairs + width + 1)
    columns: list[Longs] = []
    values: list[Floats] = []
    scale = np.sqrt(FEATURE_SCALE / max(width, 1))
    for text, row in zip(texts, features, strict=True):
        at, value = lexicon.entries(text)
        columns.append(np.concatenate([at, tail]))
        values.append(np.concatenate([value * np.sqrt(PAIR_SCALE), row * scale, [np.sqrt(BIAS_SCALE)]]))
    starts = np.concatenate([[0], np.cumsum([len(column) for column in columns])]).astype(np.int64)
    return Rows(starts, np.concatenate(columns), np.concatenate(values), pairs + width + 1)


def fit(rows: Rows, labels: Floats, offset: Floats, start: Floats | None = None) -> Floats:
    """The weights that minimise Σ log(1 + e^(-±z)) + ½ |w|², with z = X w + offset; shape (rows.width,).

    ``labels``: 1 or 0, shape (rows,). ``start``: weights to begin from, as of a fit that differs little.
    """
    weights = np.zeros(rows.width) if start is None else start.copy()
    for _ in range(_NEWTON_STEPS):
        chance = sigmoid(rows.times(weights) + offset)
        gradient = weights + rows.transposed_times(chance - labels)
        step = _solve(rows, chance * (1 - chance), -gradient)
        # The loss is convex and the penalty keeps the Hessian above one: a full step may only overshoot at first.
        weights = weights + _line_search(rows, labels, offset, weights, step, gradient) * step
        if float(np.abs(step).max(initial=0.0)) < _TOLERANCE:
            break
    return weights


def _solve(rows: Rows, curvature: Floats, right: Floats) -> Floats:
    """Conjugate gradients for (I + Xᵀ diag(curvature) X) step = right."""
    step = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    size = float(residual @ residual)
    goal = size * 1e-6
    for _ in range(_CG_STEPS):
        if size <= goal or size == 0.0:
            break
        image = direction + rows.transposed_times(curvature * rows.times(direction))
        length = size / float(direction @ image)
        step += length * direction
        residual -= length * image
        before, size = size, float(residual @ residual)
        direction = residual + (size / before) * direction
    return step


def _line_search(rows: Rows, labels: Floats, offset: Floats, weights: Floats, step: Floats, gradient: Floats) -> float:
    def loss(at: Floats) -> float:
        logits = rows.times(at) + offset
        return float(np.logaddexp(0, logits).sum() - labels @ logits + 0.5 * at @ at)

    now, slope, length = loss(weights), float(gradient @ step), 1.0
    while length > 1e-3 and loss(weights + length * step) > now + 1e-4 * length * slope:
        length /= 2
    return length


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + e^-z), without overflow."""
    result: Floats = 0.5 * (1 + np.tanh(0.5 * logits))
    return result
