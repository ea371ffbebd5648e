"""The members of a real platform's emulator: they talk by the script, and its log is kept as the count reads it."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass

from benchmarks.chaos.count import Entry
from benchmarks.chaos.script import question_in, stamps_in


@dataclass(frozen=True, slots=True)
class Manners:
    """How members and the platform behave; shares are of lines, 0–1. ``key_window_s``: how long the platform knows
    a delivery's key, scaled so that the long pauses outlast it."""

    rooms: int = 10
    key_window_s: float = 2.0
    chatter_share: float = 0.15
    open_questions_per_room: int = 6
    spurious_share: float = 0.1
    try_later_share: float = 0.04
    lost_reply_share: float = 0.04


class Members(ABC):
    """Open with ``async with``. ``lines``: how much was said; ``log``: what appeared, in order."""

    def __init__(self, manners: Manners, dice: random.Random) -> None:
        self.manners = manners
        self.dice = dice
        self.log: list[Entry] = []
        self.lines = 0
        self.rooms: list[str] = []
        self._unanswered: dict[str, set[int]] = defaultdict(set)

    @property
    @abstractmethod
    def where(self) -> tuple[str, ...]:
        """What the bot's process must know to find the platform."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether a bot listens."""

    @property
    @abstractmethod
    def unacknowledged(self) -> int:
        """Events that the platform will bring again."""

    @property
    @abstractmethod
    def redelivered(self) -> int: ...

    @property
    @abstractmethod
    def absorbed(self) -> int:
        """Sends that found the message of an earlier one under their key."""

    @abstractmethod
    async def __aenter__(self) -> Members: ...

    @abstractmethod
    async def __aexit__(self, *error: object) -> None: ...

    @abstractmethod
    async def utter(self, room: str, text: str, *, addressed: bool) -> None:
        """A member says it; the platform's own log tells :meth:`said` of it."""

    @abstractmethod
    def misbehave(self) -> None:
        """Now and then the platform is busy, or loses a reply, or says a thing twice."""

    async def say(self) -> bool:
        """Somebody says something somewhere; False when every room has as many open questions as it bears."""
        bearable = self.manners.open_questions_per_room
        quiet = [room for room in self.rooms if len(self._unanswered[room]) < bearable]
        if not quiet:
            return False
        self.misbehave()
        room = self.dice.choice(quiet)
        await self.ask(room, addressed=self.dice.random() >= self.manners.chatter_share)
        return True

    async def ask(self, room: str, *, addressed: bool = True) -> None:
        self.lines += 1
        number = self.lines
        if addressed:
            self._unanswered[room].add(number)
        words = f"q{number} 怎么安装？ How do I install it?" if addressed else f"哈哈 c{number}"
        await self.utter(room, words, addressed=addressed)

    @property
    def unanswered(self) -> int:
        return sum(map(len, self._unanswered.values()))

    # ── what the platform's log tells ────────────────────────────────────────────────────────────────

    def said(self, room: str, id: str, text: str) -> None:
        self.log.append(Entry(time.time(), "said", room, id, text, addressed=question_in(text) is not None))

    def shown(self, room: str, id: str, text: str, reply_to: str | None) -> None:
        self.log.append(Entry(time.time(), "shown", room, id, text, reply_to))
        self._unanswered[room] -= {stamp.question for stamp in stamps_in(text)}

    def edited(self, room: str, id: str, text: str) -> None:
        self.log.append(Entry(time.time(), "edited", room, id, text))
        self._unanswered[room] -= {stamp.question for stamp in stamps_in(text)}

    def recalled(self, room: str, id: str) -> None:
        self.log.append(Entry(time.time(), "recalled", room, id))
