"""A local Discord with one server, one room and one member – and the real bot in it, when a story wants one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import discord
import pytest
import yarl
from sqlalchemy import Row, select

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from bot.commands import Commands
from bot.core import Core
from bot.errors import StoreError
from bot.event import Event
from bot.ports import Answerer, Knowledge, SystemClock
from bot.settings import CoreSettings
from bot.store import Store, StoreSettings, make_engine
from bot.tables import deliveries, inbox
from bot.testing import Echo, KnowsEverything
from maodou.schema import all_tables
from tests.emulators.discord import Channel, DiscordEmulator, Guild, Limits, Posted, User

FAST = Limits(heartbeat_s=0.5, window_s=1.0)
"""Discord's limits with its two slow times scaled: the heartbeat, and the window of five messages."""


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
    guild.members[platform.world.bot.id].joined_at -= 30 * 86_400
    return Place(guild, platform.world.channel(guild, "help"), platform.member(guild, "Ann"))


@pytest.fixture
def pointed(platform: DiscordEmulator) -> Iterator[None]:
    """discord.py keeps its addresses in its classes: turn them to the emulator, and back."""
    before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    discord.http.Route.BASE = platform.api_url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(platform.gateway_url)
    yield
    discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before


# ── the bot ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Home:
    """One installation: its database outlives its processes. ``async with home.bot() as bot`` is one of them."""

    emulator: DiscordEmulator
    store: Store
    settings: DiscordSettings
    knowledge: Knowledge = field(default_factory=KnowsEverything)
    answerer: Answerer = field(default_factory=Echo)
    core: CoreSettings = field(default_factory=lambda: CoreSettings(retry_first_s=0.05, send_timeout_s=5))
    clock: SystemClock = field(default_factory=SystemClock)

    @asynccontextmanager
    async def bot(self, *, connected: bool = True) -> AsyncIterator[Bot]:
        commands = Commands()
        discord_side = DiscordPlatform(self.store, self.settings, self.clock, commands)
        core = Core.build(
            self.store,
            {discord_side.name: discord_side},
            self.knowledge,
            self.answerer,
            settings=self.core,
            clock=self.clock,
            commands=commands,
        )
        await core.start()
        running = asyncio.create_task(discord_side.run(core.inbox.accept))
        bot = Bot(self, core, discord_side, running)
        try:
            if connected:
                await bot.connected()
            yield bot
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await core.close(0)


@dataclass(slots=True)
class Bot:
    home: Home
    core: Core
    platform: DiscordPlatform
    running: asyncio.Task[None]

    async def connected(self) -> None:
        """Returns when the bot is ready and holds nothing back."""

        def ready() -> bool:
            if self.running.done():
                self.running.result()
            client = self.platform.client
            return client is not None and client.is_ready() and client.caught_up

        await self.home.emulator.until(ready)

    async def quiet(self) -> None:
        """Returns when the bot has done all that it has to do for now."""
        await asyncio.sleep(0.1)
        await self.core.idle()

    async def decision(self, message_id: int, kind: str = "said") -> Row[tuple[object, ...]]:
        rows = await self.decisions(inbox.c.message_id == str(message_id), inbox.c.kind == kind)
        assert len(rows) == 1, f"{len(rows)} events for message {message_id}"
        return rows[0]

    async def decisions(self, *where: object) -> list[Row[tuple[object, ...]]]:
        query = select(inbox).where(*where).order_by(inbox.c.id)  # type: ignore[arg-type]
        return list(await self.core.store.read(lambda connection: connection.execute(query).all()))

    async def deliveries(self) -> list[Row[tuple[object, ...]]]:
        query = select(deliveries).order_by(deliveries.c.id)
        return list(await self.core.store.read(lambda connection: connection.execute(query).all()))


@pytest.fixture
def home(platform: DiscordEmulator, pointed: None, tmp_path: Path) -> Iterator[Home]:
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/maodou.db", durability="normal")
    engine = make_engine(settings)
    all_tables().create_all(engine)
    engine.dispose()
    store = Store.open(settings)
    yield Home(platform, store, settings_for(platform))
    store.close()


def settings_for(platform: DiscordEmulator) -> DiscordSettings:
    return DiscordSettings(
        token=platform.token,
        api_base=platform.api_url,
        gateway_url=platform.gateway_url,
        cdn_base=platform.cdn_url.removesuffix("/cdn"),
        identify_pause_s=0,
        guild_ready_timeout_s=0.05,
        restart_first_s=0.05,
        restart_most_s=0.2,
        heartbeat_timeout_s=1.5,
        edits_per_s=0,
    )


@pytest.fixture
async def bot(home: Home, place: Place) -> AsyncIterator[Bot]:
    async with home.bot() as running:
        yield running


def changed(settings: DiscordSettings, **changes: object) -> DiscordSettings:
    return settings.model_copy(update=changes)


def ask(platform: DiscordEmulator, place: Place, text: str = "how?") -> Posted:
    return platform.say(place.room, place.ann, f"{platform.mention} {text}")


async def answered_once(platform: DiscordEmulator, question: Posted, bot: Bot) -> Posted:
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    await bot.quiet()
    assert len(platform.replies_to(question)) == 1
    return answer


class Locked:
    """The inbox refuses every event, as with a database that somebody else has locked."""

    def __init__(self, bot: Bot) -> None:
        client = bot.platform.client
        assert client is not None
        self.arrivals = client._arrivals
        self.accept = self.arrivals.accept
        self.refused = 0
        self.arrivals.accept = self.refuse

    async def refuse(self, event: Event) -> bool:
        self.refused += 1
        raise StoreError("locked")

    def open(self) -> None:
        self.arrivals.accept = self.accept
