"""Examples to a fitted gate: cross-validated, calibrated, with a threshold for each eagerness. Seconds, in a thread.

Two linear models, averaged: they err differently, and together do better than either (measured: docs/decisions, 9).

* *All in one*: logistic regression on the features, the message's characters and pairs of them, and the words of the
  passages it finds. The shipped prior is its starting point: the prior's log-odds enter as an offset, and an L2
  penalty draws all weights to zero, so that each example moves the prior a little.
* *Naive Bayes weighted*: logistic regression on the characters and pairs, each scaled by its log-count ratio between
  good and bad examples (Wang and Manning 2012, "Baselines and bigrams").

Both being linear in the same values, what is kept is one weight a term. Everything that is chosen is chosen on the
examples alone, by predictions for examples that the model had not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.gate import model
from rag.gate.features import View
from rag.gate.fitted import Fitted, Point, Weighted
from rag.gate.lexicon import Floats, Lexicon, Longs, grams
from rag.gate.model import Rows, sigmoid
from rag.gate.prior import Prior

VERSION = 5
"""Of the recipe: a fit of another version is made anew."""
FOLDS = 5
ROUNDS = 3
"""The examples are dealt into folds this often, and the predictions averaged: a steadier threshold."""
MIN_EACH = 5
"""Fewer good or bad examples than this teach nothing that could be checked."""
QUIET_PRECISION = 0.9
_QUIET_AIM = 0.92
"""What the threshold of ``quiet`` is chosen for: the best of many thresholds is a little worse on new messages than
on those it was chosen on (measured: an aim of .90 gave .893 there)."""

PAIR_SCALE, NEARBY_SCALE, FEATURE_SCALE = 3.0, 3.0, 1.0
"""How far each kind of evidence may move a message's log-odds: variances of the weights' prior. Around
these values cross-validation is flat (docs/benchmarks/gate.md)."""
BAYES_SHARE = 1 / 3
"""Of the average: the Naive Bayes weighted model's."""
_BAYES_BIAS_SCALE = 10.0

_THRESHOLD_EXAMPLES = 50.0
"""The prior's threshold weighs as much as this many examples: with few of them the best on them is mostly chance."""
_KEPT_PRIOR, _PRIOR_EXAMPLES = 0.4, 20.0
"""The prior's offset shrinks with n examples to 0.4 + 0.6 · 20 / (20 + n): with many of them the features speak for
themselves, and a full offset would count them twice (measured: AUC .9465 with all of it, .950 with 0.45)."""


@dataclass(frozen=True, slots=True)
class _Task:
    """The examples as the two models see them. ``rows``: pairs, nearby words, features, a one. ``pairs``: pairs and
    a one. ``offset``: the prior's log-odds, as far as they are kept. ``counts``: what each example counts."""

    lexicon: Lexicon
    nearby: Lexicon
    rows: Rows
    pairs: Rows
    truth: Floats
    offset: Floats
    counts: Floats

    def fit(self, seen: Longs, start: Floats | None = None) -> tuple[Floats, Floats]:
        """Weights of the one model, and of the other with its ratios multiplied in."""
        truth, counts = self.truth[seen], self.counts[seen]
        whole = model.fit(self.rows.take(seen), truth, self.offset[seen], start, counts)
        ratios = self._ratios(seen)
        pairs = self.pairs.take(seen)
        scaled = Rows(pairs.starts, pairs.columns, pairs.values * ratios[pairs.columns], pairs.width)
        return whole, model.fit(scaled, truth, np.zeros(len(seen)), counts=counts) * ratios

    def _ratios(self, seen: Longs) -> Floats:
        """ln of how much more often each pair stands in a good example, one more counted each (their equation 1)."""
        pairs = self.pairs.take(seen)
        truth, counts = self.truth[seen], self.counts[seen]
        times = [
            1 + np.bincount(pairs.columns, weights=np.repeat(part, np.diff(pairs.starts)), minlength=pairs.width)
            for part in (truth * counts, (1 - truth) * counts)
        ]
        ratios: Floats = np.log((times[0] / times[0].sum()) / (times[1] / times[1].sum()))
        ratios[-1] = 1.0  # the bias
        return ratios

    def log_odds(self, held: Longs, whole: Floats, bayes: Floats) -> Floats:
        first = self.rows.take(held).times(whole) + self.offset[held]
        return (1 - BAYES_SHARE) * first + BAYES_SHARE * self.pairs.take(held).times(bayes)


