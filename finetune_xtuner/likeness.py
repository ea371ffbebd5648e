"""How much one short text says what another says: by what both are made of."""

from __future__ import annotations

import re
from collections import Counter

from search.normalise import folded


def holds(text: str, wanted: str, ignoring: str = "") -> bool:
    """Whether ``wanted`` stands in ``text``, ``ignoring`` taken out of it first; width and case do not count."""
    plain = folded(text).casefold()
    if ignoring:
        plain = plain.replace(folded(ignoring).casefold(), " ")
    return folded(wanted).casefold() in plain


def likeness(one: str, other: str) -> float:
    """F1 of what two texts are made of, 0–1: Chinese characters, and words of other scripts, each as often as it
    comes."""
    first, second = _parts(one), _parts(other)
    common = (first & second).total()
    return 2 * common / (first.total() + second.total()) if common else 0.0


def _parts(text: str) -> Counter[str]:
    return Counter(re.findall(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+", folded(text).casefold()))
