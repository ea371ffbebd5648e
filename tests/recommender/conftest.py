from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.store import Store
from tests.clock import ManualClock
from tests.recommender.feed_house import FeedHouse, open_feed_house


@pytest.fixture
async def house(store: Store, clock: ManualClock) -> AsyncIterator[FeedHouse]:
    async with open_feed_house(store, clock) as opened:
        yield opened
