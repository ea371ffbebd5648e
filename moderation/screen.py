"""The filter at the core's ``Screen`` port: a sentence and the room it is for in, what may be shown out."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from bot.event import Room
from bot.ports import Shown
from bot.scopes import Scopes
from bot.values import Values
from moderation.judging import Filter, RoomWords
from moderation.scoring import Finding
from moderation.settings import EXCEPTIONS, WORDS, extra_categories, is_switched_off, may_be_off
from moderation.standings import Standings

AT_ONCE_CHARS = 4_000
"""Up to here a text is judged on the event loop, in some milliseconds; a longer one beside it."""

KEPT_WORD_LISTS = 256
"""Of so many rooms the own words stay ready to be searched."""

log = structlog.get_logger(__name__)


class FilterScreen:
    """Settings are asked on each call, so a switch holds from the next sentence on. A switch that is off has no
    effect where the filter may not be off (any more)."""

    def __init__(self, scopes: Scopes, words: Filter, standings: Standings) -> None:
        self._scopes = scopes
        self._filter = words
        self._standings = standings
        self._room_words: OrderedDict[tuple[tuple[str, ...], tuple[str, ...]], RoomWords] = OrderedDict()

    async def show(self, room: Room, text: str) -> Shown:
        """The text as it is, or nothing. ``why``: the category."""
        finding = await self.judge(room, text, await self._scopes.of(room))
        if not finding.hides:
            return Shown(text)
        log.info("filter.hid", room=room.key, category=finding.category, score=finding.score, chars=len(text))
        return Shown(None, why=str(finding.category))

    async def shows_labelled(self, room: Room) -> bool:
        """Whether the room may be shown what its own source labels as adult – ``itunes:explicit``, ``media:rating``,
        RTA, RSSHub's mark –, and pictures, which nobody has judged: only where the filter is off."""
        return not await self.is_on(room, await self._scopes.of(room))

    async def is_on(self, room: Room, values: Values) -> bool:
        """Whether the filter holds now in a room with these settings."""
        return not (is_switched_off(values) and await self.may_be_off(room))

    async def may_be_off(self, room: Room, *, fresh: bool = False) -> bool:
        """As the room's platform says, lately or (``fresh``) for this call."""
        return may_be_off(room, await self._standings.of(room, fresh=fresh))

    async def judge(self, room: Room, text: str, values: Values) -> Finding:
        """What the filter makes of a text in a room with these settings."""

        def judged() -> Finding:
            return self._filter.judge(text, nsfw=nsfw, extra=extra_categories(values), room=own)

        nsfw = await self.is_on(room, values)
        own = self._words_of(values)
        return judged() if len(text) <= AT_ONCE_CHARS else await asyncio.to_thread(judged)

    def may_except(self, phrase: str) -> bool:
        """See :meth:`Filter.may_except`."""
        return self._filter.may_except(phrase)

    def _words_of(self, values: Values) -> RoomWords | None:
        key = (values[WORDS], values[EXCEPTIONS])
        if key == ((), ()):
            return None
        ready = self._room_words.get(key)
        if ready is None:
            ready = self._room_words[key] = self._filter.room_words(*key)
            if len(self._room_words) > KEPT_WORD_LISTS:
                self._room_words.popitem(last=False)
        self._room_words.move_to_end(key)
        return ready
