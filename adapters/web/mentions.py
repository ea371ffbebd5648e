"""Whether a message turns to us by @: read here, so that the core gets the text without the mention."""

from __future__ import annotations

import re
from collections.abc import Iterable


class Mentions:
    """Finds ``@毛豆`` or ``@maodou`` at any place, in any case, with either @.

    An address such as ``me@maodou.org`` is none, nor is ``@maodouer``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        alternatives = "|".join(
            re.escape(name) + (r"(?!\.?[A-Za-z0-9_-])" if name[-1:].isascii() else "")
            for name in sorted(names, key=len, reverse=True)
        )
        self.pattern = re.compile(rf"(?<![A-Za-z0-9._%+-])[@＠]\s?(?:{alternatives})", re.IGNORECASE)

    def found_in(self, text: str) -> bool:
        return self.pattern.search(text) is not None

    def without(self, text: str) -> str:
        """``text`` with the mentions taken out, and the gap each leaves closed."""
        if not self.found_in(text):
            return text
        bare = self.pattern.sub("\u0000", text)
        bare = re.sub(r"^[\s\u0000]*\u0000[\s,，:：、]*", "", bare)
        bare = re.sub(r"[ \t]*\u0000[ \t]*([,，]?)", _gap, bare)
        return bare.strip()


def _gap(match: re.Match[str]) -> str:
    """What stands where a mention was: nothing, a space between two words, one comma for two."""
    before = match.string[: match.start()][-1:]
    after = match[1] or match.string[match.end() :][:1]
    if match[1] and before in (",", "，"):
        return ""
    between_words = before.isascii() and after.isascii() and before.isalnum() and after.isalnum()
    return (" " if between_words else "") + match[1]
