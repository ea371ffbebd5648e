"""A unit of a model's answer against the passages it had: shown with citations that hold, or not shown.

Nothing a model writes is believed. A number must belong to a passage that was given, and the passage must say what
the sentence says (:mod:`rag.support`); code must stand there line by line; what would act in a room – links, images,
mentions – passes :mod:`rag.showing`. A sentence without a citation gets one where a passage clearly says it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.ports import Passage
from rag.showing import (
    CODE_SPAN,
    allowed_links,
    has_markup,
    hosts,
    links,
    outside_code,
    without_loose_hosts,
    without_mentions,
)
from rag.support import Support, holds, squeezed, support, weight
from rag.units import MARK, Unit, UnitKind
from search.normalise import folded, visible
from search.tokenise import tokens

UNCITED_SHARE = 0.75
"""A sentence that cites nothing is given a citation from this support on: more than :data:`rag.support.SUPPORTED`,
as nobody claimed that the passage says it."""
CITED_SHARE = 0.3
"""Of several cited passages, one that holds less of the sentence than this is not cited."""
MAX_CITED = 3
TELLING = 0.3
"""The weight (:func:`rag.support.weight`) from which a word tells what a sentence is about."""

_GLUE = re.compile(
    "以下|如下|步骤|方法|办法|做法|具体|首先|其次|然后|接着|最后|总之|总结|综上|根据|按照|文档|资料|段落|说明|所述|操作|例如|比如|另外|此外|注意|"
    "[的是为有]|"
    r"\b(?:here|are|is|the|these|those|a|of|for|your|and|please|should|be|steps?|as|follows?|following|first|second|third|then|next|finally|according|to|in|by|"
    r"documents?|documentation|passages?|summary|note|example|also|you|can|do|this|it|how|for|instance|way|ways)\b",
    re.IGNORECASE,
)
_PROMPT = re.compile(r"^\s*(?:\$|>>>|#(?=\s)|>)\s+")
_INFO = re.compile(r"[A-Za-z0-9+#_\-]{0,20}")


@dataclass(frozen=True, slots=True)
class Checked:
    """``text``: what may be shown, its marks taken out; None when it may not, and ``why``. ``numbers``: the passages
    that say it, from 1; none for words that claim nothing and only lead over to the next sentence."""

    text: str | None
    numbers: tuple[int, ...] = ()
    why: str = ""


class Checker:
    """Checks the units of one answer. ``passages``: those of the prompt, in its order. ``secret``: what must never be
    shown, such as the prompt's own marks."""

    def __init__(self, question: str, passages: Sequence[Passage], secret: Sequence[str] = ()) -> None:
        self._asked = {word for word in tokens(question) if weight(word) >= TELLING}
        self._passages = passages
        self._texts = [f"{passage.heading} {passage.source}\n{passage.text}" for passage in passages]
        self._squeezed = [squeezed(text) for text in self._texts]
        self._secret = tuple(squeezed(each) for each in secret)

    def check(self, unit: Unit) -> Checked:
        """What may be shown of ``unit``."""
        text = visible(unit.text)
        if any(each in squeezed(text) for each in self._secret):
            return Checked(None, why="secret")
        if unit.kind is UnitKind.HEADING:
            return Checked(None, why="heading")
        if unit.kind is UnitKind.CODE:
            return self._code(text)
        cited = _numbers(outside_code(text))
        plain = _without_marks(text)
        if any(not 1 <= number <= len(self._passages) for number in cited):
            return Checked(None, why="no such passage")
        if has_markup(plain):
            return Checked(None, why="markup")
        if not cited and _claims_nothing(plain):
            return Checked(without_mentions(plain))
        words = _ITEM_MARK.sub("", plain)
        numbers, why = self._cited(words, cited) if cited else self._found(words)
        why = why or self._forbids(plain, numbers)
        if why:
            return Checked(None, why=why)
        return Checked(without_mentions(without_loose_hosts(plain)), numbers)

    # ── which passages say it ────────────────────────────────────────────────────────────────────────────

    def _cited(self, words: str, cited: Sequence[int]) -> tuple[tuple[int, ...], str]:
        """The cited passages that say it."""
        together = self._support(words, cited)
        if not together.holds:
            return (), together.why or "not supported"
        if len(cited) == 1:
            return tuple(cited), ""
        shares = {number: support(words, [self._texts[number - 1]]).share for number in cited}
        by_share = sorted(cited, key=lambda number: -shares[number])[:MAX_CITED]
        kept = [number for number in by_share if shares[number] >= CITED_SHARE]
        if not self._support(words, kept).holds:  # what is to the letter stands in one that says little else
            kept = by_share
        return tuple(sorted(kept)), "" if self._support(words, kept).holds else "not supported"

    def _found(self, words: str) -> tuple[tuple[int, ...], str]:
        """The passage that says what was not cited."""
        found = {number: self._support(words, [number]) for number in range(1, len(self._passages) + 1)}
        best = max(found, key=lambda number: (found[number].holds, found[number].share, -number), default=0)
        if not best or not found[best].holds or found[best].share < UNCITED_SHARE:
            return (), "not cited"
        return (best,), ""

    def _support(self, words: str, numbers: Sequence[int]) -> Support:
        spans = [match[2].strip() for match in CODE_SPAN.finditer(words)]
        texts = [self._squeezed[number - 1] for number in numbers if self._is_trusted(number)]
        if any(not any(holds(text, span) for text in texts) for span in spans):
            return Support(0.0, "code")
        return support(words, [self._texts[number - 1] for number in numbers])

    # ── what would act ───────────────────────────────────────────────────────────────────────────────────

    def _forbids(self, text: str, numbers: Sequence[int]) -> str:
        """Why a sentence may not be shown though a passage says it; empty when it may."""
        found = links(text)
        loose = hosts(text)
        if not found and not loose:
            return ""
        trusted = [self._passages[number - 1].text for number in numbers if self._is_trusted(number)]
        if not found <= allowed_links(trusted) or not all(any(host in each for each in trusted) for host in loose):
            return "link"
        for link in found | loose:
            text = text.replace(link, " ")
        return "" if self._asked & set(tokens(text)) else "link off the question"

    def _is_trusted(self, number: int) -> bool:
        return not self._passages[number - 1].added_by

    # ── code ─────────────────────────────────────────────────────────────────────────────────────────────

    def _code(self, text: str) -> Checked:
        """A block whose lines stand in a passage one after the other; comments and empty lines do not count."""
        opening, *lines = text.split("\n")
        fence = opening.strip()[:3]
        info = opening.strip().strip("`~").strip()
        body = lines[:-1] if lines and lines[-1].strip().startswith(fence) else lines
        wanted = [line for line in map(_code_line, body) if line]
        if not wanted or any(fence in line for line in body):
            return Checked(None, why="code")
        for number, passage in enumerate(self._passages, start=1):
            if self._is_trusted(number) and _stands_in(wanted, passage.text):
                head = info if _INFO.fullmatch(info) else ""
                block = "\n".join([f"{fence}{head}", *(line for line in body if not _is_comment(line)), fence])
                return Checked(without_mentions(block), (number,))
        return Checked(None, why="code")


