"""A real room on a real server, and people in real browsers.

The room's other side is a small assistant that answers whoever mentions it, so that these tests are about
the room alone; the tests with the whole house are in ``test_whole_house.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bot.tables  # noqa: F401 – the audit and the rooms, for the console
from adapters.web.adapter import WebPlatform
from adapters.web.desks import Desks
from adapters.web.posting import Posting
from adapters.web.settings import WebSettings
from bot.ports import SystemClock
from bot.scopes import Scopes
from bot.store import Store
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


@pytest.fixture
async def served(platform: WebPlatform, inbox: Inbox, store: Store) -> AsyncIterator[Served]:
    async def why(message_id: str, language: str) -> str:
        return f"**from_documents** {message_id}" if language == "zh" else f"**why** {message_id}"

    clock = SystemClock()
    platform.desks = Desks(why=why, knowledge=FakeLibrary(), scopes=Scopes(store, clock))
    async with serving(platform, inbox) as room:
        yield room


@pytest.fixture
async def people(served: Served) -> AsyncIterator[People]:
    from tests.adapters.web.people import People  # needs Playwright

    async with People.at(served.url) as crowd:
        yield crowd
