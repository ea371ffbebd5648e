"""What setting up tells: whether the token is good, whether it may read, and the link with the exact rights."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import discord
import pytest
from pydantic import SecretStr

from adapters.discord.invitation import PERMISSIONS, look_up
from bot.errors import UsageError
from tests.adapters.discord.conftest import changed, settings_for
from tests.emulators.discord import DiscordEmulator, RestFault


async def test_a_good_token_gives_the_link(platform: DiscordEmulator) -> None:
    found = await look_up(settings_for(platform))
    assert (found.name, found.reads_messages) == ("Maodou", True)
    query = parse_qs(urlsplit(found.invite_url).query)
    assert query["client_id"] == [str(platform.world.bot.id)]
    assert query["scope"] == ["bot applications.commands"]
    rights = {name for name, given in discord.Permissions(int(query["permissions"][0])) if given}
    assert rights == {
        "read_messages",
        "send_messages",
        "attach_files",
        "read_message_history",
        "send_messages_in_threads",
        "send_voice_messages",
    }
    assert len(rights) == len(PERMISSIONS)


async def test_a_missing_intent_is_seen(platform: DiscordEmulator) -> None:
    platform.allowed_intents = 0
    assert not (await look_up(settings_for(platform))).reads_messages


async def test_what_is_wrong_is_said(platform: DiscordEmulator) -> None:
    settings = settings_for(platform)
    with pytest.raises(UsageError, match="refuses this token"):
        await look_up(changed(settings, token=SecretStr("wrong")))
    platform.faults.add(RestFault(503))
    with pytest.raises(UsageError, match="503"):
        await look_up(settings)
    await platform.stop()
    with pytest.raises(UsageError, match="cannot be reached"):
        await look_up(settings)
