"""Setting up: is the token good, may the bot read messages, and the link that brings it into a server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from adapters.discord.settings import DiscordSettings
from bot.errors import UsageError

PERMISSIONS = {
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
    "SEND_VOICE_MESSAGES": 1 << 46,
}
"""What it needs in a server, and no more: to read and answer, also in threads; history to catch up and to look
for its own messages; files and voice for spoken answers (Discord, "Permissions")."""

MESSAGE_CONTENT = 1 << 18 | 1 << 19
"""Application flags: the intent is granted, or switched on for a bot in fewer than 100 servers."""

AUTHORIZE = "https://discord.com/oauth2/authorize"
CHECK_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Application:
    """What Discord says about the token's bot."""

    id: str
    name: str
    reads_messages: bool

    @property
    def invite_url(self) -> str:
        """Who opens it may add the bot to a server of theirs."""
        query = {
            "client_id": self.id,
            "scope": "bot applications.commands",
            "permissions": str(sum(PERMISSIONS.values())),
        }
        return f"{AUTHORIZE}?{urlencode(query)}"


async def look_up(settings: DiscordSettings) -> Application:
    """Ask Discord about the token. Raises ``UsageError`` with what is wrong with it, or with the way to Discord."""
    headers = {"Authorization": f"Bot {settings.token.get_secret_value().strip()}"}
    timeout = aiohttp.ClientTimeout(total=CHECK_WITHIN_S)
    url = f"{settings.api_base}/oauth2/applications/@me"
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(url, proxy=settings.proxy or None) as response,
        ):
            if response.status == 401:
                raise UsageError(
                    "Discord refuses this token: copy it once more (Developer Portal › Bot › Reset Token)."
                )
            if response.status != 200:
                raise UsageError(f"Discord answered {response.status}: try again later.")
            found = await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        advice = "" if settings.proxy else " Behind a firewall set discord.proxy in config.yaml."
        raise UsageError(
            f"Discord cannot be reached at {settings.api_base}: {error or 'no answer'}.{advice}"
        ) from error
    return Application(str(found["id"]), str(found["name"]), bool(int(found.get("flags", 0)) & MESSAGE_CONTENT))
