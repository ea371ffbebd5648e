"""The two bots on Discord, each as a process: ``… bare|ours TOKEN API GATEWAY DATABASE``."""

from __future__ import annotations

import asyncio
import logging
import sys

import discord
import structlog
from pydantic import SecretStr

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.client import intents, point_at
from adapters.discord.settings import DiscordSettings
from benchmarks.messages.echo import EchoAnswerer, EchoKnowledge
from bot.core import Core
from bot.ports import SystemClock
from bot.store import Store, StoreSettings, make_engine
from maodou.schema import all_tables


class BareEcho(discord.Client):
    """What a page of documentation shows: answer in the event's handler, keep nothing."""

    async def on_message(self, message: discord.Message) -> None:
        if self.user is not None and self.user in message.mentions:
            await message.reply(f"echo: {message.clean_content}")


async def bare(settings: DiscordSettings) -> None:
    point_at(settings)
    async with BareEcho(intents=intents(settings), guild_ready_timeout=settings.guild_ready_timeout_s) as client:
        await client.start(settings.token.get_secret_value())


async def ours(settings: DiscordSettings, database: str) -> None:
    store_settings = StoreSettings(url=f"sqlite:///{database}")
    engine = make_engine(store_settings)
    all_tables().create_all(engine)
    engine.dispose()
    store, clock = Store.open(store_settings), SystemClock()
    platform = DiscordPlatform(store, settings, clock)
    core = Core.build(store, {platform.name: platform}, EchoKnowledge(), EchoAnswerer(), clock=clock)
    await core.start()
    await platform.run(core.inbox.accept)


def main(argv: list[str]) -> None:
    kind, token, api_base, gateway_url, database = argv
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = DiscordSettings(
        token=SecretStr(token), api_base=api_base, gateway_url=gateway_url, guild_ready_timeout_s=0.2, edits_per_s=0
    )
    asyncio.run(bare(settings) if kind == "bare" else ours(settings, database))


if __name__ == "__main__":
    main(sys.argv[1:])
