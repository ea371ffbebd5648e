"""What the filter tells apart: the kinds of content, how surely a word speaks for one, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.texts import Text


class Category(StrEnum):
    """A kind of content. The first four are what ``/filter nsfw`` switches; a room may ask for the next two as
    well; ``MINORS`` and ``OWN`` hold whatever the switch says."""

    EXPLICIT = "explicit"
    NUDITY = "nudity"
    SUGGESTIVE = "suggestive"
    SOLICITATION = "solicitation"
    DANCE = "dance"
    PROFANITY = "profanity"
    MINORS = "minors"
    OWN = "own"


SWITCHED = (Category.EXPLICIT, Category.NUDITY, Category.SUGGESTIVE, Category.SOLICITATION)
OPTIONAL = (Category.DANCE, Category.PROFANITY)


class Strength(StrEnum):
    """How much a word of the lists says by itself."""

    CERTAIN = "certain"  # says it in any surroundings
    REPORTABLE = "reportable"  # says it alone, but news, medicine and rules use the word too
    STRONG = "strong"
    AMBIGUOUS = "ambiguous"
    WEAK = "weak"
    VULGAR = "vulgar"  # insults, curses and crimes: sexual words of which most texts mean nothing sexual


WEIGHTS: Mapping[Strength, float] = {
    Strength.CERTAIN: 1.2,
    Strength.REPORTABLE: 1.0,
    Strength.STRONG: 0.8,
    Strength.AMBIGUOUS: 0.6,
    Strength.WEAK: 0.4,
    Strength.VULGAR: 0.4,
}
"""Against a threshold of 1: two strong or ambiguous words hide a text, or one of them with a weak one."""

NAMES: Mapping[Category, Text] = {
    Category.EXPLICIT: Text(zh="露骨内容", en="explicit"),
    Category.NUDITY: Text(zh="裸露", en="nudity"),
    Category.SUGGESTIVE: Text(zh="性暗示", en="suggestive"),
    Category.SOLICITATION: Text(zh="招揽", en="solicitation"),
    Category.DANCE: Text(zh="舞蹈区", en="dance section"),
    Category.PROFANITY: Text(zh="粗口", en="profanity"),
    Category.MINORS: Text(zh="涉及未成年人", en="minors"),
    Category.OWN: Text(zh="本群自己的词", en="this room's own words"),
}