_ITEM_MARK = re.compile(r"^\s*(?:[-*+•]|\d{1,3}(?:[)、]|\.(?!\d))|[（(]\d{1,2}[)）])\s*")


def _numbers(text: str) -> list[int]:
    """The numbers of all citations, each once; ``[1-3]`` is three of them."""
    found: list[int] = []
    for mark in MARK.finditer(text):
        for part in re.split(r"[,，、;；]", mark.group().strip("[]【】")):
            ends = [int(each) for each in re.findall(r"\d+", part)]
            if len(ends) == 2 and 0 <= ends[1] - ends[0] < 10:
                ends = list(range(ends[0], ends[1] + 1))
            found += [number for number in ends if number not in found]
    return found


def _without_marks(text: str) -> str:
    """Citations out, code spans untouched, the blanks and punctuation they leave behind tidied."""
    parts, at = [], 0
    for match in CODE_SPAN.finditer(text):
        parts += [MARK.sub("", text[at : match.start()]), match.group()]
        at = match.end()
    joined = "".join([*parts, MARK.sub("", text[at:])])
    return re.sub(r"[ \t]+(?=[。！？，；.!?,;](?:\s|$))", "", joined).strip()


def _claims_nothing(text: str) -> bool:
    """Whether a sentence only leads over („以下是步骤：“)."""
    return not any(char.isalnum() for char in _GLUE.sub("", _ITEM_MARK.sub("", folded(text))))


def _code_line(line: str) -> str:
    return "" if _is_comment(line) else squeezed(_PROMPT.sub("", line))


def _is_comment(line: str) -> bool:
    """A comment says what it likes beside code that stands in a document: it is neither compared nor shown."""
    return line.lstrip().startswith(("# ", "// ", "-- ", "; ")) or line.strip() in ("#", "//")


def _stands_in(wanted: Sequence[str], passage: str) -> bool:
    """Whether the lines stand in the passage without others between them, or one line alone in a code span."""
    lines = [line for line in map(_code_line, passage.split("\n")) if line]
    count = len(wanted)
    if any(lines[at : at + count] == list(wanted) for at in range(len(lines) - count + 1)):
        return True
    return count == 1 and wanted[0] in {squeezed(match[2]) for match in CODE_SPAN.finditer(passage)}
