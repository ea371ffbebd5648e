"""A bot on each database, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.store import Store
from bot.testing import Bot, BotRoom
from tests.clock import ManualClock


@pytest.fixture
async def bot(store: Store, clock: ManualClock) -> AsyncIterator[Bot]:
    async with Bot(store, clock) as running:
        yield running


@pytest.fixture
def room(bot: Bot) -> BotRoom:
    return bot.room()
