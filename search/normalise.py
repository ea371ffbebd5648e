"""One form for what looks alike: the first step of everything that compares text.

Two strengths. :func:`visible` is for text that will be shown: it only takes out characters nobody sees, which
serve to hide instructions from readers or words from filters. :func:`folded` is for comparing: Unicode
compatibility form (NFKC, Unicode Standard Annex 15: full-width letters, ligatures, circled digits) as well.
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners and fillers of single scripts
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f"  # zero-width, bidirectional marks and overrides, invisible operators
    "\u3164\ufeff\uffa0\ufff9-\ufffb"  # Hangul fillers, byte-order mark, interlinear annotation
    "\U000e0000-\U000e0fff"  # tags and variation selectors: a whole hidden alphabet
    "]+"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")


def visible(text: str) -> str:
    """``text`` without invisible and control characters; newlines become ``\\n``, tabs stay.

    Joined emoji fall into their parts: the joiner that binds them is also the one that hides words.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _CONTROL.sub("", _INVISIBLE.sub("", text))


def folded(text: str) -> str:
    """``text`` as it is compared: invisible characters gone, NFKC. Letter case stays, for names in camel case."""
    text = _INVISIBLE.sub("", text)
    return text if text.isascii() else unicodedata.normalize("NFKC", text)
