"""Where code fences stand in a Markdown text: readers leave what is in them alone, the splitter keeps them whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Line:
    """``text[start:end]``, with its newline. ``fenced``: within a fence, or one of its two marks."""

    start: int
    end: int
    fenced: bool


def lines_of(text: str) -> list[Line]:
    """The lines of ``text``, those of closed fences marked; a fence that never closes is ordinary text.

    As CommonMark says: a fence is closed by at least as many of the same marks (spec 0.31, section 4.5).
    """
    spans = [match.span() for match in _LINES.finditer(text)]
    fenced = [False] * len(spans)
    opened: tuple[int, str] | None = None
    for number, (start, end) in enumerate(spans):
        match = _FENCE.fullmatch(text[start:end].rstrip("\n"))
        if match is None:
            continue
        if opened is None:
            opened = (number, match[1])
        elif match[1][0] == opened[1][0] and len(match[1]) >= len(opened[1]) and not match[2].strip():
            fenced[opened[0] : number + 1] = [True] * (number + 1 - opened[0])
            opened = None
    return [Line(start, end, inside) for (start, end), inside in zip(spans, fenced, strict=True)]


def stretches(text: str) -> Iterator[tuple[str, bool]]:
    """``text`` in order, in stretches within and without fences."""
    start = position = 0
    inside = False
    for line in lines_of(text):
        if line.fenced != inside:
            if position > start:
                yield text[start:position], inside
            start, inside = position, line.fenced
        position = line.end
    if position > start:
        yield text[start:position], inside
