"""A lane per room: in order within a room, rooms independent of each other.

Commands, recalls and other small things take the room's express lane and overtake; a long answer never
holds up a ``/stop``. A message has a deadline; whatever ends its work early – the deadline, a ``/stop``, a
recall, an exception – ends in ``give_up`` and so in a decision. A lane exists only while it has work.

This is the :class:`bot.inbox.Dispatcher` of one process. Nothing durable lives here: after a crash the
inbox fills the lanes again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

import structlog

from bot.decision import Outcome, Reason
from bot.errors import StoreError
from bot.event import Edited, Pressed, Recalled, Said
from bot.inbox import Entry
from bot.logs import bound
from bot.ports import Clock

log = structlog.get_logger(__name__)

TAKES_LONG_S = 0.3
"""Work that is done sooner needs no sign that it is being done."""

WATCH_EVERY_S = 0.1
"""How often the work in progress is looked at. One watch for all lanes: a timer of its own for every message
lies on the loop's heap long after the message is answered and the timer cancelled."""

STORE_PAUSE_S = 2.0
"""How long a lane waits when the database took no decision, before it decides the entry again."""


class Handler(Protocol):
    """Who decides entries: the assistant."""

    def overtakes(self, entry: Entry) -> bool:
        """Whether the entry takes the express lane."""
        ...

    async def ready(self, entry: Entry) -> None:
        """Returns when the room can take another answer (its platform has taken the earlier ones)."""
        ...

    async def handle(self, entry: Entry) -> float | None:
        """Decide the entry; or return the time (Unix seconds) at which it wants to be asked again."""
        ...

    def takes_long(self, entry: Entry) -> None:
        """Called once for an entry whose work is not done after ``TAKES_LONG_S``."""
        ...

    async def give_up(self, entry: Entry, outcome: Outcome, reason: Reason) -> None:
        """Decide an entry whose work ended early. A decision that is there already stays."""
        ...


class _Track(Enum):
    """The tracks of a room, which do not wait for each other."""

    MAIN = "main"
    EXPRESS = "express"  # commands, recalls
    REFUSED = "refused"  # what the full main track did not take; one by one, so that one of them gets the word


@dataclass(slots=True)
class _Lane:
    entries: deque[Entry] = field(default_factory=deque)
    current: Entry | None = None
    since: float = 0.0
    began: float | None = None  # loop time; while the handler has the current entry, and may be cancelled
    takes_long: bool = False  # the handler was told so
    ended_by: Reason | None = None  # why the current work was cancelled, when it was
    runner: asyncio.Task[None] | None = None


