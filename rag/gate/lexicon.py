"""The words that a fit has weights for: terms of the examples, weighed by how few of the examples have them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

_SPACES = re.compile(r"\s+")


def grams(text: str) -> Counter[str]:
    """The characters and pairs of characters of a message, in lower case."""
    text = _SPACES.sub(" ", text.lower())
    return Counter([*text, *(text[start : start + 2] for start in range(len(text) - 1))])


@dataclass(frozen=True, slots=True)
class Lexicon:
    """``numbers``: of each term; ``idf``: by number, ln((1 + examples) / (1 + examples with it)) + 1."""

    numbers: Mapping[str, int]
    idf: Floats

    @classmethod
    def of(cls, examples: Sequence[Iterable[str]], at_least: int, at_most: float = 1.0) -> Lexicon:
        """The terms in ``at_least`` examples, and in no more than the share ``at_most`` of them."""
        seen: Counter[str] = Counter()
        for terms in examples:
            seen.update(set(terms))
        most = at_most * len(examples)
        kept = sorted(term for term, count in seen.items() if at_least <= count <= most)
        counts = np.array([seen[term] for term in kept], float)
        return cls({term: number for number, term in enumerate(kept)}, 1 + np.log((1 + len(examples)) / (1 + counts)))

    def __len__(self) -> int:
        return len(self.numbers)

    def entries(self, terms: Mapping[str, int]) -> tuple[Longs, Floats]:
        """Numbers and values of the known terms: (1 + ln count) · idf, of unit length together."""
        found = [(self.numbers[term], 1 + math.log(count)) for term, count in terms.items() if term in self.numbers]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0)
        columns = np.array([number for number, _ in found], np.int64)
        values = np.array([value for _, value in found]) * self.idf[columns]
        return columns, values / np.linalg.norm(values)
