"""All parts, joined: the one place that knows every one of them.

``App.open`` builds, ``App.run`` works until it is told to stop. The end is orderly: receive nothing more, give
current work a moment, close. What is left undecided or unsent stays in the database for the next start.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import structlog

from asr_tts.commands import VoiceCommands
from asr_tts.correcting import Correcting
from asr_tts.ear import LocalEar, ServerEar, make_ear
from asr_tts.keeping import kept_notes, spoken_answers
from asr_tts.mouth import Mouth, who_speaks
from bot.commands import Commands
from bot.core import Core
from bot.errors import UsageError
from bot.hearing import HearingLimits
from bot.ports import Accept, Clock, Platform, SystemClock
from bot.retention import Retention
from bot.scopes import Scopes
from bot.store import Store
from llm.commands import ModelCommands
from maodou.config import ROOM_SETTINGS, Settings
from maodou.database import open_store
from maodou.documents import Documents
from maodou.housekeeping import Housekeeping
from maodou.instance import only_one
from maodou.introduction import introduction_of
from maodou.kb_rooms import ERASERS, knowledge_commands
from maodou.reading import make_reading
from moderation.commands import FilterCommands
from moderation.judging import Filter
from moderation.screen import FilterScreen
from moderation.standings import Standings
from recommender.reading import Reading

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 5.0
"""What current work gets to end in when the process is told to stop."""

CONNECTED_EVERY_S = 0.1
"""How often a platform that is starting is asked whether it is connected."""

RESTART_PLATFORM_AFTER_S = 5.0
"""A platform that fell over by a defect is started again after this."""


@dataclass(slots=True)
class App:
    """``platforms`` by name; ``fallen``: those that fell over, and why."""

    settings: Settings
    store: Store
    core: Core
    documents: Documents
    reading: Reading
    housekeeping: Housekeeping
    ear: LocalEar | ServerEar
    mouth: Mouth | None
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
            documents = opened.enter_context(Documents.open(settings, store, sample=True))
            scopes = Scopes(store, clock, ROOM_SETTINGS, configured=settings.rooms)
            screen = FilterScreen(scopes, Filter.shipped(), Standings(platforms, clock))
            retention = Retention(store, clock, settings.core.retention_days, settings.core.keys_days)
            notes = settings.data_dir / "notes"
            speech = settings.data_dir / "speech"
            retention.add(*ERASERS, kept_notes(notes), spoken_answers(speech))
            hearing = settings.data_dir / "hearing"
            ear = make_ear(settings.voice.ear, settings.data_dir / "models", hearing)
            mouth = Mouth.make(settings.voice.mouth, speech, clock)
            correcting = Correcting(store, lambda event: core.inbox.accept(event))
            core = Core.build(
                store,
                platforms,
                documents.knowledge,
                documents.answerer,
                settings=settings.core,
                clock=clock,
                screen=screen,
                ear=ear,
                voice=mouth,
                hearing_limits=HearingLimits(
                    follow_up_s=settings.voice.follow_up_s,
                    max_note_bytes=settings.voice.ear.max_note_bytes,
                    work_dir=hearing,
                    keep_dir=notes if settings.voice.keep_audio else None,
                ),
                introduction=introduction_of(settings, documents.model),
                scopes=scopes,
                retention=retention,
                commands=Commands(
                    (
                        *knowledge_commands(documents, store, settings, platforms),
                        FilterCommands(scopes, screen).command,
                        VoiceCommands(
                            scopes,
                            correcting.command,
                            leaves_machine=ear.leaves_machine,
                            keeps_audio=settings.voice.keep_audio,
                            speaks=next(iter(who_speaks(settings.voice.mouth)), ""),
                        ).command,
                        ModelCommands(settings.model, documents.model).command,
                    )
                ),
            )
            reading = make_reading(settings, core, screen, documents.model)
            housekeeping = Housekeeping(store, retention, clock, settings.data_dir)
            yield cls(settings, store, core, documents, reading, housekeeping, ear, mouth, platforms)

    async def run(
        self, announce: Callable[[Platform], None] = lambda platform: None, leave: Callable[[], None] = lambda: None
    ) -> None:
        """Work until :meth:`stop`, a signal, or the end of a platform's input.

        ``announce`` is called for each platform when it is connected for the first time; ``leave`` when it was told
        to stop, before current work gets its time to end.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        await self.core.start()
        self.documents.start()
        receiving = [asyncio.create_task(self._receive(platform)) for platform in self.platforms.values()]
        beside = [
            asyncio.create_task(self.housekeeping.run()),
            asyncio.create_task(self.reading.run()),
            asyncio.create_task(self.ear.start()),
            *(asyncio.create_task(_when_connected(platform, announce)) for platform in self.platforms.values()),
        ]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([stopping, *receiving], return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                # An input came to its end: answer what it said, unless we are told to stop meanwhile.
                beside.append(idle := asyncio.create_task(self.core.idle()))
                await asyncio.wait([stopping, idle], return_when=asyncio.FIRST_COMPLETED)
        finally:
            log.info("app.stopping")
            if self._stop.is_set():
                leave()
            for task in (*receiving, *beside, stopping):
                task.cancel()
            ended = await asyncio.gather(*receiving, *beside, stopping, return_exceptions=True)
            await self.core.close(STOP_WITHIN_S)
            await self.ear.close()
            if self.mouth is not None:
                await self.mouth.aclose()
            await self.documents.aclose()
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    def stop(self) -> None:
        """End :meth:`run` in order; asked a second time, at once: nothing durable is lost by that."""
        if self._stop.is_set():
            log.warning("app.stopped_at_once")
            os._exit(1)
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
            "feeds": self.reading.trouble,
            "ear": self.ear.trouble,
            **({"mouth": self.mouth.health()} if self.mouth is not None else {}),
            **({"model": self.documents.model.health()} if self.documents.model is not None else {}),
            **{name: self.fallen.get(name) or platform.health() for name, platform in self.platforms.items()},
        }


async def _when_connected(platform: Platform, announce: Callable[[Platform], None]) -> None:
    while platform.health() is not None:  # noqa: ASYNC110 – a platform tells its health when it is asked
        await asyncio.sleep(CONNECTED_EVERY_S)
    announce(platform)