class Lanes:
    """``depth``: waiting messages per room. ``deadline_s``: the longest work on one message."""

    def __init__(self, clock: Clock, *, depth: int, deadline_s: float) -> None:
        self._clock = clock
        self._depth = depth
        self._deadline_s = deadline_s
        self._lanes: dict[tuple[str, _Track], _Lane] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._handler: Handler | None = None
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    def serve(self, handler: Handler) -> None:
        """Say who decides; once, before the first entry."""
        self._handler = handler

    @property
    def handler(self) -> Handler:
        if self._handler is None:
            raise RuntimeError("Lanes.serve comes before the first entry")
        return self._handler

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────

    def dispatch(self, entry: Entry, *, recovered: bool = False) -> None:
        """Queue ``entry`` behind the earlier ones of its room. A full lane refuses it – unless it was
        ``recovered``: what was accepted before a restart is not refused after it."""
        if self._closed:
            return
        if entry.due_at is not None and entry.due_at > self._clock.now():
            self._later(entry, entry.due_at)
            return
        if isinstance(entry.event, Recalled | Edited):
            self._withdraw(entry.event)
        room_key = entry.event.room.key
        track = _Track.EXPRESS if self.handler.overtakes(entry) else _Track.MAIN
        lane = self._lanes.setdefault((room_key, track), _Lane())
        if len(lane.entries) >= self._depth and not recovered and not isinstance(entry.event, Recalled):
            track = _Track.REFUSED
            lane = self._lanes.setdefault((room_key, track), _Lane())
        lane.entries.append(entry)
        if lane.runner is None:
            lane.runner = asyncio.create_task(self._run(room_key, track, lane))
            if self._watch is None:
                self._watch = asyncio.create_task(self._keep_watch())

    @staticmethod
    def _busy(entry: Entry) -> tuple[Outcome, Reason]:
        event = entry.event
        addressed = isinstance(event, Pressed) or (isinstance(event, Said | Edited) and event.message.is_addressed)
        return (Outcome.REFUSED, Reason.TOO_BUSY) if addressed else (Outcome.SILENT, Reason.BUSY)

    def _withdraw(self, event: Recalled | Edited) -> None:
        """A message was recalled or edited: nobody works on its old text any more."""
        if isinstance(event, Recalled):
            message_id, reason = event.message_id, Reason.RECALLED
        else:
            message_id, reason = event.message.id, Reason.SUPERSEDED
        lane = self._lanes.get((event.room.key, _Track.MAIN))
        if lane is None:
            return
        if lane.current is not None and _message_id(lane.current) == message_id:
            self._cancel(lane, reason)
        for old in [entry for entry in lane.entries if _message_id(entry) == message_id]:
            lane.entries.remove(old)
            self._start(self._drop(old, reason))

    def stop(self, room_key: str) -> bool:
        """Cancel the answer in progress in a room; False when there is none."""
        lane = self._lanes.get((room_key, _Track.MAIN))
        if lane is None or lane.began is None:
            return False
        self._cancel(lane, Reason.STOPPED)
        return True

    @staticmethod
    def _cancel(lane: _Lane, reason: Reason) -> None:
        if lane.began is not None and lane.ended_by is None and lane.runner is not None:
            lane.ended_by = reason
            lane.runner.cancel()

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self, room_key: str, track: _Track, lane: _Lane) -> None:
        while lane.entries:
            lane.current = entry = lane.entries.popleft()
            lane.since = self._clock.now()
            with bound(event_id=entry.id, room=room_key):
                while not await self._decide(entry, track, lane):
                    if self._closed:
                        return
                    await self._clock.sleep(STORE_PAUSE_S)
            lane.current = lane.ended_by = None
        del self._lanes[room_key, track]  # no await since the loop's last look: nothing came in between

    async def _decide(self, entry: Entry, track: _Track, lane: _Lane) -> bool:
        """Let the handler decide ``entry``; whatever happens, this returns with a decision made – or False when
        the database took none, and then the entry has to be decided again."""
        if track is _Track.REFUSED:
            return await self._give_up(entry, *self._busy(entry))
        if lane.ended_by is not None:  # in an attempt whose decision the database did not take: it stays the decision
            return await self._end_early(entry, lane.ended_by)
        return await self._work(entry, track, lane)

    async def _work(self, entry: Entry, track: _Track, lane: _Lane) -> bool:
        try:
            if track is _Track.MAIN:  # a command is answered although the platform is slow
                await self.handler.ready(entry)
            lane.since = self._clock.now()
            lane.began, lane.takes_long = asyncio.get_running_loop().time(), False
            try:
                again_at = await self.handler.handle(entry)
            finally:
                lane.began = None
                if lane.ended_by is not None and lane.runner is not None:
                    lane.runner.uncancel()  # whatever the handler made of it, it was meant for this entry alone
            if again_at is not None:
                self._later(entry, again_at)
        except asyncio.CancelledError:
            if lane.ended_by is None:
                if _is_cancelled():  # the whole process is stopping: the inbox keeps the entry
                    raise
                log.exception("lane.failed")  # somebody else's work, which the handler waited for, was cancelled
        except StoreError:
            return False
        except Exception:  # one message must not end its room; it is logged and decided
            log.exception("lane.failed")
        else:
            return True
        return await self._end_early(entry, lane.ended_by)

    async def _end_early(self, entry: Entry, why: Reason | None) -> bool:
        """``why`` the work was cancelled; None when it failed by itself."""
        if why is None:
            return await self._give_up(entry, Outcome.FAILED, Reason.ERROR)
        if why is Reason.TIMEOUT:
            log.warning("lane.deadline", deadline_s=self._deadline_s)
            return await self._give_up(entry, Outcome.FAILED, Reason.TIMEOUT)
        return await self._give_up(entry, Outcome.SILENT, why)

    async def _keep_watch(self) -> None:
        """Tell the handler of work that takes long, and end what has reached its deadline."""
        loop = asyncio.get_running_loop()
        every_s = min(WATCH_EVERY_S, self._deadline_s / 4)
        while self._lanes:
            await asyncio.sleep(every_s)
            now = loop.time()
            for lane in self._lanes.values():
                if lane.began is None or lane.current is None:
                    continue
                if now - lane.began >= self._deadline_s:
                    self._cancel(lane, Reason.TIMEOUT)
                elif now - lane.began >= TAKES_LONG_S and not lane.takes_long:
                    lane.takes_long = True
                    try:
                        self.handler.takes_long(lane.current)
                    except Exception:  # a defect behind one sign must not cost all others their deadline
                        log.exception("lane.no_sign", event_id=lane.current.id)
        self._watch = None

    async def _give_up(self, entry: Entry, outcome: Outcome, reason: Reason) -> bool:
        try:
            await self.handler.give_up(entry, outcome, reason)
        except StoreError:
            return False
        except (Exception, asyncio.CancelledError) as error:  # a defect of ours in the last resort: the room goes on
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            log.exception("lane.undecided", event_id=entry.id)
        return True

    async def _drop(self, entry: Entry, reason: Reason) -> None:
        """Give up an entry that was still waiting."""
        while not await self._give_up(entry, Outcome.SILENT, reason):
            await self._clock.sleep(STORE_PAUSE_S)

    def _later(self, entry: Entry, at: float) -> None:
        async def wait() -> None:
            await self._clock.sleep(max(0.0, at - self._clock.now()))
            self.dispatch(replace(entry, due_at=at), recovered=True)

        self._start(wait())

    def _start(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    # ── health and the end ───────────────────────────────────────────────────────────────────────────

    def stuck(self) -> list[str]:
        """Rooms whose current work has outlived its deadline by half: a blocked handler, a dead platform."""
        now = self._clock.now()
        return [
            room
            for (room, _), lane in self._lanes.items()
            if lane.current is not None and now - lane.since > 1.5 * self._deadline_s
        ]

    def busy(self) -> bool:
        """Whether a lane has work."""
        return bool(self._lanes)

    async def idle(self) -> None:
        """Returns when no lane has work; entries that wait for a later time do not count."""
        while runners := [lane.runner for lane in self._lanes.values() if lane.runner]:
            await asyncio.wait(runners)

    async def close(self, grace_s: float = 0.0) -> None:
        """Take nothing more, give current work ``grace_s`` to end, then cancel; undecided entries stay kept."""
        self._closed = True
        runners = [lane.runner for lane in self._lanes.values() if lane.runner]
        for lane in self._lanes.values():
            lane.entries.clear()
        if runners:
            await asyncio.wait(runners, timeout=grace_s)
        watch = () if self._watch is None else (self._watch,)
        left = [task for task in (*runners, *self._waiting, *watch) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _is_cancelled() -> bool:
    """Whether the task that asks is cancelled itself, and not just something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _message_id(entry: Entry) -> str | None:
    return entry.event.message.id if isinstance(entry.event, Said | Edited) else None
