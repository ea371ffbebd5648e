"""How long a text takes to say, at the least: sound that is shorter was cut."""

from __future__ import annotations

import re

FASTEST_SYLLABLES_PER_S = 9.0
"""Hurried speech has 7 to 8 in Mandarin, Spanish or Japanese (Pellegrino, Coupé and Marsico 2011, "A cross-language
perspective on speech information rate", measure 5.2 to 7.8 on average); a third faster nobody speaks."""

_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z]+")
_VOWELS = re.compile(r"[aeiouy]+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")


def syllables(text: str) -> int:
    """About how many a reader says; rather too few than too many."""
    words = sum(len(_VOWELS.findall(word)) or 1 for word in _WORD.findall(text))
    return len(_HAN.findall(text)) + words + len(_DIGIT.findall(text))


def is_too_short(text: str, duration_s: float, faster_percent: float = 0.0) -> bool:
    fastest = FASTEST_SYLLABLES_PER_S * (1 + max(faster_percent, 0.0) / 100)
    return duration_s < syllables(text) / fastest
