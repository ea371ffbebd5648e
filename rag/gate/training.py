"""Examples to a fitted gate: cross-validated, calibrated, with a threshold for each eagerness. Seconds, in a thread.

Everything that is chosen is chosen on the examples alone, by predictions for examples that the model had not seen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.gate import model
from rag.gate.features import Floats, View
from rag.gate.model import Lexicon, Longs, sigmoid
from rag.gate.prior import Prior

VERSION = 1
"""Of the recipe: a fit of another version is made anew."""
FOLDS = 5
ROUNDS = 4
"""The examples are dealt into folds this often, and the predictions averaged: a steadier threshold."""
MIN_EACH = 5
"""Fewer good or bad examples than this teach nothing that could be checked."""
QUIET_PRECISION = 0.9

_KEPT_PRIOR, _PRIOR_EXAMPLES = 0.4, 20.0
"""The prior's offset shrinks with n examples to 0.4 + 0.6 · 20 / (20 + n): with many of them the features speak for
themselves, and a full offset would count them twice (measured: AUC .9465 with all of it, .950 with 0.45)."""


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
class Fitted:
    """What a base's examples taught. Calibrated log-odds are ``slope · z + intercept``; the points are of those.
    ``good``, ``bad``: how many examples it saw."""

    lexicon: Lexicon
    weights: Floats
    kept_prior: float
    slope: float
    intercept: float
    helpful: Point
    quiet: Point
    good: int
    bad: int

    def log_odds(self, view: View, prior: Prior) -> float:
        """Calibrated log-odds that the documents answer this message."""
        columns, values = self.lexicon.entries(view.form.text)
        pairs = len(self.lexicon.numbers)
        standard = prior.standard(view)
        logit = float(values @ self.weights[columns]) * math.sqrt(model.PAIR_SCALE)
        logit += float(standard @ self.weights[pairs:-1]) * math.sqrt(model.FEATURE_SCALE / len(standard))
        logit += float(self.weights[-1]) * math.sqrt(model.BIAS_SCALE)
        logit += self.kept_prior * float(standard @ prior.weights + prior.bias)
        return self.slope * logit + self.intercept


def train(views: Sequence[View], labels: Sequence[bool], prior: Prior, seed: int = 0) -> Fitted | None:
    """Learn from examples; None when there are too few of either kind.

    ``labels``: True for a message that the documents can answer. Deterministic for a ``seed``.
    """
    truth = np.array(labels, float)
    good, bad = int(truth.sum()), int((1 - truth).sum())
    if min(good, bad) < MIN_EACH:
        return None
    texts = [view.form.text for view in views]
    standard = np.array([prior.standard(view) for view in views])
    kept = _KEPT_PRIOR + (1 - _KEPT_PRIOR) * _PRIOR_EXAMPLES / (_PRIOR_EXAMPLES + len(views))
    offset = kept * (standard @ prior.weights + prior.bias)
    lexicon = Lexicon.of(texts)
    rows = model.rows_of(lexicon, texts, standard)
    weights = model.fit(rows, truth, offset)
    unseen = _unseen(rows, truth, offset, weights, np.random.default_rng(seed))
    slope, intercept = _calibration(unseen, truth)
    calibrated = slope * unseen + intercept
    helpful = _helpful(calibrated, truth)
    quiet = _quiet(calibrated, truth, helpful)
    return Fitted(lexicon, weights, kept, slope, intercept, helpful, quiet, good, bad)


def _unseen(rows: model.Rows, truth: Floats, offset: Floats, start: Floats, random: np.random.Generator) -> Floats:
    """Log-odds of each example by models that had not seen it, averaged over ROUNDS deals; shape (examples,)."""
    total = np.zeros(len(truth))
    for _ in range(ROUNDS):
        fold = _deal(truth, random)
        for number in range(FOLDS):
            seen, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if not len(held):
                continue
            weights = model.fit(rows.take(seen), truth[seen], offset[seen], start)
            total[held] += rows.take(held).times(weights) + offset[held]
    return total / ROUNDS


def _deal(truth: Floats, random: np.random.Generator) -> Longs:
    """A fold for each example, good and bad ones spread alike."""
    fold = np.zeros(len(truth), np.int64)
    for value in (0.0, 1.0):
        members = random.permutation(np.flatnonzero(truth == value))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def _calibration(logits: Floats, truth: Floats) -> tuple[float, float]:
    """Slope and intercept of Platt's sigmoid (Platt 1999), with his smoothed targets; the slope stays positive."""
    good = truth.sum()
    bad = len(truth) - good
    target = np.where(truth > 0, (good + 1) / (good + 2), 1 / (bad + 2))
    slope, intercept = 1.0, 0.0
    for _ in range(30):
        chance = sigmoid(slope * logits + intercept)
        curve = chance * (1 - chance) + 1e-9
        gradient = np.array([((chance - target) * logits).sum() + (slope - 1), (chance - target).sum()])
        hessian = np.array(
            [[(curve * logits * logits).sum() + 1, (curve * logits).sum()], [(curve * logits).sum(), curve.sum()]]
        )
        step = np.linalg.solve(hessian, gradient)
        slope, intercept = max(0.05, slope - step[0]), intercept - step[1]
        if np.abs(step).max() < 1e-6:
            break
    return float(slope), float(intercept)


