"""Finds the entries of the lists in a text: all of them in one pass (Aho–Corasick), whole words only.

A Latin word never counts inside a longer one. What lies within an innocent phrase, or within a longer entry that was
found as well, does not count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, MatchKind

from moderation.lexicon import Term, Use
from moderation.unmasking import Unmasker

MIN_IN_RUN_CHARS = 4
"""Within a run of spaced letters, shorter Latin words are only believed as the whole run."""


@dataclass(frozen=True, slots=True)
class Match:
    """``start``: in the plain text. ``hidden``: found in another reading of that place."""

    start: int
    end: int
    term: Term
    hidden: bool = False


class Matcher:
    """``unmasker`` is shared: the entries are read as texts are, so that ``Ｐ`` in a list means ``p``."""

    def __init__(self, unmasker: Unmasker, terms: Iterable[Term]) -> None:
        self._unmasker = unmasker
        by_text: dict[str, list[Term]] = {}
        for term in terms:
            text = unmasker.plain(term.text)
            if text:
                by_text.setdefault(text, []).append(term)
        self._terms = list(by_text.values())
        self._words: AhoCorasick | None = None
        if by_text:
            self._words = AhoCorasick(list(by_text), matchkind=MatchKind.Standard)

    def find(self, plain: str) -> list[Match]:
        """Everything in a plain text (``Unmasker.plain``), in order of place; evidence cleared of what is innocent."""
        if self._words is None:
            return []
        found = cleared([Match(start, end, term) for start, end, term in self._whole_words(plain)])
        readings = list(self._unmasker.hidden(plain))
        if readings:
            hidden = list(self._in_readings([(each.start, each.text) for each in readings]))
            for reading in readings:
                if reading.run:
                    hidden += self._in_run(reading.start, reading.text)
            found += cleared(hidden)
        return sorted(found, key=lambda match: match.start)

    def _whole_words(self, text: str) -> Iterator[tuple[int, int, Term]]:
        assert self._words is not None
        for number, start, end in self._words.find_matches_as_indexes(text, overlapping=True):
            if _is_whole(text, start, end):
                for term in self._terms[number]:
                    yield start, end, term

    def _in_readings(self, readings: Sequence[tuple[int, str]]) -> Iterator[Match]:
        """All readings as one text, a line each, so that the search runs once."""
        begins, at = [], 0
        for _, text in readings:
            begins.append(at)
            at += len(text) + 1
        for start, end, term in self._whole_words("\n".join(text for _, text in readings)):
            number = bisect_right(begins, start) - 1
            moved = readings[number][0] - begins[number]
            yield Match(start + moved, end + moved, term, hidden=True)

    def _in_run(self, origin: int, run: str) -> Iterator[Match]:
        assert self._words is not None
        for number, start, end in self._words.find_matches_as_indexes(run, overlapping=True):
            if end - start >= MIN_IN_RUN_CHARS and run[start].isascii() and not _is_whole(run, start, end):
                for term in self._terms[number]:
                    yield Match(origin + start, origin + end, term, hidden=True)


def _is_whole(text: str, start: int, end: int) -> bool:
    """No Latin word is cut at either end. Chinese has no such borders."""
    cut_before = start > 0 and _is_latin(text[start - 1]) and _is_latin(text[start])
    return not cut_before and not (end < len(text) and _is_latin(text[end]) and _is_latin(text[end - 1]))


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def cleared(found: Iterable[Match]) -> list[Match]:
    """Without evidence that lies in an innocent phrase or in longer evidence. One sweep from left to right."""
    kept: list[Match] = []
    innocent_end = evidence_end = evidence_start = -1
    for match in sorted(found, key=_longest_first):
        if match.term.use is Use.EVIDENCE:
            longer = match.end < evidence_end or (match.end == evidence_end and evidence_start < match.start)
            if match.end <= innocent_end or longer:
                continue
            if match.end > evidence_end:
                evidence_start, evidence_end = match.start, match.end
        elif match.term.use is Use.INNOCENT:
            innocent_end = max(innocent_end, match.end)
        kept.append(match)
    return kept


def _longest_first(match: Match) -> tuple[int, int, bool]:
    return match.start, -match.end, match.term.use is not Use.INNOCENT
