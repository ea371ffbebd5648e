"""Likes in, order out: the product's objects beside a nearest like, a mean of likes, and what is popular."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.rank import files, made
from recommender.features import Item, cosines, vectors_of
from recommender.meanings import Meanings
from recommender.taste import MAX_BACKGROUND, Rated, Taste

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LIKES = (1, 3, 5, 10, 20)
WANTED = 20
OTHERS = 1_000
AT = 10


@dataclass(frozen=True, slots=True)
class Task:
    """One person: ``likes`` are known, ``wanted`` are to be found among ``others``; ``unrated`` is anything that
    is not among the likes, as the product would see it."""

    likes: Ints
    wanted: Ints
    others: Ints
    unrated: Ints


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of all items beforehand. ``popular``: in how many libraries each is."""

    vectors: csr_matrix
    meanings: Meanings | None
    popular: Ints


Method = Callable[[Task, Known], Floats]


def main(argv: Sequence[str]) -> int:
    arguments = _arguments(argv)
    if arguments.make is not None:
        made.make(arguments.seed).write(arguments.make)
        return 0
    for thread_setting in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(thread_setting, "1")
    data = files.read(arguments.users, arguments.item_tags, arguments.tags)
    sys.stderr.write(f"{len(data.libraries)} libraries, {len(data.tags)} items; {data.layout}\n")
    sys.stdout.write(json.dumps(measure(data, arguments.seed, arguments.users_per_count)) + "\n")
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks rank")
    parser.add_argument("--users", type=Path)
    parser.add_argument("--item-tags", type=Path)
    parser.add_argument("--tags", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--users-per-count", type=int, default=500)
    parser.add_argument("--make", type=Path, metavar="DIR", help="write made-up data there, and nothing else")
    arguments = parser.parse_args(argv)
    if arguments.make is None and None in (arguments.users, arguments.item_tags, arguments.tags):
        parser.error("--users, --item-tags and --tags are needed")
    return arguments


def measure(data: files.Data, seed: int, users_per_count: int) -> dict[str, Any]:
    """The object that is printed. A mean over too few libraries for a count is over those that there are."""
    vectors = vectors_of(Item(tags=tags) for tags in data.tags)
    popular = np.bincount(np.concatenate(data.libraries), minlength=len(data.tags))
    known = Known(vectors, Meanings.of(vectors), popular)
    methods: dict[str, Method] = {"ours": _ours, "popularity": _popularity, "knn": _nearest, "centroid": _centroid}
    figures: dict[str, dict[str, dict[str, float]]] = {name: {"ndcg@10": {}, "auc": {}} for name in methods}
    seconds, profiles = 0.0, 0
    for likes in LIKES:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
        for task in tasks(data, likes, seed, users_per_count):
            for name, method in methods.items():
                began = time.process_time()
                scores = method(task, known)
                if name == "ours":
                    seconds, profiles = seconds + time.process_time() - began, profiles + 1
                found[name].append((ndcg(scores), area(scores)))
        sys.stderr.write(f"{likes} likes: {len(found['ours'])} libraries\n")
        for name, pairs in found.items():
            means = np.array(pairs).mean(axis=0) if pairs else (float("nan"), float("nan"))
            figures[name]["ndcg@10"][str(likes)] = round(float(means[0]), 4)
            figures[name]["auc"][str(likes)] = round(float(means[1]), 4)
    ours = figures.pop("ours")
    return {**ours, "ms_per_profile": round(1e3 * seconds / max(profiles, 1), 2), **figures}


def tasks(data: files.Data, likes: int, seed: int, most: int) -> Iterator[Task]:
    """The same for the same seed, whatever is measured."""
    random = np.random.default_rng((seed, likes))
    everything = np.arange(len(data.tags))
    fitting = [library for library in data.libraries if len(library) >= likes + WANTED]
    for number in random.permutation(len(fitting))[:most]:
        library = random.permutation(fitting[number])
        outside = np.setdiff1d(everything, library, assume_unique=True)
        known, wanted = library[:likes], library[likes : likes + WANTED]
        others = random.choice(outside, min(OTHERS, len(outside)), replace=False)
        unrated = np.setdiff1d(random.permutation(everything)[:MAX_BACKGROUND], known)
        yield Task(known, wanted, others, unrated)


# ── who orders ───────────────────────────────────────────────────────────────────────────────────────────


def _ours(task: Task, known: Known) -> Floats:
    likes = Rated(known.vectors[task.likes], np.ones(len(task.likes)))
    nothing = Rated(known.vectors[:0], np.ones(0))
    taste = Taste.of(likes, nothing, known.vectors[task.unrated], known.meanings)
    return taste.scores(known.vectors[_candidates(task)])


def _popularity(task: Task, known: Known) -> Floats:
    return known.popular[_candidates(task)].astype(np.float64)


def _nearest(task: Task, known: Known) -> Floats:
    near = cosines(known.vectors[_candidates(task)], known.vectors[task.likes])
    return np.asarray(near.max(axis=1), np.float64)


def _centroid(task: Task, known: Known) -> Floats:
    mean = Rated(known.vectors[task.likes], np.ones(len(task.likes))).mean()
    return np.asarray(known.vectors[_candidates(task)] @ mean, np.float64)


def _candidates(task: Task) -> Ints:
    return np.concatenate([task.wanted, task.others])


# ── how good an order is ─────────────────────────────────────────────────────────────────────────────────


def ndcg(scores: Floats, wanted: int = WANTED, at: int = AT) -> float:
    """nDCG@10 of scores whose first ``wanted`` ought to come first; ties are shared out: what stands within one
    gets the mean of its places (McSherry and Najork 2008), so that no order of the input helps anybody."""
    discounts = np.zeros(len(scores))
    discounts[:at] = 1 / np.log2(np.arange(2, at + 2))
    order = np.argsort(-scores, kind="stable")
    _, groups, sizes = np.unique(-scores[order], return_inverse=True, return_counts=True)
    fair = np.bincount(groups, weights=discounts) / sizes
    relevant = np.bincount(groups, weights=order < wanted)
    return float((fair * relevant).sum() / discounts[: min(wanted, at)].sum())


def area(scores: Floats, wanted: int = WANTED) -> float:
    """The area under the ROC curve: the chance that one of the first ``wanted`` stands above one of the others,
    half of it in a tie."""
    from scipy.stats import rankdata

    others = len(scores) - wanted
    ranks = float(rankdata(scores)[:wanted].sum())
    return (ranks - wanted * (wanted + 1) / 2) / (wanted * others)
