"""A room with the filter in it, on each database, and the shipped lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from bot.commands import Commands
from bot.core import Core
from bot.event import Member, Pressed, Role, Room
from bot.room_settings import CORE_SETTINGS
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store
from bot.testing import BotRoom, Echo, KnowsEverything, PaperPlatform
from moderation.commands import FilterCommands
from moderation.judging import Filter
from moderation.screen import FilterScreen
from moderation.settings import FILTER_SETTINGS
from moderation.standings import Standings
from tests.clock import ManualClock


@pytest.fixture(scope="session")
def words() -> Filter:
    return Filter.shipped()


@dataclass
class House:
    """The real core with the filter at its port. ``roles`` are what the platform says of its members."""

    core: Core
    platform: PaperPlatform
    scopes: Scopes
    screen: FilterScreen
    answers: Echo
    clock: ManualClock

    def room(self, id: str = "r1", **details: object) -> BotRoom:
        room = replace(Room(self.platform.name, id), **details)  # type: ignore[arg-type]
        return BotRoom(self.core, self.platform, room, self.clock)

    async def press(self, room: BotRoom, button: str, by: str) -> None:
        member = Member(self.platform.name, by, by)
        await room.happens(Pressed(room.room, member, f"press-{button}-{by}", self.clock.now(), button=button))

    async def shows(self, room: BotRoom, text: str) -> bool:
        return (await self.screen.show(room.room, text)).text is not None


async def open_house(store: Store, clock: ManualClock, words: Filter, platform: str) -> House:
    paper = PaperPlatform(name=platform, roles={"olga": Role.OWNER, "adam": Role.ADMIN, "mo": Role.MODERATOR})
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *FILTER_SETTINGS), configured={"language": "zh"})
    screen, answers = FilterScreen(scopes, words, Standings({platform: paper}, clock)), Echo()
    commands = Commands((FilterCommands(scopes, screen).command,))
    core = Core.build(
        store,
        {platform: paper},
        KnowsEverything(),
        answers,
        settings=CoreSettings(),
        clock=clock,
        screen=screen,
        scopes=scopes,
        commands=commands,
    )
    await core.start()
    return House(core, paper, scopes, screen, answers, clock)


@pytest.fixture
async def feishu(store: Store, clock: ManualClock, words: Filter) -> AsyncIterator[House]:
    house = await open_house(store, clock, words, "feishu")
    yield house
    await house.core.close(0)


@pytest.fixture
async def discord(store: Store, clock: ManualClock, words: Filter) -> AsyncIterator[House]:
    house = await open_house(store, clock, words, "discord")
    yield house
    await house.core.close(0)
