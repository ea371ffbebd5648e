"""What the documents have to say to a message, as some twenty numbers. Second half of the gate's view.

A word of the message is *evidence*: the logarithm of how much likelier it is met in a passage of these documents
than in general text (a log-odds ratio with the general text as its prior, Monroe et al. 2008, "Fightin' Words").
Scores are divided by the logarithm of the number of passages, the largest idf there is, so that a base of fifty
passages and one of fifty thousand speak the same language.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rag.gate.background import RARE_WORD, chance
from rag.gate.forms import Form
from rag.gate.headings import asks_the_same
from rag.retrieve import Hit
from search.tokenise import tokens

Floats = npt.NDArray[np.float64]

VERSION = 2
"""Of the features: what was learnt from others is learnt anew."""
HITS = 5
"""How many passages are looked at, and lend the message their words for what is learnt: Rocchio's feedback without a
judge (1971)."""

_PRIOR_PASSAGES = 30
"""How many passages of general text a base is taken to hold as well: in a small base no word says much."""
_MOST, _LEAST = 5.0, -3.0

NAMES = (
    "top",
    "tops",
    "log_tops",
    "evidence_mean",
    "evidence_top3",
    "evidence_top6",
    "evidence_for",
    "evidence_against",
    "log_for",
    "log_against",
    "names_for",
    "names_against",
    "subject",
    "subject_words",
    "heading_first",
    "heading_best",
    "heading_names",
    "heading_asks",
    "cover_first",
    "cover_best",
    "cover_all",
    "covered_words",
    "agreement",
    "shared",
    "decay",
    "vector_top",
    "vector_mean",
    "chars",
    "words",
    "asks",
    "seeks_way",
    "calls",
    "trouble",
)
"""The features, in the order of the vector's components."""


class WordStatistics(Protocol):
    """What is asked of the bases as a whole: :class:`rag.retrieve.Statistics`."""

    @property
    def chunks(self) -> int: ...

    def document_frequency(self, token: str) -> int: ...


@dataclass(frozen=True, slots=True)
class View:
    """A message as the gate sees it.

    ``words``: its different tokens in order, ``known`` how many of them the bases know. ``nearby``: the words of the
    best HITS passages, and in how many of them each stands. ``values``: shape (len(NAMES),), NaN where there is
    nothing to measure, as without an embedding.
    """

    form: Form
    words: tuple[str, ...]
    known: int
    values: Floats
    nearby: Mapping[str, int]


def view_of(form: Form, statistics: WordStatistics, hits: Sequence[Hit]) -> View:
    """The features of a message of this ``form`` against the bases; ``hits`` best first, those past HITS unread."""
    words = tuple(dict.fromkeys(tokens(form.text)))
    frequency = {word: statistics.document_frequency(word) for word in words}
    chunks = statistics.chunks
    features = {
        **_scores(hits[:HITS], chunks),
        **_evidence(frequency, chunks),
        **_coverage(frequency, chunks, hits[:HITS]),
        "heading_asks": float(form.asks and asks_the_same(form.text, hits)),
        "chars": math.log1p(form.chars),
        "words": math.log1p(len(words)),
        "asks": float(form.asks),
        "seeks_way": float(form.seeks_way),
        "calls": float(form.calls),
        "trouble": float(form.trouble),
    }
    known = sum(1 for count in frequency.values() if count)
    nearby: Counter[str] = Counter()
    for hit in hits[:HITS]:
        nearby.update(_passage_words(hit.passage.text) | _words(hit.passage.heading))
    return View(form, words, known, np.array([features[name] for name in NAMES]), nearby)


def _scores(hits: Sequence[Hit], chunks: int) -> dict[str, float]:
    """How well the best passages match, and whether they match alike and lie together."""
    scale = math.log(chunks + 2)
    lexical = sorted((hit.lexical for hit in hits), reverse=True)
    lexical += [0.0] * (HITS - len(lexical))
    weights = [1 / rank for rank in range(1, HITS + 1)]
    tops = sum(weight * score for weight, score in zip(weights, lexical, strict=True)) / sum(weights) / scale
    folders = Counter(hit.passage.source.split("/")[0] for hit in hits)
    vectors = sorted((hit.vector for hit in hits if hit.vector_rank is not None), reverse=True)
    return {
        "top": lexical[0] / scale,
        "tops": tops,
        "log_tops": math.log1p(2 * tops),
        "decay": lexical[-1] / lexical[0] if lexical[0] else 0.0,
        "agreement": max(folders.values(), default=0) / HITS,
        "vector_top": vectors[0] if vectors else math.nan,
        "vector_mean": sum(vectors) / len(vectors) if vectors else math.nan,
    }


