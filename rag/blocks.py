"""A passage to the pieces an answer may show: sentences, list items, table rows, code – each a stretch of its text.

Boilerplate is left out here: headings (they are cited), images and badges, HTML, horizontal rules, front matter,
link definitions, tables of contents, BibTeX, code whose fence does not close in this passage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Piece:
    """``text[start:end]`` of the passage, without surrounding blank space (code keeps its indentation). ``block``:
    pieces of one paragraph, list or table share a number; ``section`` changes at each heading. ``header``: where the
    head of a row's table stands, which is shown with any of its rows."""

    start: int
    end: int
    kind: Kind
    block: int
    section: int
    header: tuple[int, int] | None = None


_FENCE = re.compile(r"[ \t]*(?:>[ \t]*)?(`{3,}|~{3,})(.*)")
REFERENCES = frozenset({"bibtex", "bib", "latex"})
"""Code that says how to cite a work: nobody in a chat asks for it."""
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-{2,})[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)、]|[（(]\d{1,2}[)）])[ \t]+\S|[ \t]*\d{1,2}[、．]\S")
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_BOILERPLATE = re.compile(
    r"[ \t]*(?:"
    r"<[^>]*>?.*"  # HTML
    r"|(?:\[?!\[[^\]]*\]\([^)]*\)(?:\]\([^)]*\))?[ \t]*)+"  # images and badges
    r"|\[[^\]]+\]:[ \t]*\S.*"  # link definitions
    r"|(?:[-*_][ \t]*){3,}"  # rules
    r"|\[(?:TOC|toc)\]"
    r"|\.\.[ \t]\S.*|:::.*|%.*"  # directives
    r"|(?:[-*+]|\d+\.)[ \t]+\[[^\]]*\]\(#[^)]*\)"  # a line of a table of contents
    r")[ \t]*$"
)
_NOT_SHOWN = re.compile(
    r"!\[[^\]]*\]\(|<!--|-->"
    r"|</?(?:a|br|center|details|div|font|h\d|iframe|img|li|ol|p|script|span|style|su[bp]|summary|table|t[dhr]|ul)\b",
    re.IGNORECASE,
)
"""Images and HTML within a line: what they show is not in the text, and what they fetch nobody has checked."""
_SENTENCE_END = re.compile(r"[。！？；]+[”』」）)\]]*|[.!?]+[\"')\]]*(?=\s)|\n(?=[ \t]*\n)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|Fig|Eq|Sec|No|al|Dr|Mr|Ms)|\b[A-Z])\.$")


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int  # without the newline
    text: str


def pieces(text: str) -> list[Piece]:
    """The pieces of a passage in their order; they do not overlap."""
    return [
        piece
        for piece in _pieces(text)
        if piece.kind is Kind.CODE or not _NOT_SHOWN.search(text, piece.start, piece.end)
    ]


def _pieces(text: str) -> list[Piece]:
    found: list[Piece] = []
    lines = [_Line(match.start(), match.end(1), match[1]) for match in re.finditer(r"([^\n]*)(?:\n|$)", text)]
    at, section, block = _after_front_matter(lines), 0, 0
    while at < len(lines):
        line = lines[at]
        fence = _FENCE.fullmatch(line.text)
        if not line.text.strip():
            at += 1
            continue
        block += 1
        if fence is not None:
            end = _closing(lines, at, fence[1])
            if end is None:
                break
            if fence[2].strip().lower() not in REFERENCES:
                found.append(Piece(line.start, lines[end].end, Kind.CODE, block, section))
            at = end + 1
        elif _HEADING.match(line.text):
            section, at = section + 1, at + 1
        elif at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1].text) and not _ITEM.match(line.text):
            section, at = section + 1, at + 2
        elif _BOILERPLATE.fullmatch(line.text):
            at += 1
        elif _ROW.match(line.text):
            end = _while(lines, at, _ROW)
            found.extend(_table(lines[at:end], block, section))
            at = end
        elif _ITEM.match(line.text):
            end = _item_end(lines, at)
            number = _list_number(text, found, line.start, block)
            found.append(_stripped(text, line.start, lines[end - 1].end, Kind.ITEM, number, section))
            at = end
        else:
            end = _paragraph_end(lines, at)
            found.extend(_sentences(text, line.start, lines[end - 1].end, block, section))
            at = end
    return found


def _after_front_matter(lines: list[_Line]) -> int:
    if not lines or lines[0].text.strip() != "---":
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:40], 1) if line.text.strip() == "---"), 0)


def _closing(lines: list[_Line], opened: int, mark: str) -> int | None:
    for number in range(opened + 1, len(lines)):
        match = _FENCE.fullmatch(lines[number].text)
        if match is not None and match[1][0] == mark[0] and len(match[1]) >= len(mark) and not match[2].strip():
            return number
    return None


def _while(lines: list[_Line], at: int, pattern: re.Pattern[str]) -> int:
    while at < len(lines) and pattern.match(lines[at].text):
        at += 1
    return at


def _table(lines: list[_Line], block: int, section: int) -> Iterator[Piece]:
    """The rows of a table, each with its head; a table without one is no table in Markdown and is left out."""
    if len(lines) < 3 or not _RULE.match(lines[1].text):
        return
    header = (lines[0].start, lines[1].end)
    for line in lines[2:]:
        yield Piece(line.start, line.end, Kind.ROW, block, section, header)


def _starts_something(line: _Line) -> bool:
    return bool(
        not line.text.strip()
        or _FENCE.fullmatch(line.text)
        or _HEADING.match(line.text)
        or _ITEM.match(line.text)
        or _ROW.match(line.text)
        or _BOILERPLATE.fullmatch(line.text)
    )


def _paragraph_end(lines: list[_Line], at: int) -> int:
    at += 1
    while at < len(lines) and not _starts_something(lines[at]):
        if at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1].text):
            break
        at += 1
    return at


def _item_end(lines: list[_Line], at: int) -> int:
    """An item with the lines that continue it; a fence within it is a piece of its own."""
    at += 1
    while at < len(lines) and not _starts_something(lines[at]):
        at += 1
    return at


def _list_number(text: str, found: list[Piece], start: int, block: int) -> int:
    """Items that follow one another are one list, blank lines between them or not."""
    if found and found[-1].kind is Kind.ITEM and not text[found[-1].end : start].strip():
        return found[-1].block
    return block


def _stripped(text: str, start: int, end: int, kind: Kind, block: int, section: int) -> Piece:
    stretch = text[start:end]
    return Piece(start, start + len(stretch.rstrip()), kind, block, section)


def _sentences(text: str, start: int, end: int, block: int, section: int) -> Iterator[Piece]:
    at = start
    for match in _SENTENCE_END.finditer(text, start, end):
        if _ABBREVIATION.search(text, max(at, match.end() - 5), match.end()):
            continue
        if text.count("`", at, match.end()) % 2:  # within inline code
            continue
        yield from _sentence(text, at, match.end(), block, section)
        at = match.end()
    yield from _sentence(text, at, end, block, section)


def _sentence(text: str, start: int, end: int, block: int, section: int) -> Iterator[Piece]:
    stretch = text[start:end]
    if not any(char.isalnum() for char in stretch):
        return
    start += len(stretch) - len(stretch.lstrip())
    yield Piece(start, start + len(stretch.strip()), Kind.SENTENCE, block, section)
