"""The last step before the inbox: in order within a room, nothing dropped while the database or history is slow.

Discord knows no acknowledgement: what its client has read is gone from the platform's hands. So an event
whose commit failed waits here, with the room's later ones behind it, until the database takes it. And after
a fresh start the events of a server wait until what was missed there has been read back, so that the
questions keep their order. Should the process die meanwhile, the history has them all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from adapters.discord.settings import DiscordSettings
from bot.errors import StoreError
from bot.event import Event, Room
from bot.ports import Accept, Clock

log = structlog.get_logger(__name__)


def space_of(room: Room) -> str:
    """The server around a room; direct rooms share the space without a name."""
    return room.space or ""


class Arrivals:
    """``on_gap`` is called when events had to be dropped, with the time of the oldest (Unix seconds): they must be
    read back from the history."""

    def __init__(
        self, accept: Accept, clock: Clock, settings: DiscordSettings, on_gap: Callable[[float], None]
    ) -> None:
        self.accept = accept
        self._clock = clock
        self._settings = settings
        self._on_gap = on_gap
        self._waiting: dict[str, deque[Event]] = {}
        self._waiting_count = 0
        self._holding = False
        self._released: set[str] = set()
        self._drains: dict[str, asyncio.Task[None]] = {}
        self._dropped_since: float | None = None

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return self._waiting_count

    # ── as things happen ─────────────────────────────────────────────────────────────────────────────

    async def arrive(self, event: Event) -> None:
        """Commit a live event, or let it wait its turn. There is no await before the inbox is called, so events
        are kept in the order of the calls."""
        room = event.room
        if self._is_held(room) or room.key in self._waiting:
            self._wait(event)
            return
        try:
            await self.accept(event)
        except StoreError as error:
            log.error("discord.commit_failed", key=event.key, error=str(error))
            self._wait(event)
            self._drain(room.key)

    async def admit(self, event: Event) -> bool:
        """Commit an event from the history, however long the database makes us wait; True when it was new."""
        pause_s = self._settings.commit_retry_first_s
        while True:
            try:
                return await self.accept(event)
            except StoreError as error:
                log.error("discord.commit_failed", key=event.key, error=str(error))
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.commit_retry_most_s)

    # ── held while the history is read ───────────────────────────────────────────────────────────────

    def hold(self) -> None:
        """From now on every event waits until its space is released."""
        self._holding = True
        self._released.clear()

    def release(self, space: str) -> None:
        """What was missed in this space has been read."""
        self._released.add(space)
        for key, events in list(self._waiting.items()):
            if not events or space_of(events[0].room) == space:
                self._drain(key)

    def release_all(self) -> None:
        self._holding = False
        for key in list(self._waiting):
            self._drain(key)

    def _is_held(self, room: Room) -> bool:
        return self._holding and space_of(room) not in self._released

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────

    def _wait(self, event: Event) -> None:
        if self._waiting_count >= self._settings.held_events:
            if self._dropped_since is None:
                log.error("discord.too_many_waiting", events=self._waiting_count)
            self._dropped_since = min(event.at, self._dropped_since or event.at)
            return
        self._waiting.setdefault(event.room.key, deque()).append(event)
        self._waiting_count += 1

    def _drain(self, key: str) -> None:
        if key in self._waiting and key not in self._drains:
            self._drains[key] = asyncio.create_task(self._drain_room(key), name=f"discord-arrivals-{key}")

    async def _drain_room(self, key: str) -> None:
        pause_s = self._settings.commit_retry_first_s
        events = self._waiting[key]
        try:
            while events:
                if self._is_held(events[0].room):
                    return  # a new session began: its release will call again
                try:
                    await self.accept(events[0])
                except StoreError:
                    await self._clock.sleep(pause_s)
                    pause_s = min(pause_s * 2, self._settings.commit_retry_most_s)
                    continue
                events.popleft()
                self._waiting_count -= 1
                pause_s = self._settings.commit_retry_first_s
            del self._waiting[key]
        finally:
            del self._drains[key]
        if self._dropped_since is not None and not self._waiting:
            since, self._dropped_since = self._dropped_since, None
            log.warning("discord.reading_back_dropped", since=since)
            self._on_gap(since)

    async def close(self) -> None:
        """Leave; what still waits is in the history."""
        drains = list(self._drains.values())
        for task in drains:
            task.cancel()
        await asyncio.gather(*drains, return_exceptions=True)
