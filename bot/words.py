"""A command's line, word by word: spaces separate, quotation marks of either script hold together."""

from __future__ import annotations

QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "＂": "＂"}

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"
"""What some clients put before a line, or leave of a mention."""


class Words:
    """Read from left to right; what was read is gone."""

    def __init__(self, line: str) -> None:
        self._line = line.strip(INVISIBLE + " \t\r\n\u3000\xa0")
        self._at = 0

    def next_plain(self) -> str | None:
        """The next word, quotation marks and all; None at the end."""
        start = self._skip()
        while self._at < len(self._line) and not self._line[self._at].isspace():
            self._at += 1
        return self._line[start : self._at] or None

    def next(self) -> str | None:
        """The next word or quoted phrase, without its marks; None at the end.

        Raises ``ValueError`` for a quotation mark that is not closed. An empty quotation is an empty word.
        """
        start = self._skip()
        if start == len(self._line):
            return None
        closing = QUOTES.get(self._line[start])
        if closing is None:
            return self.next_plain()
        end = self._line.find(closing, start + 1)
        if end < 0:
            raise ValueError("a quotation mark is not closed")
        self._at = end + 1
        return self._line[start + 1 : end]

    def rest(self) -> str | None:
        """All that is left, as it stands; one pair of quotation marks around the whole is taken off."""
        start = self._skip()
        left = self._line[start:]
        self._at = len(self._line)
        closing = QUOTES.get(left[:1])
        if closing is not None and len(left) > 1 and left.find(closing, 1) == len(left) - 1:
            left = left[1:-1].strip()
        return left or None

    def _skip(self) -> int:
        while self._at < len(self._line) and self._line[self._at].isspace():
            self._at += 1
        return self._at
