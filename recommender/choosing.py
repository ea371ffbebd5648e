"""Which entries a room gets, and why: pure, from what is known to a handful of picks.

An entry's worth is its score by the room's taste, put between 0 and 1, times its freshness. The best come first, but
no more than two of one source, and what says the same as one that is taken is folded into it. One place of a digest
is for something else, or a room would be told for ever what it liked once: drawn at random, its chance kept with it,
so that an evaluation can weigh it by that (Li and others 2011, "Unbiased offline evaluation").
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recommender.features import Item, cosines, vectors_of
from recommender.meanings import Meanings
from recommender.opinions import Kind, Opinion
from recommender.taste import Rated, Taste
from search.near_duplicates import near

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]

FRESH_HALF_LIFE_H = 48.0
"""An entry of two days is worth half of the same entry today."""

OPINION_HALF_LIFE_DAYS = 90.0
MAX_A_SOURCE = 2
SAME_COSINE = 0.85
"""Above this two texts tell the same, whatever their fingerprints say."""

BECAUSE_COSINE = 0.08
"""Below this a like has too little in common with a pick to be its reason."""

EXPLORE_FROM = 3
"""Digests of fewer picks have no place for something else."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may be sent. ``id``: of the entry; None for a suggestion from a feed that nobody here reads, which
    is known by its ``link``. ``fingerprint``: of :mod:`search.near_duplicates`. Times are Unix seconds. ``shared``: the
    title of the shared page that led to a suggestion; ``feed``: the address of the feed that it stands in."""

    id: int | None
    link: str
    item: Item
    source: str
    source_key: str
    at: float
    fingerprint: int | None = None
    picture: str = ""
    explicit: bool = False
    shared: str = ""
    feed: str = ""

    @property
    def key(self) -> str:
        return f"entry:{self.id}" if self.id is not None else f"link:{self.link}"


class Why(StrEnum):
    LIKED = "liked"  # because you liked …
    SHARED = "shared"  # because … was shared here
    RULE = "rule"  # because this room reads what says …
    TOPIC = "topic"  # it is about what was asked for
    NEW = "new"  # new in a feed that is read here
    OTHER = "other"  # something else, for once


_WHY = {Kind.SHARED: Why.SHARED, Kind.RULE: Why.RULE}


@dataclass(frozen=True, slots=True)
class Pick:
    """``because``: the title or topic that the reason names. ``score``: by taste, in standard deviations above an
    ordinary entry. ``chance``: that this one was drawn for the place of something else. ``also``: the sources of
    candidates that say the same, and ``folded`` their keys."""

    candidate: Candidate
    why: Why
    because: str
    score: float
    worth: float
    chance: float | None = None
    also: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to choose: ``count`` picks at ``now``. ``seed`` makes the draw the same again. ``topic``: what was asked
    for; then nothing else is chosen than what is about it."""

    count: int
    now: float
    seed: str = ""
    topic: Item | None = None
    explore: bool = True


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that the choice needs, reckoned once: per candidate its worth, its score, its cosines with the others
    (n, n), its reason, and whether members have said no to its like. Costs a second and a half for a thousand
    candidates before three thousand others; choosing from it costs nothing."""

    candidates: Sequence[Candidate]
    wanted: Wanted
    worth: Floats
    scores: Floats
    near_to: Floats
    reasons: Sequence[tuple[Why, str]]
    refused: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls, candidates: Sequence[Candidate], opinions: Sequence[Opinion], background: Sequence[Item], wanted: Wanted
    ) -> Order:
        """``opinions``: youngest first. ``background``: other entries of the same feeds, which nobody rated; candidates
        are part of what is compared by themselves."""
        items = [candidate.item for candidate in candidates]
        rated = [opinion.item for opinion in opinions]
        topic = [wanted.topic] if wanted.topic is not None else []
        vectors = vectors_of([*items, *background, *rated, *topic])
        ends = np.cumsum([len(items), len(background), len(rated)])
        mine, known = vectors[: ends[0]], vectors[ends[1] : ends[2]]
        weights = np.array([_decayed(opinion, wanted.now) for opinion in opinions])
        opposed = weights < 0
        likes, dislikes = Rated(known[~opposed], weights[~opposed]), Rated(known[opposed], -weights[opposed])
        meanings = Meanings.of(vectors[: ends[1]]) if len(rated) else None
        scores = Taste.of(likes, dislikes, vectors[: ends[1]], meanings).scores(mine)
        fresh = np.array([_freshness(candidate, wanted.now) for candidate in candidates])
        worth = fresh / (1 + np.exp(-np.clip(scores, -30, 30)))
        if wanted.topic is not None:
            about = cosines(mine, vectors[ends[2] :])[:, 0]
            worth = np.where(about > BECAUSE_COSINE, about * (0.5 + worth), 0.0)
        reasons = _reasons(candidates, mine, known, opinions, wanted)
        refused = _nearest(mine, known[opposed]) > np.maximum(_nearest(mine, known[~opposed]), BECAUSE_COSINE)
        return cls(candidates, wanted, worth, scores, cosines(mine, mine), reasons, refused)

    def picks(self, without: Collection[str] = ()) -> list[Pick]:
        """The picks, best first, the one of something else last. ``without``: keys of candidates that cannot be chosen
        after all."""
        wanted, without = self.wanted, frozenset(without)
        explores = wanted.explore and wanted.topic is None and wanted.count >= EXPLORE_FROM
        places = wanted.count - 1 if explores else wanted.count
        taken: list[int] = []
        folded: dict[int, list[int]] = {}
        sources: Counter[str] = Counter()
        left: list[int] = []
        for number in map(int, np.argsort(-self.worth, kind="stable")):
            candidate = self.candidates[number]
            if self.worth[number] <= 0 or candidate.key in without:
                continue
            same = next((other for other in taken if self._same(number, other)), None)
            if same is not None:
                folded.setdefault(same, []).append(number)
            elif len(taken) >= places or sources[candidate.source_key] >= MAX_A_SOURCE:
                left.append(number)
            else:
                taken.append(number)
                sources[candidate.source_key] += 1
        picks = [self._pick(number, folded.get(number, ())) for number in taken]
        if explores and len(taken) == places:
            picks += self._something_else([number for number in left if not self.refused[number]], sources)
        return picks

    def _pick(self, number: int, folded: Sequence[int]) -> Pick:
        candidate = self.candidates[number]
        same = [self.candidates[other] for other in folded]
        return Pick(
            candidate,
            *self.reasons[number],
            score=float(self.scores[number]),
            worth=float(self.worth[number]),
            also=tuple(dict.fromkeys(other.source for other in same if other.source != candidate.source)),
            folded=tuple(other.key for other in same),
        )

    def _something_else(self, open_to: Sequence[int], sources: Counter[str]) -> list[Pick]:
        """One of those that were not taken, each with the same chance; sources that are not in this digest before
        those that are."""
        unseen = [number for number in open_to if not sources[self.candidates[number].source_key]]
        pool = unseen or [n for n in open_to if sources[self.candidates[n].source_key] < MAX_A_SOURCE]
        if not pool:
            return []
        drawn = hashlib.sha256(self.wanted.seed.encode()).digest()
        number = sorted(pool)[int.from_bytes(drawn[:8], "little") % len(pool)]
        score, worth = float(self.scores[number]), float(self.worth[number])
        return [Pick(self.candidates[number], Why.OTHER, "", score, worth, chance=1 / len(pool))]

    def _same(self, one: int, other: int) -> bool:
        first, second = self.candidates[one], self.candidates[other]
        if first.link and first.link == second.link:
            return True
        prints = first.fingerprint, second.fingerprint
        if prints[0] is not None and prints[1] is not None and near(prints[0], prints[1]):
            return True
        return bool(self.near_to[one, other] >= SAME_COSINE)


def _reasons(
    candidates: Sequence[Candidate], mine: csr_matrix, known: csr_matrix, opinions: Sequence[Opinion], wanted: Wanted
) -> list[tuple[Why, str]]:
    """For each candidate the like that it has most in common with, if it has anything."""
    if wanted.topic is not None:
        return [(Why.TOPIC, wanted.topic.title)] * len(candidates)
    found = [(Why.SHARED, each.shared) if each.shared else (Why.NEW, "") for each in candidates]
    likes = [number for number, opinion in enumerate(opinions) if opinion.weight > 0]
    if not likes:
        return found
    common = cosines(mine, known[likes])
    for number, best in enumerate(common.argmax(axis=1)):
        if common[number, best] > BECAUSE_COSINE:
            opinion = opinions[likes[best]]
            found[number] = (_WHY.get(opinion.kind, Why.LIKED), opinion.item.title)
    return found


def _nearest(mine: csr_matrix, others: csr_matrix) -> Floats:
    """The cosine of each of ``mine`` with the nearest of ``others``; zeros where there are none."""
    if not others.shape[0]:
        return np.zeros(mine.shape[0])
    return np.asarray(cosines(mine, others).max(axis=1), np.float64)


def _freshness(candidate: Candidate, now: float) -> float:
    hours = max(0.0, now - candidate.at) / 3_600
    return float(0.5 ** (hours / FRESH_HALF_LIFE_H))


def _decayed(opinion: Opinion, now: float) -> float:
    days = max(0.0, now - opinion.at) / 86_400
    return float(opinion.weight * math.pow(0.5, days / OPINION_HALF_LIFE_DAYS))
