"""The gate's decision: log-odds and threshold to one outcome with a typed reason. Nothing here is measured or read.

The addressed always get a word: an answer at a lower bar, a question back where the message says too little, or that
nothing was found. Everybody else gets an answer or silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.decision import Reason
from bot.ports import Verdict
from bot.room_settings import Eagerness
from rag.gate.features import View
from rag.gate.fitted import Fitted
from rag.gate.model import sigmoid
from rag.gate.prior import Prior

OFF_TOPIC_BELOW = 2.0
"""So far below the threshold, in log-odds, a message is not doubtful but about something else."""
FEW_WORDS = 2
"""An addressed message with no more words than these can be too short to look anything up."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """``score``: the estimated chance that the documents answer the message, 0 to 1. ``threshold``: the chance that
    was needed here."""

    verdict: Verdict
    reason: Reason
    score: float
    threshold: float


def decide(
    view: View,
    prior: Prior,
    fitted: Fitted | None,
    *,
    chunks: int,
    found: bool,
    addressed: bool,
    eagerness: Eagerness,
    in_heading: bool = False,
) -> Ruling:
    """The outcome for a message. ``chunks``: passages in the room's bases; ``found``: whether any has a word of it;
    ``in_heading``: whether the heading of a passage asks the same (:mod:`rag.gate.headings`)."""
    log_odds = fitted.log_odds(view, prior) if fitted is not None else prior.log_odds(view)
    needed = _threshold(view, prior, fitted, addressed, eagerness)
    score, threshold = chance(log_odds), chance(needed)
    if not chunks:
        return Ruling(Verdict.NOTHING_FOUND if addressed else Verdict.SILENT, Reason.NO_DOCUMENTS, 0.0, threshold)
    if not found:
        score = 0.0
    if found and not view.form.greets and log_odds >= needed:
        return Ruling(Verdict.ANSWER, Reason.FROM_DOCUMENTS, score, threshold)
    if addressed and in_heading and view.form.asks and not view.form.greets:
        return Ruling(Verdict.ANSWER, Reason.FROM_DOCUMENTS, score, threshold)
    if addressed:
        if view.form.greets:
            return Ruling(Verdict.ASK_BACK, Reason.EMPTY, score, threshold)
        off_topic = view.form.asks and view.words and not found  # a question can be short and clear
        if len(view.words) <= FEW_WORDS and not off_topic:
            return Ruling(Verdict.ASK_BACK, Reason.UNCLEAR, score, threshold)
        return Ruling(Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS, score, threshold)
    if view.form.greets or not view.form.asks:
        reason = Reason.NOT_A_QUESTION
    elif not found or log_odds < needed - OFF_TOPIC_BELOW:
        reason = Reason.OFF_TOPIC
    else:
        reason = Reason.UNSURE
    return Ruling(Verdict.SILENT, reason, score, threshold)


def _threshold(view: View, prior: Prior, fitted: Fitted | None, addressed: bool, eagerness: Eagerness) -> float:
    helpful = prior.helpful if fitted is None else fitted.helpful.log_odds
    if addressed:
        return helpful - prior.addressed
    quiet = prior.quiet if fitted is None else fitted.quiet.log_odds
    needed = quiet if eagerness is Eagerness.QUIET else helpful
    return needed if view.form.asks else needed + prior.statement


def chance(log_odds: float) -> float:
    """Log-odds as a chance, 0 to 1."""
    return float(sigmoid(np.array(log_odds)))
