"""The limits of Discord, as the emulator enforces them: each is a failure that a real bot would meet.

Sources: Discord's developer documentation (rate limits, message resource, gateway, interactions); five
messages in five seconds is what clients have long observed for a channel. ``enforced=False`` switches off
what slows a throughput run (rates and sizes); the windows of nonces, RESUME and interactions stay, because
they are how the platform works, not what it forbids.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    enforced: bool = True
    content_chars: int = 2000
    nonce_chars: int = 25
    file_bytes: int = 10 * 1024 * 1024
    request_bytes: int = 25 * 1024 * 1024
    gateway_payload_bytes: int = 4096
    identifies_per_day: int = 1000
    sends: int = 5
    edits: int = 5
    window_s: float = 5.0
    requests_per_s: int = 50
    nonce_window_s: float = 180.0
    """How long a nonce is recognised: the documentation says "the past few minutes"."""
    resume_window_s: float = 60.0
    resume_events: int = 10_000
    heartbeat_s: float = 41.25
    interaction_answer_s: float = 3.0
    interaction_token_s: float = 900.0


@dataclass(slots=True)
class Grant:
    """One request's place in its bucket; ``headers`` are what Discord tells about it."""

    allowed: bool
    limit: int
    remaining: int
    reset_after_s: float
    bucket: str
    at: float

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": f"{self.at + self.reset_after_s:.3f}",
            "X-RateLimit-Reset-After": f"{self.reset_after_s:.3f}",
            "X-RateLimit-Bucket": self.bucket,
        }


@dataclass(slots=True)
class Buckets:
    """Fixed windows, one per route and major parameter: a window begins with its first request."""

    _windows: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    def take(self, bucket: str, major: int, limit: int, window_s: float, now: float) -> Grant:
        began, used = self._windows.get((bucket, major), (now, 0))
        if now - began >= window_s:
            began, used = now, 0
        allowed = used < limit
        if allowed:
            used += 1
            self._windows[bucket, major] = (began, used)
        return Grant(allowed, limit, limit - used, max(began + window_s - now, 0.001), bucket, now)
