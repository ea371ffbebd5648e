"""The emulator itself: one local server that is Discord's REST, gateway and CDN, and the verbs to move it.

::

    async with DiscordEmulator() as discord:
        guild = discord.world.guild("Beans")
        room = discord.world.channel(guild, "help")
        ann = discord.member(guild, "Ann")
        question = discord.say(room, ann, f"{discord.mention} how do I sprout beans?")
        await discord.until(lambda: discord.replies_to(question))

The verbs act at once and tell the gateway; none of them waits for the bot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from tests.emulators.discord import payloads
from tests.emulators.discord.cdn import Cdn
from tests.emulators.discord.faults import Faults
from tests.emulators.discord.gateway import (
    DIRECT_MESSAGES,
    DIRECT_REACTIONS,
    GUILD_MESSAGES,
    GUILD_REACTIONS,
    MESSAGE_CONTENT,
    Gateway,
)
from tests.emulators.discord.interactions import COMMAND, COMPONENT, Interaction, Interactions
from tests.emulators.discord.limits import Limits
from tests.emulators.discord.messages import VOICE_FLAG, Messages
from tests.emulators.discord.rest import Rest, Upload
from tests.emulators.discord.world import Act, Channel, Guild, Json, Kind, Membership, Posted, Shown, User, World

T = TypeVar("T")


class DiscordEmulator:
    """``allowed_intents``: the privileged intents that the developer portal has switched on."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        token: str = "emulated-token",
        allowed_intents: int = MESSAGE_CONTENT,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self.token = token
        self.allowed_intents = allowed_intents
        self.host, self.port = host, port
        self.world = World()
        self.faults = Faults()
        self.gateway = Gateway(self)
        self.rest = Rest(self)
        self.messages = Messages(self, self.rest)
        self.interactions = Interactions(self, self.rest, self.messages)
        self.cdn = Cdn(self)
        self._changed = asyncio.Event()
        self.world.on_log = self._changed.set
        self._runner: web.AppRunner | None = None

    # ── the server ───────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        app = web.Application(client_max_size=self.limits.request_bytes + 1024 * 1024)
        self.messages.routes(app)
        self.interactions.routes(app)
        self.cdn.routes(app)
        app.router.add_get("/gw", self.gateway.connect)
        app.router.add_get("/gw/", self.gateway.connect)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, backlog=512)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Let go of the port; the world stays, so that :meth:`start` may follow (an outage of Discord's own)."""
        if self._runner is not None:
            self.gateway.drop()
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://{self.host}:{self.port}/gw"

    @property
    def cdn_url(self) -> str:
        return f"http://{self.host}:{self.port}/cdn"

    @property
    def mention(self) -> str:
        return f"<@{self.world.bot.id}>"

    # ── what members do ──────────────────────────────────────────────────────────────────────────────

    def member(self, guild: Guild, name: str, *, roles: Sequence[int] = (), bot: bool = False) -> User:
        user = self.world.user(name, bot=bot)
        self.world.join(guild, user, roles=list(roles))
        return user

    def say(
        self,
        channel: Channel,
        author: User,
        content: str,
        *,
        reply_to: Posted | None = None,
        ping: bool = True,
        files: Sequence[Upload] = (),
        voice: tuple[float, str] | None = None,
        type: int | None = None,
    ) -> Posted:
        """A member speaks. ``voice``: (duration in seconds, waveform) makes the one file a voice message."""
        duration_s, waveform = voice if voice is not None else (None, None)
        pinged = payloads.mentioned_ids(content)
        if reply_to is not None and ping:
            pinged.append(reply_to.author.id)
        message = self.world.post(
            channel,
            author,
            content,
            type=type if type is not None else (19 if reply_to is not None else 0),
            reply_to=None if reply_to is None else reply_to.id,
            files=[self.messages.file(channel.id, each, duration_s, waveform) for each in files],
            flags=VOICE_FLAG if voice is not None else 0,
            pinged=tuple(dict.fromkeys(pinged)),
            pinged_everyone=payloads.mentions_everyone(content),
        )
        self.gateway.message_event("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Posted, content: str) -> None:
        message.content, message.edited_at = content, self.world.now()
        message.pinged = tuple(payloads.mentioned_ids(content))
        self.world.note(Act.EDITED, message.channel, message.author, message.id, content)
        self.gateway.message_event("MESSAGE_UPDATE", message)

    def unfurl(self, message: Posted) -> None:
        """Discord itself updates a message, as when it has fetched the preview of a link."""
        self.gateway.message_event("MESSAGE_UPDATE", message)

    def delete(self, message: Posted) -> None:
        self.world.delete(message)
        data = self._place(message.channel) | {"id": str(message.id)}
        self.gateway.channel_event("MESSAGE_DELETE", message.channel, data, GUILD_MESSAGES, DIRECT_MESSAGES)

    def delete_many(self, messages: Sequence[Posted]) -> None:
        for message in messages:
            self.world.delete(message)
        channel = messages[0].channel
        data = self._place(channel) | {"ids": [str(each.id) for each in messages]}
        self.gateway.channel_event("MESSAGE_DELETE_BULK", channel, data, GUILD_MESSAGES, DIRECT_MESSAGES)

    def react(self, message: Posted, user: User, emoji: str) -> None:
        users = message.reactions.setdefault(emoji, [])
        if user.id in users:
            return
        users.append(user.id)
        self.world.note(Act.REACTED, message.channel, user, message.id, emoji)
        data = self._reaction(message, user, emoji) | {"message_author_id": str(message.author.id), "burst": False}
        guild = message.channel.guild
        if guild is not None and user.id in guild.members:
            data["member"] = payloads.member(guild.members[user.id])
        self.gateway.channel_event("MESSAGE_REACTION_ADD", message.channel, data, GUILD_REACTIONS, DIRECT_REACTIONS)

    def unreact(self, message: Posted, user: User, emoji: str) -> None:
        users = message.reactions.get(emoji, [])
        if user.id not in users:
            return
        users.remove(user.id)
        if not users:
            del message.reactions[emoji]
        data = self._reaction(message, user, emoji) | {"burst": False}
        self.gateway.channel_event("MESSAGE_REACTION_REMOVE", message.channel, data, GUILD_REACTIONS, DIRECT_REACTIONS)

    def _reaction(self, message: Posted, user: User, emoji: str) -> Json:
        return self._place(message.channel) | {
            "message_id": str(message.id),
            "user_id": str(user.id),
            "emoji": {"id": None, "name": emoji},
            "type": 0,
        }

    @staticmethod
    def _place(channel: Channel) -> Json:
        place: Json = {"channel_id": str(channel.id)}
        if channel.guild is not None:
            place["guild_id"] = str(channel.guild.id)
        return place

    def thread(self, parent: Channel, name: str, owner: User, *, id: int | None = None) -> Channel:
        thread = self.world.thread(parent, name, owner, id=id)
        self.gateway.dispatch("THREAD_CREATE", payloads.channel(thread) | {"newly_created": True})
        return thread

    def slash(self, channel: Channel, user: User, name: str, **options: str | int | bool) -> Interaction:
        kinds = {str: 3, int: 4, bool: 5}
        given = [{"name": key, "type": kinds[type(value)], "value": value} for key, value in options.items()]
        data = {"id": str(self.world.snowflake()), "name": name, "type": 1, "options": given}
        return self.interactions.begin(COMMAND, channel, user, data)

    def press(self, message: Posted, user: User, label: str) -> Interaction:
        """Press the button of ``message`` that reads ``label``."""
        buttons = [button for row in message.components for button in row["components"]]
        button = next(button for button in buttons if button["label"] == label)
        data = {"custom_id": button["custom_id"], "component_type": 2, "id": 1}
        return self.interactions.begin(COMPONENT, message.channel, user, data, message)

    def kick(self, guild: Guild) -> None:
        """The bot is thrown out: requests meet 403 and 404 from now on."""
        guild.joined = False
        self.gateway.guild_left(guild)

    def let_in(self, guild: Guild) -> None:
        guild.joined = True
        guild.members[self.world.bot.id].joined_at = self.world.now()
        self.gateway.guild_joined(guild)

    def demote(self, guild: Guild, user: User, roles: Sequence[int] = ()) -> Membership:
        """Change a member's roles; without the members intent a bot is not told."""
        membership = guild.members[user.id]
        membership.roles = list(roles)
        return membership

    def remove_channel(self, channel: Channel) -> None:
        assert channel.guild is not None
        kind = "THREAD_DELETE" if channel.kind is Kind.PUBLIC_THREAD else "CHANNEL_DELETE"
        data = payloads.channel(channel)
        del self.world.channels[channel.id]
        del channel.guild.channels[channel.id]
        self.gateway.dispatch(kind, data)

    def malformed(self, message: Posted, how: str = "null_reference") -> None:
        """Send an event about ``message`` that discord.py cannot parse; see ``payloads.malformed``."""
        event, payload = payloads.malformed(message, self.world, how)
        self.gateway.dispatch(event, payload)

    # ── what members saw ─────────────────────────────────────────────────────────────────────────────

    def shown(self, act: Act, channel: Channel | None = None) -> list[Shown]:
        """What the bot did on screen, in order."""
        bot = self.world.bot.id
        return [
            entry
            for entry in self.world.log
            if entry.act is act and entry.author_id == bot and (channel is None or entry.channel_id == channel.id)
        ]

    def said(self, channel: Channel) -> list[Posted]:
        """The bot's messages that stand in the channel now."""
        return [message for message in channel.messages.values() if message.author is self.world.bot]

    def replies_to(self, message: Posted) -> list[Posted]:
        return [each for each in self.said(message.channel) if each.reply_to == message.id]

    async def until(self, condition: Callable[[], T], timeout_s: float = 10.0) -> T:
        """Wait until ``condition`` is truthy and return what it gave; ``TimeoutError`` otherwise."""
        async with asyncio.timeout(timeout_s):
            while not (result := condition()):
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.02)
                except TimeoutError:
                    continue
        return result
