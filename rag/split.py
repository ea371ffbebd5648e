"""A document's text to pieces: along its headings, with code fences whole, none longer than a bound.

Pieces are stretches of the text: end to end they are the text, so no character can be lost and a piece's neighbours
are the pieces before and after it. Headings are Markdown's, ``#`` and underlined; a plain text has none and is
split at paragraphs, lines, sentences, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rag.fences import Line, lines_of

VERSION = 1
"""Part of every document's hash: raise it when the same text splits differently."""

SEPARATOR = " › "
_MAX_HEADING_CHARS = 120
_MAX_HEADING_LINE_CHARS = 1_000
"""A longer line is no heading: somebody left out the line breaks."""

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_NOT_A_TITLE = re.compile(r"\s*(?:[-*+>|#]|\d+[.)]\s|$)")
_SENTENCE_END = re.compile(r"[。！？；]+[”』」）]*|[.!?;]+[\"')\]]*\s+")
_MARKUP = (
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"<[^>]{1,200}>"), ""),
    (re.compile(r"\s*\{#[^}]*\}\s*$"), ""),
    (re.compile(r"[*`\\]+|__+"), ""),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """``text[start:end]`` under ``heading``, the path of headings above it, joined by `` › ``."""

    start: int
    end: int
    heading: str


@dataclass(slots=True)
class _Section:
    start: int
    heading: str
    body: int  # where the text after the heading line begins
    lines: list[Line]


def split(text: str, *, target_chars: int, max_chars: int) -> list[Piece]:
    """Pieces of ``text`` in order, contiguous from 0 to ``len(text)``, each at most ``max_chars`` long.

    A section is cut where it passes ``target_chars``; a code fence of up to ``max_chars`` is never cut.
    """
    pieces: list[Piece] = []
    waiting: int | None = None  # start of headings without a text of their own: they go with what follows
    sections = _sections(text)
    for number, section in enumerate(sections):
        end = sections[number + 1].start if number + 1 < len(sections) else len(text)
        start = section.start if waiting is None else waiting
        last = number + 1 == len(sections)
        if not last and not text[section.body : end].strip() and end - start <= target_chars // 2:
            waiting = start
            continue
        waiting = None
        cuts = _cuts(text, start, end, section.lines, target_chars, max_chars)
        pieces.extend(Piece(a, b, section.heading) for a, b in pairwise(cuts))
    return pieces


def title_of(text: str) -> str:
    """The text's first heading, cleaned of markup; empty when it has none."""
    for section in _sections(text):
        if section.heading:
            return section.heading.rpartition(SEPARATOR)[2]
    return ""


def _sections(text: str) -> list[_Section]:
    sections = [_Section(0, "", 0, [])]
    path: list[tuple[int, str]] = []
    lines = lines_of(text)
    skip = -1
    for number, line in enumerate(lines):
        found = None if line.fenced or number <= skip else _heading(text, lines, number)
        if found is not None:
            level, title, last = found
            skip = last
            path = [entry for entry in path if entry[0] < level]
            path.append((level, title))
            heading = SEPARATOR.join(name for _, name in path if name)
            sections.append(_Section(line.start, heading, lines[last].end, []))
        sections[-1].lines.append(line)
    if sections[0].body == 0 and len(sections) > 1 and not sections[0].lines:
        sections.pop(0)
    return sections


def _heading(text: str, lines: list[Line], number: int) -> tuple[int, str, int] | None:
    """Level, title and last line of the heading that begins in line ``number``, if one does."""
    line = lines[number]
    if line.end - line.start > _MAX_HEADING_LINE_CHARS:
        return None
    content = text[line.start : line.end].rstrip("\n")
    atx = _ATX.fullmatch(content)
    if atx is not None:
        return len(atx[1]), _plain(atx[2] or ""), number
    if number + 1 >= len(lines) or lines[number + 1].fenced or _NOT_A_TITLE.match(content):
        return None
    before = text[lines[number - 1].start : lines[number - 1].end] if number else ""
    below = text[lines[number + 1].start : lines[number + 1].end].rstrip("\n")
    under = _UNDERLINE.fullmatch(below[:_MAX_HEADING_LINE_CHARS])
    if under is None or before.strip():
        return None
    return (1 if under[1][0] == "=" else 2), _plain(content), number + 1


def _plain(title: str) -> str:
    for pattern, replacement in _MARKUP:
        title = pattern.sub(replacement, title)
    return " ".join(title.split())[:_MAX_HEADING_CHARS]


def _cuts(text: str, start: int, end: int, lines: list[Line], target: int, maximum: int) -> list[int]:
    """Positions from ``start`` to ``end`` at which a section is cut, both included."""
    if end - start <= target:
        return [start, end]
    cuts = [start]
    filled = start
    for block_end in _block_ends(text, end, lines):
        if block_end - cuts[-1] > target:
            # A crumb stays with the block after it, unless that would make the piece too long.
            if filled - cuts[-1] >= target // 4 or (filled > cuts[-1] and block_end - cuts[-1] > maximum):
                cuts.append(filled)
            while block_end - cuts[-1] > maximum:
                cuts.append(_break(text, cuts[-1], min(block_end, cuts[-1] + target)))
        filled = block_end
    if end - cuts[-1] > maximum:
        cuts.append(filled)
    cuts.append(end)
    return cuts


def _block_ends(text: str, end: int, lines: list[Line]) -> Iterator[int]:
    """Where the paragraphs, tables and fences of a section end, with the blank lines after them."""
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else None
        if following is None:
            yield end
        elif line.fenced != following.fenced:
            yield line.end
        elif line.fenced or text[line.start : line.end].strip():
            continue
        elif text[following.start : following.end].strip():
            yield line.end


def _break(text: str, start: int, end: int) -> int:
    """The best place to cut ``text[start:end]`` in its second half: after a line, a sentence, a word, or at its end."""
    half = start + max(1, (end - start) // 2)
    newline = text.rfind("\n", half, end)
    if newline >= 0:
        return newline + 1
    ends = [match.end() for match in _SENTENCE_END.finditer(text, half, end)]
    if ends:
        return ends[-1]
    space = text.rfind(" ", half, end)
    return space + 1 if space >= 0 else end
