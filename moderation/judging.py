"""The filter as one object, without a room: a text in, a finding out. What the screen asks and what is measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from moderation.categories import SWITCHED, Category, Strength
from moderation.lexicon import Term, Use, shipped
from moderation.matching import Match, Matcher, cleared
from moderation.scoring import Finding, judge
from moderation.unmasking import Unmasker

NO_EXCEPTION_FOR = (Strength.CERTAIN, Strength.REPORTABLE)
"""Words that say it alone: for them there is the switch, which asks for more than a moderator's right."""


class RoomWords:
    """A room's own words, and its exceptions, ready to be searched."""

    def __init__(self, unmasker: Unmasker, words: Iterable[str], allowed: Iterable[str]) -> None:
        own = [Term(word, word, Use.EVIDENCE) for word in words]
        innocent = [Term(word, word, Use.INNOCENT) for word in allowed]
        self._matcher = Matcher(unmasker, [*own, *innocent])

    def apply(self, plain: str, found: list[Match]) -> list[Match]:
        """What the lists found, without what the room excepts and with the room's own words, in order of place."""
        ours = self._matcher.find(plain)
        if not ours:
            return found
        innocent = [match for match in ours if match.term.use is Use.INNOCENT]
        own = [match for match in ours if match.term.use is Use.EVIDENCE]
        firm = [match for match in found if match.term.strength in NO_EXCEPTION_FOR]
        soft = [match for match in found if match.term.strength not in NO_EXCEPTION_FOR]
        return sorted([*firm, *cleared([*innocent, *soft]), *own], key=lambda match: match.start)


class Filter:
    """Make one and keep it: it holds the lists, ready to be searched. Safe to use from several threads."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self._unmasker = Unmasker()
        self._matcher = Matcher(self._unmasker, terms)

    @classmethod
    def shipped(cls) -> Filter:
        return cls(shipped())

    def judge(
        self, text: str, *, nsfw: bool = True, extra: Sequence[Category] = (), room: RoomWords | None = None
    ) -> Finding:
        """``nsfw``: whether the room's switch is on; ``extra``: the categories that the room wants as well.
        Time grows in proportion to the text."""
        found = self._found(text, room)
        finding = judge(found, {*SWITCHED, *extra, Category.OWN})
        return finding if nsfw or finding.always else judge(found, {*extra, Category.OWN})

    def room_words(self, words: Collection[str], allowed: Collection[str]) -> RoomWords:
        return RoomWords(self._unmasker, words, allowed)

    def may_except(self, phrase: str) -> bool:
        """Whether an exception for this phrase would have any effect: not where what hides it says it alone."""
        found = (match for match in self._found(phrase) if match.term.use is Use.EVIDENCE)
        return all(match.term.strength not in NO_EXCEPTION_FOR for match in found)

    def _found(self, text: str, room: RoomWords | None = None) -> list[Match]:
        plain = self._unmasker.plain(text)
        found = self._matcher.find(plain)
        return room.apply(plain, found) if room is not None else found
