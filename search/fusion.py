"""Joining the answers of several channels by rank alone: their scores have no common scale.

Reciprocal rank fusion, Cormack, Clarke and Büttcher 2009: a candidate's score is the sum of weight / (k + rank)
over the channels that found it, rank from 1, k = 60. A threshold applies after fusion, never to one channel, and
each channel gives at least :data:`RECALL_FLOOR` candidates however few are wanted at the end, or the order of the
first results would change with the number asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

K = 60
RECALL_FLOOR = 50


def fuse(channels: Mapping[str, Sequence[T]], weights: Mapping[str, float] | None = None) -> list[tuple[T, float]]:
    """Candidates with their fused scores, best first; ties in the order in which they were first seen.

    Scores lie between 0 and 1: they are divided by what a candidate at the head of every channel would have.
    """
    weight = {name: 1.0 if weights is None else weights.get(name, 1.0) for name in channels}
    best = sum(weight[name] / (K + 1) for name, ranked in channels.items() if ranked)
    scores: dict[T, float] = {}
    for name, ranked in channels.items():
        for rank, candidate in enumerate(ranked, start=1):
            scores[candidate] = scores.get(candidate, 0.0) + weight[name] / (K + rank) / best
    return sorted(scores.items(), key=lambda item: -item[1])
