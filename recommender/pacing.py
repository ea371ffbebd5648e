"""When a feed is asked again: at a place of its own in the cycle, as often as rooms and server want it, later and
later while it fails – and never not at all."""

from __future__ import annotations

import hashlib

from recommender.settings import FeedSettings


def phase(address: str) -> float:
    """The feed's place in any cycle, 0 ≤ p < 1, by a hash of its address: feeds that were added together spread."""
    return int.from_bytes(hashlib.blake2b(address.encode(), digest_size=6).digest(), "big") / (1 << 48)


def first_check(now: float, address: str, settings: FeedSettings) -> float:
    """Of a feed that nobody has looked at yet."""
    return now + phase(address) * settings.import_within_s


def next_check(now: float, address: str, interval_s: float, settings: FeedSettings, asked_s: float = 0.0) -> float:
    """After a fetch that went well. ``asked_s``: what the feed (``ttl``) or its server (``max-age``) asks for."""
    pause = max(interval_s, min(asked_s, settings.most_interval_s))
    place = phase(address) * pause
    slot = ((now - place) // pause + 1) * pause + place
    return slot if slot - now >= pause / 2 else slot + pause


def after_failure(
    now: float, interval_s: float, failures: int, settings: FeedSettings, after_s: float | None = None
) -> float:
    """``failures``: in a row, with this one. ``after_s``: what the server asks to wait, heeded up to twice the longest
    pause."""
    pause = min(interval_s * 2.0 ** min(failures - 1, 20), max(settings.most_interval_s, interval_s))
    return now + max(pause, min(after_s or 0.0, 2 * settings.most_interval_s))
