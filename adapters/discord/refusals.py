"""Discord's refusals in the core's terms: try later, never, or not known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from bot.errors import TryLater, Undeliverable

UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_WEBHOOK_TOKEN = 10015, 10062, 50027
CANNOT_REPLY_WITHOUT_HISTORY = 160002
"""https://discord.com/developers/docs/topics/opcodes-and-status-codes#json"""

TOKEN_IS_OVER = {UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_WEBHOOK_TOKEN}
PAUSE_WHEN_BANNED_S = 30.0
"""After a 429 that says neither why nor how long: the wall before Discord wants quiet."""


@contextmanager
def in_our_terms() -> Iterator[None]:
    """Raises ``TryLater`` where nothing was done and a later call may succeed, ``Undeliverable`` where none will;
    anything else passes, since its outcome is not known (a 5xx, a lost connection)."""
    try:
        yield
    except discord.RateLimited as error:
        raise TryLater(error.retry_after, "rate limit") from error
    except discord.HTTPException as error:
        if error.status == 429:
            raise TryLater(_retry_after_s(error), "rate limit") from error
        if error.status == 401:
            raise TryLater(PAUSE_WHEN_BANNED_S, "the token was refused") from error
        if 400 <= error.status < 500:
            raise Undeliverable(f"Discord refused: {error.status} {error.code} {error.text}"[:300]) from error
        raise
    except aiohttp.ClientConnectorError as error:
        raise TryLater(1.0, "Discord cannot be reached") from error


def _retry_after_s(error: discord.HTTPException) -> float:
    try:
        return float(error.response.headers["Retry-After"])
    except (KeyError, ValueError):
        return PAUSE_WHEN_BANNED_S
