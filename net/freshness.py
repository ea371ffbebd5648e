"""What a server says about when to come again: Retry-After, Cache-Control and Expires (RFC 9110, RFC 9111)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_MAX_AGE = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?(\d{1,10})', re.IGNORECASE)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that ``Retry-After`` asks to wait; None where it says nothing that can be read. ``headers``: names in
    small letters."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:10])
    return _seconds_until(value, now)


def fresh_for_s(headers: Mapping[str, str], now: float) -> float:
    """For how long the answer stays what it is by its own word; 0 where it says nothing, or not to keep it."""
    control = headers.get("cache-control", "")
    if "no-cache" in control.casefold() or "no-store" in control.casefold():
        return 0.0
    if found := _MAX_AGE.search(control):
        return float(found[1])
    return _seconds_until(headers.get("expires", ""), now) or 0.0


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
