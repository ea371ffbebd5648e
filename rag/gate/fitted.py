"""What examples taught: one weight for each term and each feature, thresholds, and how well they did. Plain numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rag.gate.features import View
from rag.gate.lexicon import Floats, Lexicon, grams
from rag.gate.prior import Prior


@dataclass(frozen=True, slots=True)
class Point:
    """An operating point: answer from these ``log_odds`` up; measured on the examples by cross-validation."""

    log_odds: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Weighted:
    """A lexicon with the weight of each of its terms, by number."""

    lexicon: Lexicon
    weights: Floats

    def of(self, terms: Mapping[str, int]) -> float:
        columns, values = self.lexicon.entries(terms)
        return float(values @ self.weights[columns])


@dataclass(frozen=True, slots=True)
class Fitted:
    """``pairs``: of the message's characters; ``nearby``: of the words of the passages that it finds; ``features``:
    shape (len(NAMES),), of the standardised features; ``prior_share``: how much of the prior's log-odds stays.
    ``good``, ``bad``: how many examples it saw."""

    pairs: Weighted
    nearby: Weighted
    features: Floats
    bias: float
    prior_share: float
    helpful: Point
    quiet: Point
    good: int
    bad: int

    def log_odds(self, view: View, prior: Prior) -> float:
        """Calibrated log-odds that the documents answer this message."""
        learnt = self.pairs.of(grams(view.form.text)) + self.nearby.of(view.nearby) + self.bias
        return learnt + float(prior.standard(view) @ self.features) + self.prior_share * prior.log_odds(view)


def dump(fitted: Fitted) -> str:
    """The fitted gate as JSON."""
    return json.dumps(
        {
            "pairs": _table(fitted.pairs),
            "nearby": _table(fitted.nearby),
            "features": [round(float(value), 6) for value in fitted.features],
            "bias": fitted.bias,
            "prior_share": fitted.prior_share,
            "helpful": [fitted.helpful.log_odds, fitted.helpful.precision, fitted.helpful.recall],
            "quiet": [fitted.quiet.log_odds, fitted.quiet.precision, fitted.quiet.recall],
            "good": fitted.good,
            "bad": fitted.bad,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def load(text: str) -> Fitted:
    """The reverse of :func:`dump`. Raises ``ValueError``, ``KeyError`` or ``TypeError`` on what is none."""
    content = json.loads(text)
    return Fitted(
        _weighted(content["pairs"]),
        _weighted(content["nearby"]),
        np.array(content["features"], float),
        float(content["bias"]),
        float(content["prior_share"]),
        Point(*content["helpful"]),
        Point(*content["quiet"]),
        int(content["good"]),
        int(content["bad"]),
    )


def _table(weighted: Weighted) -> dict[str, list[float]]:
    """Idf and weight of each term."""
    numbers, idf, weights = weighted.lexicon.numbers, weighted.lexicon.idf, weighted.weights
    return {term: [round(float(idf[at]), 4), round(float(weights[at]), 5)] for term, at in numbers.items()}


def _weighted(table: dict[str, Any]) -> Weighted:
    values = np.array(list(table.values()), float).reshape(len(table), 2)
    return Weighted(Lexicon({term: number for number, term in enumerate(table)}, values[:, 0]), values[:, 1])
