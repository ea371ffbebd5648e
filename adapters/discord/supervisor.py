"""Keeps a client alive: discord.py's ends at a failed first connection, a malformed event, a 503, a 429 without
``Via``. The next one begins after a pause, with a new session, and reads back what was missed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import discord
import structlog

from adapters.discord.client import Client
from adapters.discord.settings import DiscordSettings
from bot.ports import Clock

log = structlog.get_logger(__name__)

WRONG_TOKEN = (
    "Discord refuses the token. Make a new one (Developer Portal › Bot › Reset Token), put it into .env as "
    "MAODOU_DISCORD_TOKEN and start again."
)
MISSING_INTENT = (
    "Discord does not let this bot read messages. Switch on Developer Portal › Bot › Message Content Intent, or set "
    "discord.message_content to false (then it hears only mentions, replies and direct messages), and start again."
)
REFUSED_FOR_GOOD = {
    4004: WRONG_TOKEN,
    4010: "Discord refuses this bot's shard.",
    4011: "This bot is in too many servers for one connection: Discord asks for sharding, which Maodou does not have.",
    4012: "Discord no longer speaks the version of its gateway that discord.py 2.7.1 uses.",
    4013: "Discord does not know the intents that this bot asks for.",
    4014: MISSING_INTENT,
}
"""Close codes after which connecting again is pointless (Discord, "Gateway Close Event Codes")."""


class Supervisor:
    """``client`` is the one that lives now, if any. ``trouble`` is why the last one ended, as a sentence for the
    operator; it holds until this one is connected."""

    def __init__(self, make: Callable[[], Client], settings: DiscordSettings, clock: Clock) -> None:
        self._make = make
        self._settings = settings
        self._clock = clock
        self.client: Client | None = None
        self.trouble = "Discord: not connected yet."

    async def run(self) -> None:
        """Returns only when cancelled."""
        pause_s = self._settings.restart_first_s
        while True:
            began = self._clock.now()
            for_good = await self._live()
            if for_good:
                self.trouble = for_good
                log.error("discord.refused", why=for_good)
                await asyncio.Event().wait()
            if self._clock.now() - began > self._settings.steady_after_s:
                pause_s = self._settings.restart_first_s
            # Half of the pause is left to chance, so that many bots do not come back in one moment.
            await self._clock.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, self._settings.restart_most_s)

    async def _live(self) -> str | None:
        """One client from its login to its end; a sentence when there shall be no other."""
        client = self._make()
        try:
            async with client:
                self.client = client
                await client.start(self._settings.token.get_secret_value())
        except discord.LoginFailure:
            return WRONG_TOKEN
        except discord.PrivilegedIntentsRequired:
            return MISSING_INTENT
        except discord.ConnectionClosed as error:
            if error.code in REFUSED_FOR_GOOD:
                return REFUSED_FOR_GOOD[error.code]
            self._note(error)
        except Exception as error:  # noqa: BLE001 – whatever ends discord.py must not end the bot
            self._note(error)
        else:
            self.trouble = "Discord: the client ended; it begins again."
        finally:
            self.client = None
        return None

    def _note(self, error: Exception) -> None:
        self.trouble = f"Discord: the client ended ({type(error).__name__}: {error}); it begins again."[:300]
        log.warning("discord.client_ended", error=str(error), kind=type(error).__name__, exc_info=error)
