"""Cut a Markdown text into parts that fit one message each.

Cuts fall, in this order of preference, between paragraphs, between lines, after a sentence, at a space –
and inside a word only when it is longer than a message. A code fence that must be cut is closed and opened
again, a table gets its header again; apart from these added lines the parts joined are the text, to the
character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_SENTENCE_END = re.compile(r"[。！？；!?;…]+[”’」』）)]*|\.(?=\s)")


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together. ``before``/``after`` wrap every piece of it but are no part of the text."""

    lines: tuple[str, ...]
    before: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        return "".join(self.lines)


def split(text: str, max_chars: int) -> list[str]:
    """``text`` as parts of at most ``max_chars`` characters, none of them blank; ``[]`` for a blank text.

    Raises ``ValueError`` when ``max_chars`` leaves no room for the wrapping of a cut fence or table.
    """
    if not text.strip():
        return []
    if len(text) <= max_chars:
        return [text]
    parts: list[str] = []
    current = ""
    for block in _blocks(text):
        if len(current) + len(block.text) <= max_chars:
            current += block.text
            continue
        if current:
            parts.append(current)
            current = ""
        *full, current = _pieces(block, max_chars)
        parts.extend(full)
    if current:
        parts.append(current)
    return _without_blanks(parts, max_chars)


def _without_blanks(parts: list[str], max_chars: int) -> list[str]:
    """No platform takes a blank message: white space joins a neighbour, or is dropped where none has room."""
    kept: list[str] = []
    for part in parts:
        if part.strip():
            kept.append(part)
        elif kept and len(kept[-1]) + len(part) <= max_chars:
            kept[-1] += part
    return kept


def _blocks(text: str) -> Iterator[_Block]:
    """Fences, tables, and paragraphs with the blank lines after them."""
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        if opening := _FENCE.match(lines[at].rstrip("\r\n")):
            end = _fence_end(lines, at, opening[1])
            closing = lines[end - 1] if end - 1 > at else ""
            mark = opening[1]
            is_closed = bool(closing) and closing.strip().startswith(mark[0] * len(mark))
            opener = lines[at] if lines[at].endswith("\n") else lines[at] + "\n"
            yield _Block(tuple(lines[at:end]), before=opener, after=f"{mark}\n" if is_closed else f"\n{mark}\n")
        elif at + 1 < len(lines) and "|" in lines[at] and _TABLE_RULE.match(lines[at + 1]):
            end = at + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            yield _Block(tuple(lines[at:end]), before="".join(lines[at : at + 2]))
        else:
            end = at + 1
            while end < len(lines) and lines[end - 1].strip() and not _FENCE.match(lines[end].rstrip("\r\n")):
                end += 1
            yield _Block(tuple(lines[at:end]))
        at = end


def _fence_end(lines: list[str], at: int, mark: str) -> int:
    """The index after the fence's last line; an unclosed fence runs to the end, as CommonMark has it."""
    for index in range(at + 1, len(lines)):
        stripped = lines[index].strip()
        if stripped and set(stripped) == {mark[0]} and len(stripped) >= len(mark):
            return index + 1
    return len(lines)


def _pieces(block: _Block, max_chars: int) -> list[str]:
    """One block as pieces that fit, each wrapped so that it reads as the same kind of block."""
    if len(block.text) <= max_chars:
        return [block.text]
    room = max_chars - len(block.before) - len(block.after) - 1
    if room < 1:
        raise ValueError(f"{max_chars} characters are too few to split this text")
    chunks: list[str] = []
    current = ""
    for line in block.lines:
        for piece in _short(line, room):
            if current and len(current) + len(piece) > room:
                chunks.append(current)
                current = ""
            current += piece
    chunks.append(current)
    last = len(chunks) - 1
    return [
        (block.before if index else "") + chunk + (_closing(chunk, block.after) if index < last else "")
        for index, chunk in enumerate(chunks)
    ]


def _closing(chunk: str, after: str) -> str:
    if not after:
        return ""
    return after.lstrip("\n") if chunk.endswith("\n") else "\n" + after.lstrip("\n")


def _short(line: str, room: int) -> Iterator[str]:
    """A line in pieces of at most ``room``: after a sentence, else at a space, else between characters."""
    while len(line) > room:
        cut = _last_cut(line, room)
        yield line[:cut]
        line = line[cut:]
    yield line


def _last_cut(line: str, room: int) -> int:
    head = line[:room]
    ends = [match.end() for match in _SENTENCE_END.finditer(line, 0, room) if match.end() <= room]
    if ends and ends[-1] >= room // 3:
        return ends[-1]
    space = max(head.rfind(" "), head.rfind("\t"))
    if space >= room // 3:
        return space + 1
    cut = room
    while cut > 1 and _joins(line[cut - 1], line[cut]):
        cut -= 1
    return cut if cut > 1 else room


def _joins(left: str, right: str) -> bool:
    """Whether a cut between the two would break one visible character in two."""
    return unicodedata.combining(right) != 0 or right in "\u200d\ufe0f" or left == "\u200d"
