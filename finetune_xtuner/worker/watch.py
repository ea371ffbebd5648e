"""Does it learn? A run whose loss is flat or whose rate is stuck fails, and says so.

A small data set with a warm-up of less than two steps leaves some trainers' rate at a hundred-thousandth of what was
asked, and the run "succeeds". Here the rate must come near the one that was asked, and the loss must fall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

RATE_SHARE = 0.5
"""Of the rate that was asked, what the highest one of a run must reach."""
MIN_FALL = 0.05
"""Share of the first loss by which the last one must be lower."""
SMALL_ENOUGH = 0.05
"""A loss in nats per token below this may stay where it is: there is nothing left to learn."""
MIN_STEPS = 8
"""Fewer steps say nothing about a slope."""


def trouble(losses: Sequence[float], rates: Sequence[float], asked_rate: float) -> str | None:
    """What is wrong with a finished run, as a sentence; None when it learnt. One loss and rate a step."""
    if any(not math.isfinite(loss) for loss in losses):
        step = next(number for number, loss in enumerate(losses, start=1) if not math.isfinite(loss))
        return f"The loss is no number any more at step {step}: take a smaller learning_rate."
    if not losses:
        return "Not one step was made: there is no data, or `steps` is 0."
    if max(rates) < RATE_SHARE * asked_rate:
        return f"The learning rate never rose above {max(rates):.2g} of the {asked_rate:.2g} asked: it learnt nothing."
    if len(losses) < MIN_STEPS:
        return (
            f"{len(losses)} steps are too few to tell whether it learns: take more epochs, {MIN_STEPS} steps at least."
        )
    part = max(len(losses) // 5, 2)
    first, last = fmean(losses[:part]), fmean(losses[-part:])
    if last > SMALL_ENOUGH and last > (1 - MIN_FALL) * first:
        return f"The loss is flat: {first:.3f} at the beginning, {last:.3f} at the end. It did not learn."
    return None


def diverged(losses: Sequence[float]) -> str | None:
    """What ends a run in its midst: a loss that is no number."""
    if losses and not math.isfinite(losses[-1]):
        return f"The loss is no number any more at step {len(losses)}: take a smaller learning_rate."
    return None
