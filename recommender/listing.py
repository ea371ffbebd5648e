"""What ``/feed list`` shows: a room's feeds a page at a time, those that cannot be read before all others."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands import BadArguments, Call, both
from bot.delivery import Button
from bot.durations import say_duration
from recommender import wording
from recommender.quoting import escaped
from recommender.reasons import in_words
from recommender.subscriptions import Subscription
from recommender.summary import cut
from recommender.typed_rules import shown_rules

ON_A_PAGE = 15
"""Lines that a message of Discord's 2,000 characters holds as they usually are."""

MAX_NAME_CHARS = 60
MAX_ADDRESS_CHARS = 80


def page(call: Call, here: Sequence[Subscription]) -> tuple[list[str], tuple[Button, ...]]:
    """The lines of the page that was asked for, the first where none was, and the buttons to those beside it. A feed
    keeps its number wherever it stands. Raises ``BadArguments`` for a page that is none."""
    pages = -(-len(here) // ON_A_PAGE)
    number = _number(call.arguments.get("page", "1"), pages)
    ordered = sorted(here, key=lambda each: -_trouble(each))
    lines = [_line(call, each) for each in ordered[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]]
    if pages == 1:
        return lines, ()
    counts = {
        "count": len(here),
        "failing": sum(_trouble(each) > 0 for each in here),
        "paused": sum(each.paused_at is not None for each in here),
    }
    head = wording.LIST_HEAD.in_language(call.language, **counts, page=number, pages=pages)
    beside = ((number - 1, wording.PAGE_BEFORE), (number + 1, wording.PAGE_AFTER))
    buttons = [
        Button(label.in_language(call.language), f"/feed list {other}")
        for other, label in beside
        if 1 <= other <= pages
    ]
    return [head, *lines], tuple(buttons)


def _number(typed: str, pages: int) -> int:
    number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 6 else 0
    if not 1 <= number <= pages:
        raise BadArguments(both(wording.NO_SUCH_PAGE, pages=str(pages)))
    return number


def _trouble(each: Subscription) -> int:
    """How often in a row it could not be read; nobody tries one that is paused."""
    return each.failures if each.paused_at is None else 0


def _line(call: Call, each: Subscription) -> str:
    marks = []
    if each.paused_at is not None:
        marks.append(wording.PAUSED.in_language(call.language))
    if each.failures:
        said = in_words(each.reason, call.language, each.address)
        marks.append(wording.FAILING.in_language(call.language, failures=each.failures, why=said))
    elif each.checked_at is None:
        marks.append(wording.NOT_YET.in_language(call.language))
    if each.interval_s is not None:
        marks.append(wording.EVERY.in_language(call.language, every=say_duration(each.interval_s, call.language)))
    if each.include or each.exclude:
        marks.append(wording.RULED.in_language(call.language, rules=shown_rules(each.include, each.exclude)))
    return wording.LINE.in_language(
        call.language,
        number=each.number,
        title=escaped(cut(each.name, MAX_NAME_CHARS)),
        address=cut(each.address, MAX_ADDRESS_CHARS),
        marks=f" ({'; '.join(marks)})" if marks else "",
    )
