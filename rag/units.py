"""A model's answer, as it comes, to the units that are checked and shown one by one: sentences, items, tables, code.

A unit is handed on when nothing that follows can change it: a sentence when the next one has begun, since its
citations may stand behind its full stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MAX_UNIT_CHARS = 4_000
"""A longer stretch without an end is no sentence; it is left out."""

MARK = re.compile(r"\[\s*\^?\d{1,3}(?:\s*[,，、;；\-–]\s*\^?\d{1,3})*\s*\]|【\s*\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\s*】")
"""A citation: ``[1]``, ``[1, 3]``, ``[1-3]``, ``[^1]`` or ``【1】``."""


class UnitKind(StrEnum):
    SENTENCE = "sentence"
    ITEM = "item"
    HEADING = "heading"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Unit:
    """``lead``: the blank space before it. ``text`` has none around it (code keeps its fences and indentation)."""

    kind: UnitKind
    text: str
    lead: str = ""


_END = re.compile(r"[。！？]+[”』」）)\]*_]*|[.!?]+[”\"')\]*_]*(?=\s)")
_MARKS = re.compile(rf"(?:[ \t]*(?:{MARK.pattern}))*")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|Fig|Eq|Sec|No|al|Dr|Mr|Ms)|\b[A-Z]|^\s*\d{1,3})\.$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}(?:[)、]|\.(?!\d))|[（(]\d{1,2}[)）])[ \t]*\S")
_STARTS = ("#", "|", "`", "~", "-", "*", "+", "•", "(", "（")


class Units:
    """Feed it pieces; it gives back the units that are complete."""

    def __init__(self) -> None:
        self._rest = ""
        self._lead = ""
        self._lines: list[str] = []  # of an open code block or table
        self._fence = ""

    def feed(self, piece: str) -> Iterator[Unit]:
        """The units that ``piece`` completes."""
        self._rest += piece.replace("\r\n", "\n").replace("\r", "\n")
        yield from self._take(ended=False)

    def end(self) -> Iterator[Unit]:
        """What is left when the answer has come to its end; not to be asked when it was cut off."""
        self._rest += "\n"
        yield from self._take(ended=True)
        if self._lines and not self._fence:
            yield self._block(UnitKind.TABLE)

    def _take(self, *, ended: bool) -> Iterator[Unit]:
        while self._rest:
            line, newline, after = self._rest.partition("\n")
            whole = bool(newline)
            if self._fence or (whole and _FENCE.fullmatch(line) and not self._is_row(line)):
                if not whole:
                    return
                self._rest = after
                yield from self._code_line(line)
            elif whole and self._is_row(line):
                self._lines.append(line)
                self._rest = after
            elif self._lines:
                if not whole and (not line.strip() or self._is_row(line)):
                    return
                yield self._block(UnitKind.TABLE)
            elif not line.strip():
                if not whole:
                    return
                self._lead += "\n"
                self._rest = after
            elif whole and line.lstrip().startswith("#"):
                yield self._unit(UnitKind.HEADING, line, newline, after)
            elif whole and _ITEM.match(line):
                yield self._unit(UnitKind.ITEM, line, newline, after)
            elif not whole and self._may_become_a_block(line):
                return
            else:
                end = self._sentence_end(line, whole)
                if end is None:
                    if len(line) > MAX_UNIT_CHARS:
                        self._rest = ""
                    return
                if end < len(line):
                    yield self._unit(UnitKind.SENTENCE, line[:end], "", line[end:] + newline + after)
                else:
                    yield self._unit(UnitKind.SENTENCE, line, newline, after)

    def _is_row(self, line: str) -> bool:
        return line.lstrip().startswith("|")

    def _may_become_a_block(self, line: str) -> bool:
        """Whether only the rest of the line can tell what it is."""
        begun = line.lstrip()
        return not self._lead.endswith(" ") and (begun.startswith(_STARTS) or begun[0].isdigit())

    def _sentence_end(self, line: str, whole: bool) -> int | None:
        """Where the first sentence ends, its marks included; None when more must come first."""
        for match in _END.finditer(line):
            if _ABBREVIATION.search(line, max(0, match.end() - 6), match.end()) or line.count("`", 0, match.end()) % 2:
                continue
            marks = _MARKS.match(line, match.end())
            end = marks.end() if marks else match.end()
            following = line[end:].lstrip()
            if not following:
                return len(line) if whole else None
            if following[0] in "[【" and not whole and not re.search(r"[\]】]", following):
                return None
            return end
        return len(line) if whole else None

    def _unit(self, kind: UnitKind, text: str, newline: str, after: str) -> Unit:
        lead = self._lead + text[: len(text) - len(text.lstrip())]
        blank = text[len(text.rstrip()) :]
        self._lead, self._rest = blank + newline, after
        if not newline and after[:1].isspace() and not after.startswith("\n"):
            self._lead, self._rest = after[: len(after) - len(after.lstrip(" \t"))], after.lstrip(" \t")
        return Unit(kind, text.strip(), lead)

    def _code_line(self, line: str) -> Iterator[Unit]:
        self._lines.append(line)
        match = _FENCE.fullmatch(line)
        if not self._fence:
            self._fence = match[1] if match else ""
        elif match and match[1].startswith(self._fence) and not match[2].strip():
            self._fence = ""
            yield self._block(UnitKind.CODE)
        elif sum(map(len, self._lines)) > 4 * MAX_UNIT_CHARS:
            self._lines = self._lines[:1]  # too long to be shown; its end is still looked for

    def _block(self, kind: UnitKind) -> Unit:
        unit = Unit(kind, "\n".join(self._lines), self._lead)
        self._lines, self._lead = [], "\n"
        return unit
