"""What members read, in Chinese and English. A text cannot exist in one language alone.

Each feature keeps its texts beside its code, as constants; there are no keys to mistype.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LANGUAGES = ("zh", "en")

_HAN = re.compile("[\u3400-\u9fff]")
_WORDS = re.compile("[\u3400-\u9fff]{4}")
_LATIN = re.compile("[A-Za-z]")
_GRAMMAR = re.compile(
    r"\b(?:i|you|we|he|she|they|it|my|your|our|me|us|is|are|was|were|am|be|do|does|did|can|could|should|would|will|have|has"
    r"|how|what|why|when|where|which|who|please|thanks?)\b",
    re.IGNORECASE,
)
"""Pronouns, auxiliaries and question words: what an error message or a command seldom has."""


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence with ``{placeholders}``, as ``str.format`` fills them."""

    zh: str
    en: str

    def in_language(self, language: str, /, **values: object) -> str:
        """The sentence in ``language`` (``zh`` or ``en``; anything else reads English)."""
        template = self.zh if language == "zh" else self.en
        return template.format(**values) if values else template


def language_of(text: str, default: str = "zh") -> str:
    """The language that whoever wrote ``text`` reads: ``zh`` or ``en``.

    Chinese messages are full of English names, commands and errors, so letters say little beside a few Han characters
    of one's own. What tells an English sentence is the grammar between its names: more of that than Chinese around it.
    """
    han = len(_HAN.findall(text))
    latin = len(_LATIN.findall(text))
    if not han:
        return "en" if latin else default
    grammar = len(_GRAMMAR.findall(text))
    if not grammar:
        return "zh" if han > 1 or han * 5 >= han + latin else "en"
    is_said = han >= grammar and _WORDS.search(text) is not None  # and no name, which seldom has four characters
    return "zh" if han > 2 * grammar or is_said else "en"
