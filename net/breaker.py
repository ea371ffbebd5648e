"""A circuit breaker for one endpoint: what keeps failing is left alone for a while, then tried with one call.

After Nygard, *Release It!* (2007): closed, open, half-open. Pure; the caller brings the time, in seconds.
"""

from __future__ import annotations


class Breaker:
    """``allows`` before a call, then exactly one of ``succeeded``, ``failed``, ``released``."""

    def __init__(self, after_failures: int, rest_s: float, rest_most_s: float) -> None:
        self._after_failures = after_failures
        self._rest_first_s = rest_s
        self._rest_most_s = rest_most_s
        self._failures = 0
        self._rests = 0
        self._until: float | None = None
        self._probing = False

    def allows(self, now: float) -> bool:
        """Whether a call may be made. While half-open that is one at a time: this call takes the place."""
        if self._until is None:
            return True
        if now < self._until or self._probing:
            return False
        self._probing = True
        return True

    def rests_until(self, now: float) -> float | None:
        """When the rest ends; None while calls are allowed."""
        return self._until if self._until is not None and now < self._until else None

    def succeeded(self) -> None:
        self._failures = self._rests = 0
        self._until, self._probing = None, False

    def failed(self, now: float, rest_s: float | None = None) -> None:
        """``rest_s``: the server itself said how long it wants to be left alone."""
        self._failures += 1
        if rest_s is not None:
            self._until = now + min(rest_s, self._rest_most_s)
        elif self._failures >= self._after_failures or self._probing:
            self._until = now + min(self._rest_first_s * 2**self._rests, self._rest_most_s)
            self._rests += 1
        self._probing = False

    def released(self) -> None:
        """The call ended without telling anything about the server."""
        self._probing = False
