"""The town on Discord: the real discord.py against the emulator, in a channel that is restricted by age, since there
alone the filter can be off."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import discord

from adapters.discord.adapter import DiscordPlatform
from tests.adapters.discord.conftest import FAST, settings_for
from tests.emulators.discord import DiscordEmulator, User
from tests.recommender.town import HEARD_WITHIN_S, ForwardClock, Ours, Town, living


class DiscordTown(Town):
    switcher = "admin"

    def __init__(self, emulator: DiscordEmulator, place: Any, ann: User, *parts: Any) -> None:
        super().__init__(*parts)
        self.emulator = emulator
        self.place = place
        self.ann = ann
        self.owner = emulator.world.users[place.guild.owner_id]

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator[DiscordTown]:
        clock = ForwardClock()
        before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        try:
            async with DiscordEmulator(FAST) as emulator:
                world = emulator.world
                world.now = clock.now
                guild = world.guild("Beans")
                guild.members[world.bot.id].joined_at -= 30 * 86_400
                place = world.channel(guild, "reading", nsfw=True)
                ann = emulator.member(guild, "安妮")
                given = settings_for(emulator)
                async with living(folder, lambda *parts: DiscordPlatform(parts[0], given, parts[1]), clock=clock) as (
                    app,
                    server,
                ):
                    platform = app.platforms["discord"]
                    assert isinstance(platform, DiscordPlatform)
                    await emulator.until(lambda: platform.client and platform.client.caught_up, HEARD_WITHIN_S)
                    yield cls(emulator, place, ann, app, server, clock)
        finally:
            discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before

    async def say(self, person: User, text: str) -> None:
        self.emulator.say(self.place, person, text)

    async def press(self, person: User, message: Ours, label: str) -> None:
        posted = self.emulator.world.message(int(message.id))
        assert posted is not None
        self.emulator.press(posted, person, label)

    async def shown(self) -> Sequence[Ours]:
        return [
            Ours(
                str(each.id),
                each.content,
                tuple(button["label"] for row in each.components for button in row["components"]),
            )
            for each in self.emulator.said(self.place)
        ]
