"""All parts, joined: the one place that knows every one of them.

``App.open`` builds, ``App.run`` works until it is told to stop. The end is orderly: receive nothing more, give
current work a moment, close. What is left undecided or unsent stays in the database for the next start.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import structlog

from bot.builtin import builtin_commands
from bot.commands import Commands
from bot.core import Core
from bot.errors import UsageError
from bot.ports import Accept, Clock, Platform, SystemClock
from bot.retention import Retention
from bot.scopes import Scopes
from bot.store import Store
from maodou.config import ROOM_SETTINGS, Settings
from maodou.database import open_store
from maodou.documents import Documents
from maodou.housekeeping import Housekeeping
from maodou.instance import only_one

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 5.0
"""What current work gets to end in when the process is told to stop."""

RESTART_PLATFORM_AFTER_S = 5.0
"""A platform that fell over by a defect is started again after this."""


@dataclass(slots=True)
class App:
    """``platforms`` by name; ``fallen``: those that fell over, and why."""

    settings: Settings
    store: Store
    core: Core
    documents: Documents
    housekeeping: Housekeeping
    platforms: Mapping[str, Platform]
    fallen: dict[str, str] = field(default_factory=dict)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @contextmanager
    def open(
        cls,
        settings: Settings,
        make_platforms: Callable[[Settings, Store, Clock], Sequence[Platform]],
        clock: Clock | None = None,
    ) -> Iterator[App]:
        """Everything open on the settings' data, closed afterwards. Blocks; before the event loop.

        Raises ``UsageError`` and ``StoreError`` with a sentence for the operator.
        """
        clock = clock or SystemClock()
        with ExitStack() as opened:
            store = open_store(settings)
            opened.callback(store.close)
            opened.enter_context(only_one(settings, store))
            platforms = {platform.name: platform for platform in make_platforms(settings, store, clock)}
            documents = opened.enter_context(Documents.open(settings, store))
            scopes = Scopes(store, clock, ROOM_SETTINGS, configured=settings.rooms)
            retention = Retention(store, clock, settings.core.retention_days, settings.core.keys_days)
            commands = Commands()
            commands.add(*builtin_commands(commands, store, scopes, retention))
            core = Core.build(
                store,
                platforms,
                documents.knowledge,
                documents.answerer,
                settings=settings.core,
                clock=clock,
                scopes=scopes,
                commands=commands,
                retention=retention,
            )
            housekeeping = Housekeeping(store, retention, clock, settings.data_dir)
            yield cls(settings, store, core, documents, housekeeping, platforms)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Work until :meth:`stop`, a signal, or the end of a platform's input. ``ready`` is called once it works."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        await self.core.start()
        self.documents.start()
        receiving = [
            asyncio.create_task(self._receive(platform), name=f"platform {platform.name}")
            for platform in self.platforms.values()
        ]
        keeping = asyncio.create_task(self.housekeeping.run(), name="housekeeping")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        ready()
        try:
            await asyncio.wait([stopping, *receiving], return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                await self.core.idle()  # an input came to its end: answer what it said
        finally:
            log.info("app.stopping")
            for task in (*receiving, keeping, stopping):
                task.cancel()
            ended = await asyncio.gather(*receiving, keeping, stopping, return_exceptions=True)
            await self.core.close(STOP_WITHIN_S)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    def stop(self) -> None:
        """End :meth:`run` in order."""
        self._stop.set()

    async def _receive(self, platform: Platform) -> None:
        """Run a platform. What it says the operator must mend ends the app; a defect costs only a new start."""
        accept: Accept = self.core.inbox.accept
        while True:
            try:
                await platform.run(accept)
                return
            except UsageError:
                raise
            except Exception as error:  # one platform's defect must not take the others down
                log.exception("platform.fell", platform=platform.name)
                self.fallen[platform.name] = f"It fell over: {error}"
            await asyncio.sleep(RESTART_PLATFORM_AFTER_S)
            self.fallen.pop(platform.name, None)

    def health(self) -> dict[str, str | None]:
        """By part: None while it is well, otherwise what is wrong, as a sentence."""
        stuck = self.core.lanes.stuck()
        return {
            "lanes": f"Stuck: {', '.join(stuck)}" if stuck else None,
            "database": self.housekeeping.trouble,
            "knowledge": self.documents.trouble,
            **{name: self.fallen.get(name) or platform.health() for name, platform in self.platforms.items()},
        }
