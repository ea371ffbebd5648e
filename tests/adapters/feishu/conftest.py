"""A bot on the emulated Feishu: the real core, the real adapter, the real lark-oapi clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Row, select

from adapters.feishu.adapter import FeishuPlatform
from adapters.feishu.settings import FeishuSettings
from bot.core import Core
from bot.ports import Answerer, Knowledge
from bot.settings import CoreSettings
from bot.store import Store
from bot.tables import inbox
from bot.testing import Echo, KnowsEverything
from tests.emulators.feishu import Chat, Feishu, Limits, Person, Shown

QUICK = Limits(acknowledge_s=1.0, redelivery_s=(0.1, 0.2, 0.4, 0.8))


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The adapter does not know the database; the core's own tests run on both."""
    return f"sqlite:///{tmp_path}/maodou.db"


@pytest.fixture
def limits() -> Limits:
    return QUICK


@pytest.fixture
def mode() -> str:
    return "long_connection"


@pytest.fixture
def feishu(limits: Limits, mode: str) -> Iterator[Feishu]:
    with Feishu(limits=limits, mode=mode) as running:
        running.connections.config.ReconnectInterval = 0.1
        yield running


@pytest.fixture
def ann(feishu: Feishu) -> Person:
    return feishu.person("安妮")


@pytest.fixture
def group(feishu: Feishu, ann: Person) -> Chat:
    return feishu.group(ann, feishu.person("本"))


def settings_for(feishu: Feishu, **changes: Any) -> FeishuSettings:
    given: dict[str, Any] = {
        "app_id": feishu.app_id,
        "app_secret": SecretStr(feishu.secret),
        "encrypt_key": SecretStr(feishu.encrypt_key),
        "verification_token": SecretStr(feishu.token),
        "domain": feishu.url,
        "webhook_port": 0,
        "reconnect_s": 0.1,
        "watch_every_s": 0.05,
    }
    return FeishuSettings(**(given | changes))


@dataclass(slots=True)
class Running:
    """The bot while it runs."""

    feishu: Feishu
    platform: FeishuPlatform
    core: Core

    async def until(self, true: Callable[[], object], within_s: float = 8.0) -> None:
        """Wait until something holds; fails the test when it does not."""
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110 – what is waited for happens in other threads
                await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """Every event so far is acknowledged, decided, and its answer has left."""
        await self.until(lambda: all(told.acknowledged or told.given_up for told in self.feishu.told()))
        await self.core.idle()

    async def answers(self, chat: Chat, many: int = 1) -> list[Shown]:
        """The bot's messages in a chat, once there are so many of them and no more are on their way."""
        await self.until(lambda: len(self.feishu.shown(chat)) >= many)
        await self.settled()
        shown = self.feishu.shown(chat)
        assert len(shown) == many, [one.text for one in shown]
        return shown

    async def silence(self, chat: Chat) -> None:
        await self.settled()
        assert [one.text for one in self.feishu.shown(chat)] == []

    async def rows(self) -> list[Row[Any]]:
        """The inbox, oldest first."""
        return list(await self.core.store.read(lambda connection: connection.execute(select(inbox)).all()))


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(feishu: Feishu, store: Store) -> Start:
    """Starts a life of the bot on this test's database; a second one after it is a restart."""

    @asynccontextmanager
    async def life(
        *,
        knowledge: Knowledge | None = None,
        answerer: Answerer | None = None,
        core: dict[str, float] | None = None,
        wait: bool = True,
        **changes: Any,
    ) -> AsyncIterator[Running]:
        platform = FeishuPlatform(settings_for(feishu, mode=feishu.mode, **changes))
        built = Core.build(
            store,
            {platform.name: platform},
            knowledge or KnowsEverything(),
            answerer or Echo("好的。"),
            settings=CoreSettings.model_validate({"retry_first_s": 0.05} | (core or {})),
        )
        await built.start()
        receiving = asyncio.create_task(platform.run(built.inbox.accept))
        running = Running(feishu, platform, built)
        try:
            if wait:
                await running.until(lambda: platform.health() is None)
                feishu.webhook.url = platform.webhook_url
            yield running
        finally:
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await receiving
            await built.close(0)

    return life


@pytest.fixture
async def bot(start: Start) -> AsyncIterator[Running]:
    async with start() as running:
        yield running
