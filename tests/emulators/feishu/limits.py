"""The platform's limits, as failures: what real Feishu refuses, this emulator refuses.

Every figure is a setting. The long ones (redelivery, key window, streaming card) can be scaled down so
that a day passes in a second; ``Limits.off()`` is for measuring throughput.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. The sources of the figures are in ``README.md`` beside this file.

    ``redelivery_s``: the pauses before an event that nobody acknowledged is pushed again.
    ``key_window_s``: how long a ``uuid`` is recognised after it was first used.
    ``stream_open_s``: after it a streaming card stops taking text.
    """

    text_bytes: float = 150 * 1024
    card_bytes: float = 30 * 1024
    card_tables: float = 3
    file_bytes: float = 30 * 1024 * 1024
    edits: float = 20
    chat_sends_per_s: float = 5
    app_calls_per_s: float = 50
    app_calls_per_min: float = 1000
    card_calls_per_s: float = 10
    connections: int = 50
    acknowledge_s: float = 3.0
    redelivery_s: tuple[float, ...] = (15.0, 300.0, 3600.0, 21600.0)
    key_window_s: float = 3600.0
    stream_open_s: float = 600.0
    token_s: float = 7200.0

    def scaled(self, factor: float) -> Limits:
        """The same limits in a world where the slow things are ``factor`` times faster."""
        return replace(
            self,
            redelivery_s=tuple(pause / factor for pause in self.redelivery_s),
            key_window_s=self.key_window_s / factor,
            stream_open_s=self.stream_open_s / factor,
        )

    @classmethod
    def off(cls) -> Limits:
        """No rate and no size is refused; acknowledgement and redelivery stay as they are."""
        return cls(
            text_bytes=NEVER,
            card_bytes=NEVER,
            card_tables=NEVER,
            file_bytes=NEVER,
            edits=NEVER,
            chat_sends_per_s=NEVER,
            app_calls_per_s=NEVER,
            app_calls_per_min=NEVER,
            card_calls_per_s=NEVER,
        )


class Rate:
    """A sliding window: at most ``most`` calls in any ``window_s`` seconds."""

    def __init__(self, most: float, window_s: float = 1.0) -> None:
        self._most = most
        self._window_s = window_s
        self._calls: deque[float] = deque()

    def take(self, now: float) -> float:
        """Count a call at ``now``; returns 0, or the seconds until one would be allowed (then it counts nothing)."""
        if self._most == NEVER:
            return 0.0
        while self._calls and self._calls[0] <= now - self._window_s:
            self._calls.popleft()
        if len(self._calls) >= self._most:
            return self._calls[0] + self._window_s - now
        self._calls.append(now)
        return 0.0
