"""A real room on a real server, and people in real browsers.

The room's other side is a small assistant that answers whoever mentions it, so that these tests are about
the room alone; the tests with the whole house are in ``test_whole_house.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

import bot.tables  # noqa: F401 – the audit and the rooms, for the console
from adapters.web.adapter import WebPlatform
from adapters.web.desks import Desks
from adapters.web.posting import Posting
from adapters.web.settings import WebSettings
from bot.ports import SystemClock
from bot.scopes import Scopes
from bot.store import Store, StoreSettings, make_engine, metadata
from tests.adapters.web.rooms import FakeLibrary, Inbox, Served, serving

if TYPE_CHECKING:
    from tests.adapters.web.people import People


@pytest.fixture
def settings() -> WebSettings:
    return WebSettings(port=0, coalesce_ms=20)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def platform(store: Store, settings: WebSettings, tmp_path: Path) -> WebPlatform:
    return WebPlatform(store, settings, SystemClock(), tmp_path / "data")


@pytest.fixture
async def posting(platform: WebPlatform, inbox: Inbox) -> AsyncIterator[Posting]:
    """The room without a server: its posts and its pages' picture."""
    await platform.room.open()
    yield Posting(platform.room, inbox.accept)
    await platform.room.close()


# ── a served room, one for the tests of a module: making one takes a second ──────────────────────────────


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """What the room asks of its database is tested on both; what browsers see of it, on SQLite."""
    settings = StoreSettings(url=f"sqlite:///{tmp_path_factory.mktemp('store')}/maodou.db", durability="normal")
    engine = make_engine(settings)
    metadata.create_all(engine)
    engine.dispose()
    store = Store.open(settings)
    yield store
    store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_room(sqlite: Store, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async def why(message_id: str, language: str) -> str:
        return f"**from_documents** {message_id}" if language == "zh" else f"**why** {message_id}"

    clock = SystemClock()
    desks = Desks(why=why, knowledge=FakeLibrary(), scopes=Scopes(sqlite, clock))
    settings = WebSettings(port=0, coalesce_ms=20)
    async with serving(WebPlatform(sqlite, settings, clock, tmp_path_factory.mktemp("data"), desks), Inbox()) as room:
        yield room


@pytest_asyncio.fixture(loop_scope="module")
async def served(one_room: Served) -> Served:
    """The module's room, empty."""
    await one_room.empty()
    return one_room


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(one_room: Served) -> AsyncIterator[People]:
    from tests.adapters.web.people import People  # needs Playwright

    async with People.at(one_room.url) as crowd:
        yield crowd
