"""What the gate believes before anybody has given it an example: a few plain numbers in ``prior.json``.

Each feature has a ``center`` and a ``scale`` (its usual value and spread in a group's messages), and the prior a
weight for eight of them, all of them positive: the more the documents have to say, the likelier an answer. How the
numbers came about stands in the file, how they were checked in ``docs/benchmarks/gate.md``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from rag.gate.features import NAMES, Floats, View

_CLIP = 3.0
"""No single feature counts for more than three spreads: an odd message must not decide by being odd."""


@dataclass(frozen=True, slots=True)
class Prior:
    """``centers``, ``scales``, ``weights``: shape (len(NAMES),). ``helpful``, ``quiet``: thresholds, as
    log-odds. ``statement``: what an unaddressed message without any form of a question needs on top; examples do
    not change it, for they are mostly questions. ``addressed``: what an addressed message needs less."""

    centers: Floats
    scales: Floats
    weights: Floats
    bias: float
    helpful: float
    quiet: float
    statement: float
    addressed: float

    def standard(self, view: View) -> Floats:
        """The view's features in units of their usual spread, shape (len(NAMES),)."""
        result: Floats = np.clip(np.nan_to_num((view.values - self.centers) / self.scales), -_CLIP, _CLIP)
        return result

    def log_odds(self, view: View) -> float:
        """Of the documents answering this message, as far as its features tell."""
        return float(self.standard(view) @ self.weights) + self.bias

    def digest(self) -> str:
        """Of all its numbers: what was learnt on top of another prior is learnt anew."""
        arrays = (self.centers, self.scales, self.weights)
        plain = (self.bias, self.helpful, self.quiet, self.statement, self.addressed)
        return hashlib.blake2b(repr(plain).encode() + b"".join(map(bytes, arrays)), digest_size=8).hexdigest()


@cache
def shipped() -> Prior:
    """The prior of ``prior.json``."""
    content = json.loads(resources.files(__package__).joinpath("prior.json").read_text(encoding="utf-8"))
    features = content["features"]
    return Prior(
        centers=np.array([features[name]["center"] for name in NAMES]),
        scales=np.array([features[name]["scale"] for name in NAMES]),
        weights=np.array([features[name].get("weight", 0.0) for name in NAMES]),
        bias=content["bias"],
        **content["thresholds"],
    )
