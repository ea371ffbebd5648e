"""Entries as numbers: words and tags, weighted by how much they tell, a row of unit length for each entry.

TF-IDF with a damped count (Salton and Buckley 1988): a word that stands in few of the entries tells much of the ones
that it stands in, and its second occurrence less than its first. Chinese and English pass ``search.tokenise`` alike.
A tag counts whole, and its words half: ``machine-learning`` is one subject, and still near a title that says
“learning”.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from search.tokenise import tokens

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]

TITLE_WEIGHT = 2.0
"""A word of a title counts as two of the text below it."""

TAG_WEIGHT = 1.0
TAG_PART_WEIGHT = 0.5
MAX_COUNT = 8.0
"""What an entry says still more often it does not say more."""

MAX_CHARS = 4_000
"""Of an entry's text; the rest is not looked at."""

_JOINTS = re.compile(r"[\s\-_/.:+]+")


@dataclass(frozen=True, slots=True)
class Item:
    """What is compared: an entry of a feed, or a page that somebody shared."""

    title: str = ""
    text: str = ""
    tags: tuple[str, ...] = ()


def vectors_of(items: Iterable[Item]) -> csr_matrix:
    """The vectors of some entries, shape (items, vocabulary), each of length 1, or 0 for one that says nothing. What
    a word tells is learned from these entries alone, so only vectors that were made together can be compared."""
    from scipy.sparse import csr_matrix

    vocabulary: dict[str, int] = {}
    data: list[float] = []
    columns: list[int] = []
    starts = [0]
    for item in items:
        for token, count in _counts(item).items():
            columns.append(vocabulary.setdefault(token, len(vocabulary)))
            data.append(count)
        starts.append(len(columns))
    numbers, rows = np.array(columns, np.int32), len(starts) - 1
    frequencies = np.bincount(numbers, minlength=len(vocabulary))
    # As scikit-learn smooths it: as if one more entry held every word once.
    idf = np.log((1 + rows) / (1 + frequencies)) + 1
    weights = np.log2(1 + np.minimum(data, MAX_COUNT)) * idf[numbers]
    row_of = np.repeat(np.arange(rows), np.diff(starts))
    lengths = np.sqrt(np.bincount(row_of, weights=weights**2, minlength=rows))
    weights /= np.maximum(lengths, 1e-12)[row_of]
    return csr_matrix((weights, numbers, np.array(starts, np.int64)), (rows, max(len(vocabulary), 1)))


def _counts(item: Item) -> dict[str, float]:
    """How often each token occurs, weighted by where."""
    found: dict[str, float] = {}
    for token in tokens(item.title[:MAX_CHARS]):
        found[token] = found.get(token, 0.0) + TITLE_WEIGHT
    for token in tokens(item.text[:MAX_CHARS]):
        found[token] = found.get(token, 0.0) + 1.0
    for token, weight in _tags(item.tags).items():
        found[token] = found.get(token, 0.0) + weight
    return found


def _tags(tags: Sequence[str]) -> dict[str, float]:
    """Each token of the tags once, by its best weight."""
    found: dict[str, float] = {}
    for tag in tags:
        words = tokens(_JOINTS.sub(" ", tag))
        parts = dict.fromkeys(words)
        if len(parts) == 1:
            found[words[0]] = TAG_WEIGHT
            continue
        if words:
            found["#" + "".join(words)] = TAG_WEIGHT
        for part in parts:
            found[part] = max(found.get(part, 0.0), TAG_PART_WEIGHT)
    return found


def cosines(vectors: csr_matrix, others: csr_matrix) -> Floats:
    """The cosine of each of ``vectors`` (n, vocabulary) with each of ``others`` (m, vocabulary), shape (n, m)."""
    product: Any = vectors @ others.T
    return np.asarray(product.toarray(), np.float64)
