"""Where situations are played: one running bot on one platform, and the members' verbs on that platform."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Row, func, select

from bot.commands import Commands
from bot.core import Core
from bot.event import Event
from bot.ports import Platform, SystemClock
from bot.settings import CoreSettings
from bot.store import Store, StoreSettings, make_engine
from bot.tables import deliveries, feedback, inbox
from maodou.schema import all_tables
from tests.scenarios.doubles import ScriptedAnswerer, ScriptedKnowledge
from tests.scenarios.situation import (
    Add,
    Edit,
    Forbid,
    Press,
    React,
    Recall,
    Remove,
    Say,
    Set,
    Situation,
    Slash,
    Step,
)

HEARD_WITHIN_S = 8.0
QUIET_S = 0.15
"""How long to wait for what must not come."""

CORE = CoreSettings(retry_first_s=0.05, send_timeout_s=5, stream_after_s=0.3)


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of ours as it stands now."""

    id: str
    text: str
    reply_to: str | None


class Stage(ABC):
    """``accept`` counts what the platform hands in; everything behind it is the real core."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        settings = StoreSettings(url=f"sqlite:///{folder}/maodou.db", durability="normal")
        engine = make_engine(settings)
        all_tables().create_all(engine)
        engine.dispose()
        self.folder = folder
        self.store = Store.open(settings)
        self.clock = SystemClock()
        self.commands = Commands()
        self.knowledge = ScriptedKnowledge()
        self.heard: list[Event] = []
        self.labels: dict[str, str] = {}
        self._rows_before = (0, 0)

    def build(self, platform: Platform) -> Core:
        self.core = Core.build(
            self.store,
            {platform.name: platform},
            self.knowledge,
            ScriptedAnswerer(),
            settings=CORE,
            clock=self.clock,
            commands=self.commands,
        )
        return self.core

    async def accept(self, event: Event) -> bool:
        new = await self.core.inbox.accept(event)
        if new:  # a busy platform delivers again what was acknowledged late
            self.heard.append(event)
        return new

    @contextlib.asynccontextmanager
    async def receiving(self, platform: Platform) -> AsyncIterator[None]:
        """The platform runs, and the core behind it."""
        await self.core.start()
        running = asyncio.create_task(platform.run(self.accept))
        try:
            await self.until(lambda: running.done() or platform.health() is None)
            if running.done():
                running.result()
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self.core.close(0)
            self.store.close()

    # ── the play ─────────────────────────────────────────────────────────────────────────────────────

    async def play(self, situation: Situation) -> None:
        self.labels.clear()
        self.knowledge.asked.clear()
        self._rows_before = await self.store.read(
            lambda connection: (
                connection.scalar(select(func.coalesce(func.max(inbox.c.id), 0))) or 0,
                connection.scalar(select(func.coalesce(func.max(deliveries.c.id), 0))) or 0,
            )
        )
        await self.open(situation)
        for step in situation.steps:
            before = len(self.heard)
            await self.act(step)
            if not getattr(step, "wait", True) or isinstance(step, Set | Forbid):
                continue
            if getattr(step, "heard", True):
                await self.until(lambda before=before: len(self.heard) > before)
            await self.quiet()

    async def act(self, step: Step) -> None:
        match step:
            case Say():
                self.labels[step.label] = await self.say(step)
            case Edit(label, text):
                await self.edit(self.labels[label], text)
            case Recall(label):
                await self.recall(self.labels[label])
            case React():
                await self.react(await self.answer_to(step.label), step)
            case Press(by):
                await self.press((await self.shown())[-1].id, by)
            case Slash(command, by):
                await self.slash(command, by)
            case Set(name, value):
                scope = f"room:{self.room_key}"
                await self.store.write(self.core.scopes.change(scope, name, value, who="operator:test"))
            case Add():
                await self.add_bot()
            case Remove():
                await self.remove_bot()
            case Forbid():
                await self.forbid()

    async def answer_to(self, label: str) -> str:
        """The first message of ours that replies to it."""
        return next(ours.id for ours in await self.shown() if ours.reply_to == self.labels[label])

    async def reply(self, step: Say) -> str | None:
        if not step.reply:
            return None
        return await self.answer_to(step.reply[1:]) if step.reply.startswith("~") else self.labels[step.reply]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(HEARD_WITHIN_S):
            while not condition():  # noqa: ASYNC110 – it happens in other threads and tasks
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Returns when nothing more is to be expected."""
        await self.settle()
        await self.core.idle()

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────

    async def rows(self) -> list[Row[Any]]:
        query = select(inbox).where(inbox.c.id > self._rows_before[0]).order_by(inbox.c.id)
        return list(await self.store.read(lambda connection: connection.execute(query).all()))

    async def delivered(self) -> list[str]:
        query = select(deliveries.c.state).where(deliveries.c.id > self._rows_before[1]).order_by(deliveries.c.id)
        return list(await self.store.read(lambda connection: connection.execute(query).scalars().all()))

    async def feedback(self) -> list[int]:
        shown = [ours.id for ours in await self.shown()]
        query = select(feedback.c.value).where(feedback.c.message_id.in_(shown))
        return list(await self.store.read(lambda connection: connection.execute(query).scalars().all()))

    # ── the platform ─────────────────────────────────────────────────────────────────────────────────

    @property
    @abstractmethod
    def room_key(self) -> str: ...

    @abstractmethod
    async def open(self, situation: Situation) -> None:
        """A fresh room for it."""

    @abstractmethod
    async def say(self, step: Say) -> str: ...

    @abstractmethod
    async def edit(self, message_id: str, text: str) -> None: ...

    @abstractmethod
    async def recall(self, message_id: str) -> None: ...

    @abstractmethod
    async def react(self, message_id: str, step: React) -> None: ...

    @abstractmethod
    async def press(self, message_id: str, by: str) -> None: ...

    @abstractmethod
    async def slash(self, command: str, by: str) -> None: ...

    @abstractmethod
    async def add_bot(self) -> None: ...

    @abstractmethod
    async def remove_bot(self) -> None: ...

    @abstractmethod
    async def forbid(self) -> None: ...

    @abstractmethod
    async def settle(self) -> None:
        """Everything that happened has reached the core, or never will."""

    @abstractmethod
    async def shown(self) -> list[Ours]:
        """Our messages in all places of the situation, oldest first."""
