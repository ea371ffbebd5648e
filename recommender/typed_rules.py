"""A feed's rules as members type them after ``/feed rules``, and as they are shown to them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands import BadArguments, both
from bot.room_settings import one_line
from recommender import rules, wording

SIGNS = {"+": "+", "-": "-", "＋": "+", "－": "-"}
CLEAR = ("clear", "none", "清空", "无")


def shown_rules(include: Sequence[str], exclude: Sequence[str]) -> str:
    return " ".join([*(f"`+{one_line(rule)}`" for rule in include), *(f"`-{one_line(rule)}`" for rule in exclude)])


def typed_rules(typed: str, most: int) -> tuple[list[str], list[str]]:
    """``+word -"two words" -/pattern/``; a comma may stand between. Raises ``BadArguments``."""
    if typed.strip().casefold() in CLEAR:
        return [], []
    include: list[str] = []
    exclude: list[str] = []
    for sign, body in rules.split(typed):
        if not sign and body in SIGNS:
            raise BadArguments(both(wording.RULE_BAD, rule=body, why=both(wording.RULE_WORD, sign=SIGNS[body])))
        if sign not in "+-" or not sign:
            raise BadArguments(both(wording.RULE_BAD, rule=one_line(body), why=wording.RULE_SIGN))
        try:
            (include if sign == "+" else exclude).append(rules.check(body))
        except rules.BadRule as error:
            why = one_line(error.why, 100) if error.why else wording.RULE_EMPTY
            raise BadArguments(both(wording.RULE_BAD, rule=one_line(error.rule), why=why)) from None
    if max(len(include), len(exclude)) > most:
        raise BadArguments(both(wording.RULES_MANY, most=str(most)))
    return list(dict.fromkeys(include)), list(dict.fromkeys(exclude))
