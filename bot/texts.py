"""What members read, in Chinese and English. A text cannot exist in one language alone.

Each feature keeps its texts beside its code, as constants; there are no keys to mistype.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LANGUAGES = ("zh", "en")

_HAN = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence with ``{placeholders}``, as ``str.format`` fills them."""

    zh: str
    en: str

    def in_language(self, language: str, /, **values: object) -> str:
        """The sentence in ``language`` (``zh`` or ``en``; anything else reads English)."""
        template = self.zh if language == "zh" else self.en
        return template.format(**values) if values else template


def language_of(text: str, default: str = "zh") -> str:
    """``zh`` where a fifth of the letters are Han characters, ``en`` where letters are mostly Latin.

    A Han character says about as much as an English word; Chinese messages are full of English names.
    """
    han = len(_HAN.findall(text))
    latin = len(_LATIN.findall(text))
    if han == 0 and latin == 0:
        return default
    return "zh" if han * 5 >= han + latin else "en"
