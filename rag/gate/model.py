"""Logistic regression on sparse rows, in numpy alone: what the gate learns with.

Fitted by Newton's method with conjugate gradients (Lin, Weng and Keerthi 2008, JMLR 9, "Trust region Newton method
for logistic regression"; a line search stands in for the trust region, since the penalty bounds the curvature).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.gate.lexicon import Floats, Longs

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

    @classmethod
    def of(cls, rows: Sequence[tuple[Longs, Floats]], width: int) -> Rows:
        """Of the columns and values of each row."""
        starts = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])]).astype(np.int64)
        columns = np.concatenate([columns for columns, _ in rows])
        return cls(starts, columns, np.concatenate([values for _, values in rows]), width)

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


def fit(
    rows: Rows, labels: Floats, offset: Floats, start: Floats | None = None, counts: Floats | None = None
) -> Floats:
    """The weights that minimise Σ count · log(1 + e^(-±z)) + ½ |w|², with z = X w + offset; shape (rows.width,).

    ``labels``: 1 or 0, shape (rows,). ``start``: weights to begin from, as of a fit that differs little. ``counts``:
    what each row counts, shape (rows,); one each where it is not given.
    """
    counts = np.ones(len(rows)) if counts is None else counts
    weights = np.zeros(rows.width) if start is None else start.copy()
    for _ in range(_NEWTON_STEPS):
        chance = sigmoid(rows.times(weights) + offset)
        gradient = weights + rows.transposed_times(counts * (chance - labels))
        step = _solve(rows, counts * chance * (1 - chance), -gradient)
        # The loss is convex and the penalty keeps the Hessian above one: a full step may only overshoot at first.
        weights = weights + _line_search(rows, labels, offset, counts, weights, step, gradient) * step
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


def _line_search(
    rows: Rows, labels: Floats, offset: Floats, counts: Floats, weights: Floats, step: Floats, gradient: Floats
) -> float:
    def loss(at: Floats) -> float:
        logits = rows.times(at) + offset
        return float(counts @ (np.logaddexp(0, logits) - labels * logits) + 0.5 * at @ at)

    now, slope, length = loss(weights), float(gradient @ step), 1.0
    while length > 1e-3 and loss(weights + length * step) > now + 1e-4 * length * slope:
        length /= 2
    return length


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + e^-z), without overflow."""
    result: Floats = 0.5 * (1 + np.tanh(0.5 * logits))
    return result