def train(
    views: Sequence[View], labels: Sequence[bool], prior: Prior, seed: int = 0, counts: Sequence[float] | None = None
) -> Fitted | None:
    """Learn from examples; None when there are too few of either kind.

    ``labels``: True for a message that the documents can answer. ``counts``: what each counts, at most 1; thresholds
    rest on those that count in full, where there are enough of them. Deterministic for a ``seed``.
    """
    truth = np.array(labels, float)
    good, bad = int(truth.sum()), int((1 - truth).sum())
    if min(good, bad) < MIN_EACH:
        return None
    kept = _KEPT_PRIOR + (1 - _KEPT_PRIOR) * _PRIOR_EXAMPLES / (_PRIOR_EXAMPLES + len(views))
    counted = np.ones(len(views)) if counts is None else np.array(counts, float)
    task = _task(views, truth, prior, kept, counted)
    whole, bayes = task.fit(np.arange(len(views)))
    unseen = _unseen(task, whole, np.random.default_rng(seed))
    full = counted >= 1
    if min((truth[full] == 1).sum(), (truth[full] == 0).sum()) >= MIN_EACH:
        unseen, truth = unseen[full], truth[full]
    slope, intercept = _calibration(unseen, truth)
    calibrated = slope * unseen + intercept
    chosen = _helpful(calibrated, truth)
    share = _THRESHOLD_EXAMPLES / (_THRESHOLD_EXAMPLES + len(views))
    helpful = _point(share * prior.helpful + (1 - share) * chosen, calibrated, truth)
    quiet = _quiet(calibrated, truth, helpful)
    pairs, nearby = len(task.lexicon), len(task.nearby)
    whole, bayes = slope * (1 - BAYES_SHARE) * whole, slope * BAYES_SHARE * bayes
    return Fitted(
        pairs=Weighted(task.lexicon, math.sqrt(PAIR_SCALE) * whole[:pairs] + bayes[:pairs]),
        nearby=Weighted(task.nearby, math.sqrt(NEARBY_SCALE) * whole[pairs : pairs + nearby]),
        features=_feature_scale(prior) * whole[pairs + nearby : -1],
        bias=float(whole[-1] + bayes[-1] * math.sqrt(_BAYES_BIAS_SCALE) + intercept),
        prior_share=slope * (1 - BAYES_SHARE) * kept,
        helpful=helpful,
        quiet=quiet,
        good=good,
        bad=bad,
    )


def _task(views: Sequence[View], truth: Floats, prior: Prior, kept: float, counts: Floats) -> _Task:
    counted = [grams(view.form.text) for view in views]
    lexicon = Lexicon.of(counted, at_least=2)
    nearby = Lexicon.of([view.nearby for view in views], at_least=3, at_most=0.3)
    pairs, width = len(lexicon), len(prior.weights)
    tail = np.arange(pairs + len(nearby), pairs + len(nearby) + width + 1)
    rows: list[tuple[Longs, Floats]] = []
    short: list[tuple[Longs, Floats]] = []
    for view, terms in zip(views, counted, strict=True):
        at, value = lexicon.entries(terms)
        near, near_value = nearby.entries(view.nearby)
        parts = (value * math.sqrt(PAIR_SCALE), near_value * math.sqrt(NEARBY_SCALE))
        features = np.append(prior.standard(view) * _feature_scale(prior), 1.0)
        rows.append((np.concatenate([at, near + pairs, tail]), np.concatenate([*parts, features])))
        short.append((np.append(at, pairs), np.append(value, math.sqrt(_BAYES_BIAS_SCALE))))
    offset = kept * np.array([prior.log_odds(view) for view in views])
    width += pairs + len(nearby) + 1
    return _Task(lexicon, nearby, Rows.of(rows, width), Rows.of(short, pairs + 1), truth, offset, counts)


def _feature_scale(prior: Prior) -> float:
    return math.sqrt(FEATURE_SCALE / len(prior.weights))


def _unseen(task: _Task, start: Floats, random: np.random.Generator) -> Floats:
    """Log-odds of each example by models that had not seen it, averaged over ROUNDS deals; shape (examples,)."""
    total = np.zeros(len(task.truth))
    for _ in range(ROUNDS):
        fold = _deal(task.truth, random)
        for number in range(FOLDS):
            seen, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            total[held] += task.log_odds(held, *task.fit(seen, start))
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


def _helpful(logits: Floats, truth: Floats) -> float:
    """The best F1: halfway between the threshold that was best on the examples and the one that is best if the
    calibrated chances are right. The first is noisy, the second rests on the calibration; both err differently."""
    order = np.argsort(-logits)
    ranked = np.arange(1, len(logits) + 1)
    hits = np.cumsum(truth[order])
    expected = np.cumsum(sigmoid(logits[order]))
    measured = _cut(logits[order], int(np.argmax(2 * hits / (ranked + hits[-1]))))
    believed = _cut(logits[order], int(np.argmax(2 * expected / (ranked + expected[-1]))))
    return (measured + believed) / 2


def _quiet(logits: Floats, truth: Floats, helpful: Point) -> Point:
    """The lowest threshold from which up both the measured and the believed precision hold the aim."""
    order = np.argsort(-logits)
    ranked = np.arange(1, len(logits) + 1)
    measured = np.cumsum(truth[order]) / ranked
    believed = np.cumsum(sigmoid(logits[order])) / ranked
    fit = np.flatnonzero((measured >= _QUIET_AIM) & (believed >= _QUIET_AIM))
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
