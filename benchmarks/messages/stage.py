"""Where questions are asked and answers are counted, whatever the platform; and what came of a run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWER_WITHIN_S = 60.0


@dataclass(slots=True)
class Run:
    """What one bot did in one run."""

    answered: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    rss_mib: float = 0.0
    lost: int = 0
    duplicated: int = 0
    delays_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.answered / self.seconds


class Stage(ABC):
    """A platform without limits, one asker, and the rooms. Use as an asynchronous context manager."""

    rooms: Sequence[Any]

    def __init__(self) -> None:
        self.asked_at: dict[Hashable, float] = {}
        self.answers: dict[Hashable, list[float]] = {}
        self.arrived = asyncio.Event()

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    @abstractmethod
    def say(self, room: Any, number: int) -> Hashable:
        """Ask a question; returns what its answers are counted under."""

    @abstractmethod
    def command(self, kind: str, database: Path) -> list[str]:
        """``python -m`` and what follows: the bot's process."""

    def ask(self, room: Any, number: int) -> Hashable:
        question = self.say(room, number)
        self.asked_at[question] = time.perf_counter()
        return question

    def saw(self, question: Hashable) -> None:
        """An answer is on the screen. One to a question of before :meth:`forget` counts for nothing."""
        if question not in self.asked_at:
            return
        self.answers.setdefault(question, []).append(time.perf_counter())
        self.arrived.set()

    async def saturate(self, questions: int, in_flight: int) -> None:
        """Keep ``in_flight`` questions waiting in each room until all are asked and answered."""
        left = iter(range(questions))

        async def talk(room: Any) -> None:
            for number in left:
                question = self.ask(room, number)
                while question not in self.answers:
                    self.arrived.clear()
                    await self.arrived.wait()

        async with asyncio.timeout(ANSWER_WITHIN_S + questions / 20), asyncio.TaskGroup() as group:
            for room in list(self.rooms) * in_flight:
                group.create_task(talk(room))

    async def steady(self, rate: float, seconds: float) -> None:
        """Ask ``rate`` questions a second, whatever comes back."""
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            pause_s = began + number / rate - time.perf_counter()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            self.ask(self.rooms[number % len(self.rooms)], number)
        with contextlib.suppress(TimeoutError):  # what is not there by then is counted as lost
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while len(self.answers) < len(self.asked_at):
                    self.arrived.clear()
                    await self.arrived.wait()

    def forget(self) -> None:
        self.asked_at.clear()
        self.answers.clear()

    def count(self, run: Run) -> Run:
        """Take up what was seen since :meth:`forget`."""
        run.answered = len(self.answers)
        run.lost = len(self.asked_at) - len(self.answers)
        run.duplicated = sum(len(times) - 1 for times in self.answers.values())
        run.delays_ms = [(times[0] - self.asked_at[key]) * 1000 for key, times in self.answers.items()]
        return run
