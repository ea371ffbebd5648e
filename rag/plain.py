"""Text that is no Markdown, made ready to stand below Markdown's headings. For the readers of pages and pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rag.fences import stretches

_MARKS = re.compile(r"^( {0,3})(?=#{1,6}(?:[ \t]|$)|`{3}|~{3}|=+[ \t]*$|-{2,}[ \t]*$)", re.MULTILINE)
_SPACE = re.compile(r"\s+")
_JOINED_SHARE = 0.7
"""A line of at least this share of the page's longest was broken by the margin, not by its writer."""
_ENDS = tuple('。！？；：.!?;:)）」』”"|')
_OPENS = re.compile(r"\s*(?:[-*+•·‣▪●○◦]|\d+[.)、]|[（(]\d+[)）]|第.{1,4}[章节条])\s*")
_HYPHENATED = re.compile(r"[a-z]-$")
_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


def escaped(text: str) -> str:
    """``text`` with a backslash before each line that Markdown would take for a heading or a fence."""
    return _MARKS.sub(r"\1\\", text)


def below(text: str) -> str:
    """Markdown without headings of its own: those, and a fence that never closes, become ordinary lines."""
    return "".join(stretch if fenced else escaped(stretch) for stretch, fenced in stretches(text))


def heading(level: int, text: str) -> str:
    """A Markdown heading, on one line."""
    return f"{'#' * level} {one_line(text)}"


def blocks(parts: Iterable[str]) -> str:
    """Headings and what stands below them, with a blank line between each two."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def one_line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def rejoined(page: str) -> str:
    """A printed page's lines as paragraphs: what the margin broke is joined, words that it hyphenated are whole."""
    lines = [line.rstrip() for line in page.split("\n")]
    longest = max((len(line) for line in lines), default=0)
    out: list[str] = []
    runs_on = False
    for line in lines:
        if runs_on and line.strip() and not _OPENS.match(line):
            before = out[-1]
            if _HYPHENATED.search(before) and line.lstrip()[:1].islower():
                out[-1] = before[:-1] + line.lstrip()
            else:
                wide = _WIDE.match(before[-1:]) and _WIDE.match(line.lstrip()[:1])
                out[-1] = f"{before}{'' if wide else ' '}{line.lstrip()}"
        else:
            out.append(line)
        full = len(line) >= _JOINED_SHARE * longest and not line.endswith(_ENDS)
        runs_on = bool(line.strip()) and (full or _HYPHENATED.search(line) is not None)
    return "\n".join(out)
