"""At most so many in a minute: of posts by one member, of wrong passwords by everyone."""

from __future__ import annotations

from collections import deque

from bot.ports import Clock

MINUTE_S = 60.0


class Throttle:
    """Counts in memory: a restart forgives, which is no harm to what it protects."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def is_full(self, who: str = "") -> bool:
        times = self._recent(who)
        return len(times) >= self._per_minute

    def count(self, who: str = "") -> None:
        self._recent(who).append(self._clock.now())
        if len(self._times) > 1000:
            self._times = {name: times for name, times in self._times.items() if self._recent(name)}

    def _recent(self, who: str) -> deque[float]:
        times = self._times.setdefault(who, deque())
        oldest = self._clock.now() - MINUTE_S
        while times and times[0] <= oldest:
            times.popleft()
        return times
