"""The filter's word lists: this project's own, read from ``lexicon_zh.txt`` and ``lexicon_en.txt``.

A list is sections of entries with commas between: ``[category strength]``, ``[context]`` for words that say that a
text reports or teaches, ``[innocent]`` for phrases that contain a word and mean another, ``[young]`` for words for
minors, ``[personal]`` for words that tell of oneself, turn to a reader or offer something. An English word with ``~``
stands for its endings too, also within a phrase; ``#`` begins a comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path

from moderation.categories import WEIGHTS, Category, Strength

FILES = ("lexicon_zh.txt", "lexicon_en.txt")


class Use(StrEnum):
    """What a match is good for."""

    EVIDENCE = "evidence"
    CONTEXT = "context"
    INNOCENT = "innocent"
    YOUNG = "young"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class Term:
    """An entry. ``lemma``: the entry as it stands in the list; endings of one word count once."""

    text: str
    lemma: str
    use: Use
    category: Category = Category.OWN
    strength: Strength = Strength.CERTAIN

    @property
    def weight(self) -> float:
        return WEIGHTS[self.strength]


def shipped() -> tuple[Term, ...]:
    """All entries of the lists that come with the package."""
    folder = Path(__file__).parent
    return tuple(term for name in FILES for term in read((folder / name).read_text(encoding="utf-8").splitlines()))


def read(lines: Iterable[str]) -> Iterator[Term]:
    """The entries of a list. Raises ``ValueError`` for a section there is none of, or a one-character word."""
    use, category, strength = Use.INNOCENT, Category.OWN, Strength.CERTAIN
    for line in lines:
        line = line.partition("#")[0].strip()
        if line.startswith("["):
            words = line.strip("[]").split()
            use = Use(words[0]) if len(words) == 1 else Use.EVIDENCE
            if use is Use.EVIDENCE:
                category, strength = Category(words[0]), Strength(words[1])
            continue
        for entry in filter(None, (each.strip() for each in line.split(","))):
            if len(entry) < 2:
                raise ValueError(f"{entry!r} is too short: a single character says nothing")
            for text in _forms(entry):
                yield Term(text, entry.replace("~", ""), use, category, strength)


def _forms(entry: str) -> Iterator[str]:
    """The entry with every ending that its words may have."""
    for words in product(*(_endings(word) for word in entry.split(" "))):
        yield " ".join(words)


def _endings(entry: str) -> tuple[str, ...]:
    """``tease~``: tease, teases, teased, teasing; ``strip~``: also with the last letter doubled."""
    if not entry.endswith("~"):
        return (entry,)
    word = entry[:-1]
    if word.endswith("e"):
        return (word, f"{word}s", f"{word}d", f"{word[:-1]}ing")
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word, f"{word}s", f"{word[:-1]}ies", f"{word[:-1]}ied", f"{word}ing")
    twice = word + word[-1]
    endings = (word, f"{word}s", f"{word}es", f"{word}ed", f"{word}ing", f"{word}in", f"{twice}ed", f"{twice}ing")
    return tuple(ending for ending in endings if ending)
