"""Members on the emulated Discord, which runs in the driver's process and outlives the bot.

Discord acknowledges nothing and brings nothing again: a bot that was dead finds what it missed in the history.
"""

from __future__ import annotations

import random
from typing import Any

from benchmarks.chaos.members import Manners, Members
from tests.emulators.discord import Act, Channel, DiscordEmulator, Limits, Posted, RestFault, User

SENDS = r"/channels/\d+/messages$"


class DiscordMembers(Members):
    def __init__(self, manners: Manners, dice: random.Random) -> None:
        super().__init__(manners, dice)
        # The window of five messages is scaled as the key's is; what is counted in days would stop the run.
        limits = Limits(nonce_window_s=manners.key_window_s, window_s=1.0, identifies_per_day=1_000_000)
        self.discord = DiscordEmulator(limits)
        self._attempts = 0
        world = self.discord.world
        guild = world.guild("Chaos")
        guild.members[world.bot.id].joined_at -= 86_400
        self._people = [self.discord.member(guild, f"member-{number}") for number in range(7)]
        self._channels = {str(each.id): each for each in self._made(guild, manners.rooms)}
        self.rooms = list(self._channels)
        self._watch()

    def _made(self, guild: Any, rooms: int) -> list[Channel]:
        return [self.discord.world.channel(guild, f"room-{number}") for number in range(rooms)]

    def _watch(self) -> None:
        world = self.discord.world
        post, note = world.post, world.note

        def posting(channel: Channel, author: User, content: str, **fields: Any) -> Posted:
            message = post(channel, author, content, **fields)
            if author is world.bot:
                reply_to = str(message.reply_to) if message.reply_to else None
                self.shown(str(channel.id), str(message.id), content, reply_to)
            else:
                self.said(str(channel.id), str(message.id), content)
            return message

        def noting(act: Act, channel: Channel, author: User, message_id: int | None = None, text: str = "") -> None:
            note(act, channel, author, message_id, text)
            if author is world.bot and act is Act.EDITED:
                self.edited(str(channel.id), str(message_id), text)
            elif author is world.bot and act is Act.DELETED:
                self.recalled(str(channel.id), str(message_id))

        world.post, world.note = posting, noting  # type: ignore[method-assign]

    @property
    def where(self) -> tuple[str, ...]:
        return (self.discord.token, self.discord.api_url, self.discord.gateway_url)

    @property
    def connected(self) -> bool:
        return any(socket.session is not None for socket in self.discord.gateway.sockets)

    @property
    def unacknowledged(self) -> int:
        return 0

    @property
    def redelivered(self) -> int:
        return 0

    @property
    def absorbed(self) -> int:
        return self.discord.messages.absorbed

    async def __aenter__(self) -> DiscordMembers:
        await self.discord.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.discord.stop()

    async def utter(self, room: str, text: str, *, addressed: bool) -> None:
        mention = f"{self.discord.mention} " if addressed else ""
        self.discord.say(self._channels[room], self.dice.choice(self._people), mention + text)

    def misbehave(self) -> None:
        faults, dice = self.discord.faults, self.dice
        if dice.random() < self.manners.try_later_share:
            faults.add(RestFault(429, "POST", SENDS, retry_after_s=0.1))
        if dice.random() < self.manners.lost_reply_share:
            faults.add(RestFault(500, "POST", SENDS, performed=True, abort=True))
