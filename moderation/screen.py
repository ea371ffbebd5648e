"""The filter at the core's ``Screen`` port: a sentence and the room it is for in, what may be shown out."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from bot.event import Room
from bot.ports import Shown
from bot.scopes import Scopes, Values
from moderation.judging import Filter, RoomWords
from moderation.scoring import Finding
from moderation.settings import EXCEPTIONS, WORDS, extra_categories, is_on

AT_ONCE_CHARS = 4_000
"""Up to here a text is judged on the event loop, in some milliseconds; a longer one beside it."""

KEPT_WORD_LISTS = 256
"""Of so many rooms the own words stay ready to be searched."""

log = structlog.get_logger(__name__)


class FilterScreen:
    """Settings are asked on each call, so a switch holds from the next sentence on."""

    def __init__(self, scopes: Scopes, words: Filter) -> None:
        self._scopes = scopes
        self._filter = words
        self._room_words: OrderedDict[tuple[tuple[str, ...], tuple[str, ...]], RoomWords] = OrderedDict()

    async def show(self, room: Room, text: str) -> Shown:
        """The text as it is, or nothing. ``why``: the category."""
        finding = await self.judge(room, text, await self._scopes.of(room))
        if not finding.hides:
            return Shown(text)
        log.info("filter.hid", room=room.key, category=finding.category, score=finding.score, chars=len(text))
        return Shown(None, why=str(finding.category))

    async def judge(self, room: Room, text: str, values: Values) -> Finding:
        """What the filter makes of a text in a room with these settings."""

        def judged() -> Finding:
            nsfw, extra = is_on(room, values), extra_categories(values)
            return self._filter.judge(text, nsfw=nsfw, extra=extra, room=own)

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