def _evidence(frequency: Mapping[str, int], chunks: int) -> dict[str, float]:
    """What the message's words say, whatever passage they stand in."""
    found: list[float] = []
    names: list[float] = []
    shares: list[float] = []
    word_shares: list[float] = []
    for word, count in frequency.items():
        if word.isdigit() or (len(word) == 1 and is_name(word)):
            continue
        general = chance(word)
        ratio = (count + _PRIOR_PASSAGES * general) / (chunks + _PRIOR_PASSAGES) / general
        value = max(_LEAST, min(_MOST, math.log(ratio)))
        found.append(value)
        share = count / max(chunks, 1)
        if is_name(word):
            names.append(value)
            shares.append(share * min(1.0, RARE_WORD / general))
        else:
            word_shares.append(share)
    found.sort()
    above, below = sum(value for value in found if value > 0), -sum(value for value in found if value < 0)
    return {
        "evidence_mean": sum(found) / len(found) if found else 0.0,
        "evidence_top3": sum(found[-3:]) / 3,
        "evidence_top6": sum(found[-6:]) / 6,
        "evidence_for": above / 10,
        "evidence_against": below / 10,
        "log_for": math.log1p(above),
        "log_against": math.log1p(below),
        "names_for": math.log1p(sum(value for value in names if value > 0)),
        "names_against": math.log1p(-sum(value for value in names if value < 0)),
        "subject": math.log1p(100 * sum(shares)),
        "subject_words": math.log1p(100 * sum(word_shares)),
    }


def _coverage(frequency: Mapping[str, int], chunks: int, hits: Sequence[Hit]) -> dict[str, float]:
    """How much of the message, weighed by idf, stands in the best passages, and how much in their headings."""
    idf = {word: math.log1p((chunks - count + 0.5) / (count + 0.5)) for word, count in frequency.items()}
    scale, mass = math.log(chunks + 2), sum(idf.values()) or 1.0
    heads = [
        _words(hit.passage.heading) | _words(hit.title) | _words(hit.passage.source.replace("/", " ")) for hit in hits
    ]
    bodies = [head | _passage_words(hit.passage.text) for head, hit in zip(heads, hits, strict=True)]
    in_heads = [[word for word in idf if word in head] for head in heads]
    in_bodies = [[word for word in idf if word in body] for body in bodies]
    heading = [sum(idf[word] for word in matched) for matched in in_heads]
    covered = [sum(idf[word] for word in matched) / mass for matched in in_bodies]
    anywhere = {word for matched in in_bodies for word in matched}
    sets = [set(matched) for matched in in_bodies]
    alike = [len(a & b) / max(1, len(a | b)) for n, a in enumerate(sets) for b in sets[:n]]
    return {
        "heading_first": heading[0] / scale if heading else 0.0,
        "heading_best": max(heading, default=0.0) / scale,
        "heading_names": sum(idf[word] for matched in in_heads for word in matched if is_name(word)) / HITS / scale,
        "cover_first": covered[0] if covered else 0.0,
        "cover_best": max(covered, default=0.0),
        "cover_all": sum(idf[word] for word in anywhere) / mass,
        "covered_words": math.log1p(max(map(len, in_bodies), default=0)),
        "shared": sum(alike) / len(alike) if alike else 0.0,
    }


def is_name(token: str) -> bool:
    """A Latin word, a name, an identifier: anything that is not Chinese, Japanese, Korean."""
    return token[0] < "\u2e80"


@lru_cache(maxsize=2048)
def _passage_words(text: str) -> frozenset[str]:
    return frozenset(tokens(text))


@lru_cache(maxsize=8192)
def _words(line: str) -> frozenset[str]:
    return frozenset(tokens(line))
