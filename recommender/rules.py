"""Which entries of a feed a room wants: include and exclude rules, as keywords or as patterns.

A rule is a keyword, found in any case and width, or ``/pattern/``. Patterns are RE2's: they take time linear in the
text, whatever a member thinks of (https://github.com/google/re2/wiki/Syntax). ``title:`` before either looks at the
title alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from search.normalise import folded

MAX_RULE_CHARS = 200
MAX_PATTERN_BYTES = 1 << 20
"""Of memory that RE2 may use for one pattern."""

TITLE = ("title:", "标题:", "标题：")


class BadRule(Exception):
    """Raised for a rule that cannot be read; ``why`` is RE2's own word for it, or empty."""

    def __init__(self, rule: str, why: str = "") -> None:
        self.rule = rule
        self.why = why
        super().__init__(f"{rule}: {why}")


class Stopped(StrEnum):
    """Why rules let an entry not pass; a reason of ``feed_room_entries``."""

    NOT_INCLUDED = "not_included"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Judged:
    """``stopped`` is None where the entry passes; ``rule``: the one that stopped it."""

    stopped: Stopped | None
    rule: str = ""


def judge(include: Sequence[str], exclude: Sequence[str], title: str, text: str) -> Judged:
    """``include``: one of them must match, unless there is none; ``exclude``: none may."""
    heading, whole = folded(title).casefold(), folded(f"{title}\n{text}").casefold()
    for rule in exclude:
        if _matches(rule, heading, whole):
            return Judged(Stopped.EXCLUDED, rule)
    if include and not any(_matches(rule, heading, whole) for rule in include):
        return Judged(Stopped.NOT_INCLUDED, include[0])
    return Judged(None)


def check(rule: str) -> str:
    """The rule as it is kept. Raises :class:`BadRule`."""
    kept = rule.strip()
    if not kept or len(kept) > MAX_RULE_CHARS:
        raise BadRule(kept[:MAX_RULE_CHARS])
    _compiled(kept)
    return kept


def _matches(rule: str, heading: str, whole: str) -> bool:
    try:
        in_title, what = _compiled(rule)
    except BadRule:  # of a version that read patterns otherwise: a rule that cannot be read matches nothing
        return False
    text = heading if in_title else whole
    return what in text if isinstance(what, str) else what.search(text) is not None


@functools.lru_cache(maxsize=256)  # each may hold MAX_PATTERN_BYTES
def _compiled(rule: str) -> tuple[bool, Any]:
    """Whether only the title is looked at, and the folded keyword or the pattern."""
    begins = next((mark for mark in TITLE if rule.casefold().startswith(mark)), "")
    body = rule[len(begins) :].strip()
    if not (len(body) > 2 and body.startswith("/") and body.endswith("/")):
        keyword = folded(body).casefold().strip()
        if not keyword:
            raise BadRule(rule)
        return bool(begins), keyword
    import re2

    options = re2.Options()
    options.max_mem = MAX_PATTERN_BYTES
    options.case_sensitive = False
    options.log_errors = False
    try:
        return bool(begins), re2.compile(body[1:-1], options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        raise BadRule(rule, why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)) from None


_TYPED = re.compile(
    r"""\s*[,，;；]?\s*(?P<sign>[+\-＋－]?)"""
    r"""(?P<begins>(?:title:|标题[:：])?)"""
    r"""(?P<body>/(?:\\.|[^/\\])+/|"[^"]*"|“[^”]*”|[^\s,，;；]+)""",
    re.IGNORECASE,
)


def split(typed: str) -> list[tuple[str, str]]:
    """Rules as a member types them in one line, each with its sign: ``+``, ``-``, or empty where there is none."""
    found = []
    for match in _TYPED.finditer(typed):
        sign = {"＋": "+", "－": "-"}.get(match["sign"], match["sign"])
        body = match["body"]
        if body[0] in '"“':
            body = body[1:-1]
        found.append((sign, match["begins"] + body))
    return found