def _helpful(logits: Floats, truth: Floats) -> Point:
    """The best F1: halfway between the threshold that was best on the examples and the one that is best if the
    calibrated chances are right. The first is noisy, the second rests on the calibration; both err differently."""
    order = np.argsort(-logits)
    ranked = np.arange(1, len(logits) + 1)
    hits = np.cumsum(truth[order])
    expected = np.cumsum(sigmoid(logits[order]))
    measured = _cut(logits[order], int(np.argmax(2 * hits / (ranked + hits[-1]))))
    believed = _cut(logits[order], int(np.argmax(2 * expected / (ranked + expected[-1]))))
    return _point((measured + believed) / 2, logits, truth)


def _quiet(logits: Floats, truth: Floats, helpful: Point) -> Point:
    """The lowest threshold from which up both the measured and the believed precision hold QUIET_PRECISION."""
    order = np.argsort(-logits)
    ranked = np.arange(1, len(logits) + 1)
    measured = np.cumsum(truth[order]) / ranked
    believed = np.cumsum(sigmoid(logits[order])) / ranked
    fit = np.flatnonzero((measured >= QUIET_PRECISION) & (believed >= QUIET_PRECISION))
    threshold = (
        _cut(logits[order], int(fit[-1])) if len(fit) else float(np.log(QUIET_PRECISION / (1 - QUIET_PRECISION)))
    )
    return _point(max(threshold, helpful.log_odds), logits, truth)


def _cut(descending: Floats, last: int) -> float:
    """Between the last that is answered and the first that is not."""
    following = descending[last + 1] if last + 1 < len(descending) else descending[last] - 1.0
    return float((descending[last] + following) / 2)


def _point(threshold: float, logits: Floats, truth: Floats) -> Point:
    chosen = logits >= threshold
    right = float(truth[chosen].sum())
    return Point(threshold, right / max(1, int(chosen.sum())), right / max(1.0, float(truth.sum())))


# ── to keep it ───────────────────────────────────────────────────────────────────────────────────────────


def dump(fitted: Fitted) -> str:
    """The fitted gate as JSON: numbers by name."""
    grams = list(fitted.lexicon.numbers)
    return json.dumps(
        {
            "grams": grams,
            "idf": [round(float(value), 5) for value in fitted.lexicon.idf],
            "weights": [round(float(value), 6) for value in fitted.weights],
            "kept_prior": fitted.kept_prior,
            "slope": fitted.slope,
            "intercept": fitted.intercept,
            "helpful": [fitted.helpful.log_odds, fitted.helpful.precision, fitted.helpful.recall],
            "quiet": [fitted.quiet.log_odds, fitted.quiet.precision, fitted.quiet.recall],
            "good": fitted.good,
            "bad": fitted.bad,
        },
        ensure_ascii=False,
    )


def load(text: str) -> Fitted:
    """The reverse of :func:`dump`. Raises ``ValueError`` or ``KeyError`` on what is none."""
    content = json.loads(text)
    numbers = {gram: number for number, gram in enumerate(content["grams"])}
    return Fitted(
        Lexicon(numbers, np.array(content["idf"], float)),
        np.array(content["weights"], float),
        content["kept_prior"],
        content["slope"],
        content["intercept"],
        Point(*content["helpful"]),
        Point(*content["quiet"]),
        content["good"],
        content["bad"],
    )
