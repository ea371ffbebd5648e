"""The parts of the core, put together once: for the product, its benchmarks and its tests alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bot.answering import Answering
from bot.assistant import Assistant
from bot.builtin import builtin_commands
from bot.commanding import Commanding
from bot.commands import Commands
from bot.happenings import Happenings
from bot.hearing import Hearing, HearingLimits
from bot.inbox import Inbox
from bot.introducing import Introducing
from bot.lanes import Lanes
from bot.outbox import Outbox
from bot.ports import Answerer, Clock, Ear, Introduction, Knowledge, OpenScreen, Platform, Screen, SystemClock, Voice
from bot.retention import Retention
from bot.rights import Rights
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store, settle_earlier_writes


@dataclass(frozen=True, slots=True)
class Core:
    """Build with :meth:`build`, then ``await start()`` and give ``inbox.accept`` to the platforms."""

    store: Store
    clock: Clock
    settings: CoreSettings
    platforms: Mapping[str, Platform]
    scopes: Scopes
    rights: Rights
    commands: Commands
    retention: Retention
    outbox: Outbox
    lanes: Lanes
    inbox: Inbox
    assistant: Assistant
    hearing: Hearing

    @classmethod
    def build(
        cls,
        store: Store,
        platforms: Mapping[str, Platform],
        knowledge: Knowledge,
        answerer: Answerer,
        *,
        settings: CoreSettings | None = None,
        clock: Clock | None = None,
        screen: Screen | None = None,
        voice: Voice | None = None,
        ear: Ear | None = None,
        hearing_limits: HearingLimits | None = None,
        introduction: Introduction | None = None,
        scopes: Scopes | None = None,
        commands: Commands | None = None,
        retention: Retention | None = None,
    ) -> Core:
        """``platforms`` by name. ``commands`` are the features', to which the built-in ones are added. What is not
        given is the core's own default, without a feature's additions."""
        settings = settings or CoreSettings()
        clock = clock or SystemClock()
        scopes = scopes or Scopes(store, clock)
        retention = retention or Retention(store, clock, settings.retention_days, settings.keys_days)
        commands = commands or Commands()
        commands.add(*builtin_commands(commands, store, scopes, retention))
        rights = Rights(platforms, settings.operators)
        outbox = Outbox(store, clock, platforms, settings, voice, screen)
        hearing = Hearing(store, platforms, screen or OpenScreen(), ear, hearing_limits)
        lanes = Lanes(clock, depth=settings.lane_depth, deadline_s=settings.answer_deadline_s)

        def stop(room_key: str) -> bool:
            hushed = outbox.hush(room_key)
            return lanes.stop(room_key) or hushed

        answering = Answering(store, clock, settings, outbox, platforms, knowledge, answerer, screen or OpenScreen())
        assistant = Assistant(
            store,
            clock,
            settings,
            scopes,
            outbox,
            happenings=Happenings(store, outbox, retention),
            commanding=Commanding(store, commands, rights, stop, platforms),
            hearing=hearing,
            answering=answering,
            introducing=Introducing(screen or OpenScreen(), introduction),
            voice=voice,
        )
        lanes.serve(assistant)
        inbox = Inbox(store, clock, lanes)
        return cls(
            store,
            clock,
            settings,
            platforms,
            scopes,
            rights,
            commands,
            retention,
            outbox,
            lanes,
            inbox,
            assistant,
            hearing,
        )

    async def start(self) -> None:
        """Take up what an earlier life left: first what was to be sent, then what was to be decided."""
        await self.store.write(settle_earlier_writes)
        await self.hearing.start()
        await self.outbox.recover()
        await self.inbox.recover(self.platforms.keys())

    async def idle(self) -> None:
        """Returns when everything accepted so far is decided and everything planned has left."""
        while self.lanes.busy() or self.outbox.busy():
            await self.lanes.idle()
            await self.outbox.idle()
            await asyncio.sleep(0)

    async def close(self, grace_s: float = 5.0) -> None:
        """Let current work end for ``grace_s``; what is left is taken up at the next start."""
        await self.lanes.close(grace_s)
        await self.outbox.close(grace_s)
