"""Personal data and keys in teaching material: what a model has learnt cannot be taken out of it again.

Found by their form alone: telephone numbers, e-mail addresses, Chinese identity numbers (with their check digit, GB
11643), card numbers (with Luhn's), keys and passwords. Names and postal addresses are not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True)
class Finding:
    """``shown``: the place with all but its first and last characters hidden."""

    kind: str
    shown: str


def _identity(found: str) -> bool:
    digits = found.upper()
    return _ID_CHECKS[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, digits, strict=False)) % 11] == digits[17]


def _card(found: str) -> bool:
    digits = [int(each) for each in reversed(re.sub(r"\D", "", found))]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[1::2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _any(found: str) -> bool:
    return True


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("e-mail", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}"), _any),
    ("identity number", re.compile(r"(?<!\d)[1-9]\d{16}[\dXx](?![\dA-Za-z])"), _identity),
    ("card number", re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])"), _card),
    ("telephone", re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"), _any),
    ("telephone", re.compile(r"(?<![\w+])\+\d{1,3}(?:[ -]?\(?\d{2,4}\)?){2,4}(?!\d)"), _any),
    ("telephone", re.compile(r"(?<!\d)0\d{2,3}-\d{7,8}(?!\d)"), _any),
    (
        "key",
        re.compile(r"\b(?:sk|pk|rk)-[\w-]{16,}|\bgh[pousr]_\w{20,}|\bAKIA[0-9A-Z]{16}\b|\bxox[abp]-[\w-]{10,}"),
        _any,
    ),
    ("key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+"), _any),
    (
        "password",
        re.compile(
            r"(?i)(?:password|passwd|secret|api[_-]?key|access[_-]?token|密码|口令)\s*(?:[:=：]|是|为)\s*[\w@#$%^&*!-]{6,}"
        ),
        _any,
    ),
)


def findings(text: str) -> Iterator[Finding]:
    """What is in a text; a place counts once, as the first kind it is."""
    taken: list[tuple[int, int]] = []
    for kind, pattern, holds in _KINDS:
        for found in pattern.finditer(text):
            begin, end = found.span()
            if holds(found[0]) and not any(begin < other_end and other < end for other, other_end in taken):
                taken.append((begin, end))
                yield Finding(kind, f"{found[0][:2]}…{found[0][-1:]}")
