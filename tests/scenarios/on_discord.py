"""The stage on Discord: the real discord.py against the emulator. Each situation has a channel of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import discord

from adapters.discord.adapter import DiscordPlatform
from tests.adapters.discord.conftest import FAST, settings_for
from tests.emulators.discord import Channel, DiscordEmulator, Guild, Posted, Upload, User
from tests.scenarios.situation import DIRECT, THREAD, React, Say, Situation
from tests.scenarios.stage import QUIET_S, Ours, Stage

PEOPLE = {"ann": "安妮", "ben": "Ben", "rogue": "Mal\u202elory\u200b\n@everyone"}
MISSING_PERMISSIONS = 50013


class DiscordStage(Stage):
    name = "discord"

    def __init__(self, folder: Path, emulator: DiscordEmulator, situations: Sequence[Situation]) -> None:
        super().__init__(folder)
        self.emulator = emulator
        world = emulator.world
        self.guild = world.guild("Beans")
        self.guild.members[world.bot.id].joined_at -= 30 * 86_400
        self.people: dict[str, User] = {key: emulator.member(self.guild, name) for key, name in PEOPLE.items()}
        self.people["parrot"] = emulator.member(self.guild, "Parrot", bot=True)
        self.people["stranger"] = world.user("Stranger")
        self.people["owner"] = world.users[self.guild.owner_id]
        self.channels = {each.name: world.channel(self.guild, f"room-{n}") for n, each in enumerate(situations)}
        self.places: list[Channel] = []
        self._after = 0
        self.platform = DiscordPlatform(self.store, settings_for(emulator), self.clock, self.commands)
        self.build(self.platform)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path, situations: Sequence[Situation]) -> AsyncIterator[DiscordStage]:
        before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        try:
            async with DiscordEmulator(FAST) as emulator:
                stage = cls(folder, emulator, situations)
                async with stage.receiving(stage.platform):
                    await stage.until(lambda: stage.platform.client and stage.platform.client.caught_up)
                    yield stage
        finally:
            discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before

    @property
    def room(self) -> Channel:
        return self.places[0]

    @property
    def room_key(self) -> str:
        return f"discord:{self.room.id}"

    async def open(self, situation: Situation) -> None:
        self._after = self.emulator.world.snowflake()
        if not situation.own_place:
            self.places = [self.channels[situation.name]]
            return
        guild: Guild = self.emulator.world.guild(situation.name, self.people["owner"])
        for person in ("ann", "ben"):
            self.emulator.world.join(guild, self.people[person])
        guild.joined = False
        self.places = [self.emulator.world.channel(guild, "lobby")]

    def _place(self, where: str) -> Channel:
        if where == DIRECT:
            place = self.emulator.world.direct(self.people["stranger"])
        elif where == THREAD:
            place = next((each for each in self.places if each.parent is self.room), None) or self.emulator.thread(
                self.room, "发芽", self.people["ann"]
            )
        else:
            return self.room
        if place not in self.places:
            self.places.append(place)
        return place

    def _text(self, text: str) -> str:
        people = {key: f"<@{user.id}>" for key, user in self.people.items()}
        return text.format(bot=self.emulator.mention, all="@everyone", image="", **people).strip()

    async def say(self, step: Say) -> str:
        files = [Upload("bean.png", "image/png", b"PNG")] * step.text.count("{image}")
        if step.file:
            files.append(Upload(step.file, "text/plain", b"beans: 1"))
        if step.voice:
            files.append(Upload("voice-message.ogg", "audio/ogg", b"OggS"))
        reply = await self.reply(step)
        said = self.emulator.say(
            self._place(step.where),
            self.people[step.by],
            self._text(step.text),
            reply_to=self._message(reply) if reply else None,
            ping=False,
            files=files,
            voice=(2.5, "AAAA") if step.voice else None,
        )
        return str(said.id)

    def _message(self, message_id: str) -> Posted:
        found = self.emulator.world.message(int(message_id))
        assert found is not None, message_id
        return found

    async def edit(self, message_id: str, text: str) -> None:
        self.emulator.edit(self._message(message_id), self._text(text))

    async def recall(self, message_id: str) -> None:
        self.emulator.delete(self._message(message_id))

    async def react(self, message_id: str, step: React) -> None:
        message, ann = self._message(message_id), self.people["ann"]
        if step.takes_back:
            self.emulator.unreact(message, ann, step.takes_back)
        if step.emoji:
            self.emulator.react(message, ann, step.emoji)

    async def press(self, message_id: str, by: str) -> None:
        message = self._message(message_id)
        (button,) = [button for row in message.components for button in row["components"]]
        self.emulator.press(message, self.people[by], button["label"])

    async def slash(self, command: str, by: str) -> None:
        self.emulator.slash(self.room, self.people[by], command)

    async def add_bot(self) -> None:
        guild = self.room.guild
        assert guild is not None
        if self.emulator.said(self.room):
            await asyncio.sleep(1.05)  # Discord tells the second in which it came; another coming is another second
        self.emulator.let_in(guild)

    async def remove_bot(self) -> None:
        assert self.room.guild is not None
        self.emulator.kick(self.room.guild)

    async def forbid(self) -> None:
        self.emulator.faults.denied[self.room.id] = MISSING_PERMISSIONS

    async def settle(self) -> None:
        await asyncio.sleep(QUIET_S)

    async def shown(self) -> list[Ours]:
        said = (each for place in self.places for each in self.emulator.said(place) if each.id > self._after)
        ours = sorted(said, key=lambda each: each.id)
        return [Ours(str(each.id), each.content, str(each.reply_to) if each.reply_to else None) for each in ours]
