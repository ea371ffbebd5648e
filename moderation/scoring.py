"""From what was found to a verdict: the weights of different words near each other, less what their context takes.

The model, all of it. Within any :data:`WINDOW_CHARS` characters the weights of the different words of the lists are
added (``categories.WEIGHTS``); a text is hidden where the sum reaches :data:`THRESHOLD`. Weak and vulgar words count
for at most :data:`MOST_WEAK` together, so that an insult or a crime alone is none; from the third weak one on each
adds :data:`DENSE`, so that a scene that is made of hints alone is one. Evidence beside words that tell of
oneself, turn to a reader or offer something counts :data:`PERSONAL` more. Words of reports, of medicine and of rules
leave only a part of all that (:data:`LEFT`, by how many there are), but for the certain words, and take off no more
than :data:`MOST_EXCUSED`: so crime news is news, and a story in which a doctor appears is a story. A window with a
word for minors beside strong evidence, and without such context, is hidden whatever the room has set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from moderation.categories import SWITCHED, Category, Strength
from moderation.lexicon import Use
from moderation.matching import Match

THRESHOLD = 1.0
WINDOW_CHARS = 400
LEFT = (1.0, 0.6, 0.4, 0.3)
"""What is left of the weights with no, one, two, and three or more different words of context."""

MOST_WEAK = 0.6
DENSE = 0.1
PERSONAL = 0.2
MOST_EXCUSED = 2.0
PLAIN = (Strength.CERTAIN, Strength.REPORTABLE, Strength.STRONG)
"""What counts as strong evidence beside a word for minors."""

MAX_WINDOWS_AT_ONCE = 200
"""A text with more evidence than this is judged by steps of a whole window, so that its cost stays linear."""

_EPSILON = 1e-9  # sums of tenths


@dataclass(frozen=True, slots=True)
class Finding:
    """What a text comes to. ``evidence`` and ``context`` are of the window that scored highest; ``category``: the
    one with most weight in it, None where nothing was found. ``added``: for many hints and for words that turn to
    somebody, before the context's discount. ``always``: hidden though the filter were off."""

    score: float
    category: Category | None = None
    evidence: tuple[Match, ...] = ()
    context: tuple[Match, ...] = ()
    added: float = 0.0
    always: bool = False

    @property
    def hides(self) -> bool:
        return self.always or self.score >= THRESHOLD - _EPSILON


def judge(matches: Sequence[Match], categories: Collection[Category] = SWITCHED) -> Finding:
    """``matches`` in order of place; ``categories``: those that count."""
    counting = [match for match in matches if match.term.use is not Use.EVIDENCE or match.term.category in categories]
    best = Finding(0.0)
    for window in _windows(counting):
        finding = _weighed(window)
        if (finding.always, finding.score) > (best.always, best.score):
            best = finding
    return best


def _windows(matches: Sequence[Match]) -> Iterator[Sequence[Match]]:
    """What lies within the reach of each piece of evidence, from it onwards."""
    evidence = [place for place, match in enumerate(matches) if match.term.use in (Use.EVIDENCE, Use.YOUNG)]
    step = 0 if len(evidence) <= MAX_WINDOWS_AT_ONCE else WINDOW_CHARS // 2
    next_start, low, high = 0, 0, 0
    for place in evidence:
        start = matches[place].start
        if start < next_start:
            continue
        next_start = start + step
        while high < len(matches) and matches[high].start < start + WINDOW_CHARS:
            high += 1
        while matches[low].start < start - WINDOW_CHARS // 2:
            low += 1
        before = [match for match in matches[low:place] if match.term.use in (Use.CONTEXT, Use.PERSONAL)]
        yield [*before, *matches[place:high]]


def _weighed(window: Sequence[Match]) -> Finding:
    evidence = {(match.term.lemma, match.term.category): match for match in _once(window)}
    context = {match.term.lemma: match for match in window if match.term.use is Use.CONTEXT}
    by_category: dict[Category, float] = {}
    certain = reportable = small = 0.0
    weak = 0
    for match in evidence.values():
        weight = match.term.weight
        by_category[match.term.category] = by_category.get(match.term.category, 0.0) + weight
        if match.term.strength is Strength.CERTAIN:
            certain += weight
        elif match.term.strength in (Strength.WEAK, Strength.VULGAR):
            small += weight
            weak += match.term.strength is Strength.WEAK
        else:
            reportable += weight
    if not evidence:
        return Finding(0.0)
    added = DENSE * max(0, weak - 2)
    if reportable and any(match.term.use is Use.PERSONAL for match in window):
        added += PERSONAL
    doubtful = reportable + min(small, MOST_WEAK) + added
    score = certain + max(left(len(context)) * doubtful, doubtful - MOST_EXCUSED)
    category = max(by_category, key=lambda each: by_category[each])
    young = any(match.term.use is Use.YOUNG for match in window)
    sexual = any(match.term.category in SWITCHED and match.term.strength in PLAIN for match in evidence.values())
    always = young and not context and sexual
    return Finding(
        round(score, 2),
        Category.MINORS if always else category,
        tuple(evidence.values()),
        tuple(context.values()),
        round(added, 2),
        always,
    )


def _once(window: Sequence[Match]) -> Iterator[Match]:
    """The evidence, each place once: an entry and an ending of another may be the same word. The heavier counts."""
    heaviest: dict[tuple[int, int, Category], Match] = {}
    for match in window:
        place = match.start, match.end, match.term.category
        if match.term.use is Use.EVIDENCE and (
            place not in heaviest or heaviest[place].term.weight < match.term.weight
        ):
            heaviest[place] = match
    yield from heaviest.values()


def left(context: int) -> float:
    """The part that so many words of context leave."""
    return LEFT[min(context, len(LEFT) - 1)]
