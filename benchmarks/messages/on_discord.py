"""The questions on a local Discord."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.messages.stage import Stage
from tests.emulators.discord import Channel, DiscordEmulator, Limits, Posted, User


class DiscordStage(Stage):
    """``discord``: one that runs already, for tests."""

    def __init__(self, rooms: int, discord: DiscordEmulator | None = None) -> None:
        super().__init__()
        self.discord = discord or DiscordEmulator(Limits(enforced=False))
        world = self.discord.world
        guild = world.guild("Benchmark")
        guild.members[world.bot.id].joined_at = 0.0
        self.asker: User = self.discord.member(guild, "Asker")
        self.rooms: list[Channel] = [world.channel(guild, f"room-{number}") for number in range(rooms)]
        post = world.post

        def watch(channel: Channel, author: User, content: str, **fields: Any) -> Posted:
            message = post(channel, author, content, **fields)
            if author is world.bot and message.reply_to is not None:
                self.saw(message.reply_to)
            return message

        world.post = watch  # type: ignore[method-assign]

    async def __aenter__(self) -> DiscordStage:
        await self.discord.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.discord.__aexit__(*error)

    def say(self, room: Channel, number: int) -> int:
        return self.discord.say(room, self.asker, f"{self.discord.mention} question {number}").id

    def command(self, kind: str, database: Path) -> list[str]:
        discord = self.discord
        return ["benchmarks.messages.bots", kind, discord.token, discord.api_url, discord.gateway_url, str(database)]
