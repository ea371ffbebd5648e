"""A local Discord with one server, one room and one member, and the addresses of discord.py turned to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import discord
import pytest
import yarl

from tests.emulators.discord import Channel, DiscordEmulator, Guild, Limits, User

FAST = Limits(heartbeat_s=0.5, resume_window_s=30.0)


@dataclass(slots=True)
class Place:
    """Where most stories happen: Ann is a member of Beans, and #help is one of its rooms."""

    guild: Guild
    room: Channel
    ann: User


@pytest.fixture
def limits() -> Limits:
    return FAST


@pytest.fixture
async def platform(limits: Limits) -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(limits) as emulator:
        yield emulator


@pytest.fixture
def place(platform: DiscordEmulator) -> Place:
    guild = platform.world.guild("Beans")
    return Place(guild, platform.world.channel(guild, "help"), platform.member(guild, "Ann"))


@pytest.fixture
def pointed(platform: DiscordEmulator) -> Iterator[None]:
    """discord.py keeps its addresses in its modules: turn them to the emulator, and back."""
    before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    discord.http.Route.BASE = platform.api_url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(platform.gateway_url)
    yield
    discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before
