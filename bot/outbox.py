"""The one way out: a decision and its deliveries are one commit, and a room's deliveries leave in order.

Answers, digests and reminders all leave here. What was planned and not sent when the process died is sent
by the next one, under the same keys (see :mod:`bot.sending`). A stream is a delivery that is shown while
it is made (see :mod:`bot.streaming`): after a crash the same message is completed, never a second one begun.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from bot.decision import Decision
from bot.delivery import Content, Delivery, DeliveryAct, DeliveryState, Speech
from bot.errors import StoreError
from bot.event import Room
from bot.inbox import Entry
from bot.logs import bound
from bot.pieces import first_part, parts_of, pieces_of
from bot.planning import (
    CarriedOut,
    Plan,
    RareWord,
    begin_stream,
    carry_out,
    mark,
    message_id_of,
    messages_for,
    waiting,
    withdraw,
    words_are_shown,
)
from bot.ports import Clock, OpenScreen, Platform, Screen, Voice
from bot.rescreening import TakenOut, nobody, screened_again
from bot.sending import Sender, Sent
from bot.settings import CoreSettings
from bot.speaking import Speaking
from bot.store import Operation, Store
from bot.streaming import SAID_AGAIN_AFTER_S, Stream

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Queue:
    """A room's deliveries on their way."""

    sender: Sender
    waiting: deque[tuple[Delivery, bool]] = field(default_factory=deque)
    runner: asyncio.Task[None] | None = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)  # of the delivery that is on its way
    instead: dict[int, Content] = field(default_factory=dict)  # of what it is, if it has not left


class Outbox:
    """One for all rooms and platforms (``platforms``: by name). ``voice``: says answers aloud; without it they are only
    written. ``screen``: what is planned passes it again when a filter changes, and at a start."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        platforms: Mapping[str, Platform],
        settings: CoreSettings,
        voice: Voice | None = None,
        screen: Screen | None = None,
    ) -> None:
        self._screen = screen or OpenScreen()
        self._taken_out: TakenOut = nobody
        self._speaking = Speaking(store, clock, settings, voice, self._to_queue)
        self._store = store
        self._clock = clock
        self._platforms = platforms
        self._settings = settings
        self._queues: dict[str, _Queue] = {}
        self._begun: set[int] = set()  # events whose stream may be committed, before anybody holds the stream
        self._streams: dict[int, Stream] = {}
        self._said_twice: set[int] = set()  # events whose stream has an update at large
        self._closed = False

    # ── planning ─────────────────────────────────────────────────────────────────────────────────────

    async def decide(
        self,
        entry: Entry,
        decision: Decision,
        contents: Sequence[Content] = (),
        *,
        reply_to: str | None = None,
        instead_of: Sequence[str] = (),
        take_back: Sequence[str] = (),
        rare: RareWord | None = None,
        write: Operation[object] | None = None,
        speech: Speech | None = None,
    ) -> bool:
        """Commit the decision on ``entry``, its deliveries and what else it writes – all of it, or nothing
        because there is a decision already (then False).

        ``contents`` are split to the platform's size. ``instead_of``: messages of ours that they replace,
        by edits where there is one for a part. ``take_back``: messages of ours to recall.
        ``rare``: what keeps the contents from being said too often. ``speech``: what is said aloud after them,
        where the platform has voice messages.
        """
        room = entry.event.room
        can = self._platforms[room.platform].capabilities
        if not contents and entry.id in self._begun:
            # Nothing will be said: what a stream has shown is taken back, even if it is only now on its way.
            await self.withdraw(room, (entry.id,))
            take_back = (*take_back, *await self._store.read(partial(messages_for, event_ids=(entry.id,))))
        pieces, left = pieces_of(parts_of(contents, can.max_chars), instead_of if can.edits else ())
        plan = Plan(
            origin=entry.event.key,
            room=room,
            pieces=pieces,
            planned_at=self._clock.now(),
            entry=entry,
            decision=decision,
            reply_to=reply_to,
            take_back=(*left, *take_back) if can.recalls else (),
            may_be_open=entry.id in self._begun or entry.recovered,
            rare=rare,
            write=write,
            speech=speech if can.voice else None,
        )
        stream = self._streams.get(entry.id)
        if stream is not None:
            await stream.settle()
            if stream.at_large:
                self._said_twice.add(entry.id)
        done = await self._commit(plan)
        if done is not None and done.decision is not None:
            made = done.decision
            log.info("decided", outcome=made.outcome.value, reason=made.reason.value, details=dict(made.details))
        return done is not None

    async def post(
        self, origin: str, room: Room, contents: Sequence[Content], *, write: Operation[object] | None = None
    ) -> bool:
        """Plan deliveries that answer no event (a digest). ``origin`` is their key: a second post with the same
        origin plans nothing and returns False."""
        parts = parts_of(contents, self._platforms[room.platform].capabilities.max_chars)
        pieces, _ = pieces_of(parts)
        plan = Plan(origin, room, pieces, planned_at=self._clock.now(), write=write)
        return await self._commit(plan) is not None

    async def withdraw(self, room: Room, event_ids: Sequence[int]) -> None:
        """Send nothing more for these events; returns when nothing of theirs is on its way any more, which takes one
        call of the platform at most."""
        queue = self._queues.get(room.key)
        await self._store.write(partial(withdraw, event_ids=event_ids))
        if queue is None or not queue.waiting:
            return
        sending, *others = queue.waiting
        kept = [item for item in others if item[0].event_id not in event_ids]
        queue.waiting = deque([sending, *kept])
        while queue.waiting and queue.waiting[0] is sending and sending[0].event_id in event_ids:
            queue.unwanted.set()
            queue.moved.clear()
            await queue.moved.wait()

    def when_taken_out(self, told: TakenOut) -> None:
        """Who posts is told what of it does not leave after all; before :meth:`recover`."""
        self._taken_out = told

    async def screen_again(self, room: Room) -> None:
        """The room's filter has changed: what has not left passes it once more (see :mod:`bot.rescreening`)."""
        for changed in await screened_again(self._store, self._screen, room, self._taken_out):
            queue, content = self._queues.get(changed.delivery.room.key), changed.content
            if queue is None:
                continue
            for place, (delivery, attempted_before) in enumerate(queue.waiting):
                if delivery.id != changed.delivery.id:
                    continue
                now = (
                    replace(delivery, content=content) if content else replace(delivery, state=DeliveryState.CANCELLED)
                )
                queue.waiting[place] = now, attempted_before
                if place == 0:  # it may be on its way: no further attempt with the old words
                    queue.instead.pop(delivery.id, None)
                    if content is not None:
                        queue.instead[delivery.id] = content
                    queue.unwanted.set()

    async def _commit(self, plan: Plan) -> CarriedOut | None:
        def send(carried: CarriedOut | None) -> None:
            # On the commit, not on the caller: a cancelled caller must not leave a planned delivery lying.
            if carried is not None:
                for delivery in carried.deliveries:
                    # A stream was opened before, perhaps by a life that died before it knew the message's id.
                    self._enqueue(delivery, attempted_before=delivery.act is DeliveryAct.STREAM)

        planned = await self._store.submit(partial(carry_out, plan=plan), send)
        if plan.entry is not None:
            self._begun.discard(plan.entry.id)
            self._streams.pop(plan.entry.id, None)
            if planned is None:
                await self._take_up(plan.entry)
        return planned

    async def _take_up(self, entry: Entry) -> None:
        """The event was decided before, perhaps by a commit whose reply was lost: then its deliveries still lie."""
        queued = self._queued(entry.event.room)  # one of them may have left when the database has been read
        deliveries = await self._store.read(partial(waiting, event_id=entry.id))
        queued |= self._queued(entry.event.room)
        for delivery in deliveries:
            if delivery.id not in queued:
                self._enqueue(delivery, attempted_before=delivery.act is DeliveryAct.STREAM)

    def _queued(self, room: Room) -> set[int]:
        return {delivery.id for delivery, _ in self._queue(room).waiting} | self._speaking.known()

    # ── streams ──────────────────────────────────────────────────────────────────────────────────────

    async def open(self, entry: Entry, text: str, reply_to: str | None) -> Stream:
        """Begin to show an answer that is still being made – or go on with the message that an earlier life of
        this process began for the same event."""
        room = entry.event.room
        platform = self._platforms[room.platform]
        self._begun.add(entry.id)
        begun = self._store.submit(
            partial(
                begin_stream,
                entry=entry,
                content=Content(first_part(text, platform.capabilities.max_chars)),
                reply_to=reply_to,
                planned_at=self._clock.now(),
            )
        )
        delivery, is_new = await begun
        queue = self._queue(room)
        stream = self._streams[entry.id] = Stream(delivery, text, platform, queue.sender)
        self._enqueue(delivery, attempted_before=not is_new)
        return stream

    def shown(self, entry: Entry) -> str | None:
        """What an open stream shows of an answer so far; None when nothing is open."""
        stream = self._streams.get(entry.id)
        return stream.text if stream else None

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────

    async def recover(self) -> int:
        """Take up what was planned and not sent; returns how many. Call before the inbox recovers.

        Only the first of a room is in doubt: the next one leaves after its mark (:meth:`_mark`).
        """
        # The filter may have changed just before the end.
        await screened_again(self._store, self._screen, taken_out=self._taken_out)
        deliveries = await self._store.read(waiting)
        in_doubt: set[str] = set()
        for delivery in deliveries:
            if delivery.act is DeliveryAct.SPEAK:  # left when its sound was made, whatever was planned after it
                self._enqueue(delivery, attempted_before=True)
                continue
            self._enqueue(delivery, attempted_before=delivery.room.key not in in_doubt)
            in_doubt.add(delivery.room.key)
        if deliveries:
            log.info("outbox.recovered", deliveries=len(deliveries))
        return len(deliveries)

    async def ready(self, room: Room) -> None:
        """Returns when the room's platform has taken all but a few of the room's deliveries."""
        while (queue := self._queues.get(room.key)) and len(queue.waiting) >= self._settings.unsent_per_room:
            queue.moved.clear()
            await queue.moved.wait()

    def _queue(self, room: Room) -> _Queue:
        if room.key not in self._queues:
            sender = Sender(self._platforms[room.platform], self._clock, self._settings)
            self._queues[room.key] = _Queue(sender)
        return self._queues[room.key]

    def _enqueue(self, delivery: Delivery, *, attempted_before: bool) -> None:
        if self._closed:  # its commit came too late for this life
            return
        if delivery.room.platform not in self._platforms:
            log.warning("outbox.no_platform", delivery=delivery.id, platform=delivery.room.platform)
            return
        if delivery.act is DeliveryAct.SPEAK and delivery.content.audio is None:
            self._speaking.begin(delivery)
        else:
            self._to_queue(delivery, attempted_before)

    def _to_queue(self, delivery: Delivery, attempted_before: bool) -> None:
        if self._closed:
            return
        queue = self._queue(delivery.room)
        queue.waiting.append((delivery, attempted_before))
        if queue.runner is None:
            queue.runner = asyncio.create_task(self._drain(queue))

    async def _drain(self, queue: _Queue) -> None:
        try:
            while queue.waiting:
                delivery, attempted_before = queue.waiting[0]
                try:
                    with bound(event_id=delivery.event_id, room=delivery.room.key):
                        await self._deliver(queue, delivery, attempted_before)
                except StoreError as error:  # the database cannot be read: the delivery waits for it
                    log.error("outbox.unread", delivery=delivery.id, error=str(error))
                    await self._clock.sleep(queue.sender.pause_s(1))
                    continue
                queue.waiting.popleft()
                queue.moved.set()
        finally:
            queue.runner = None

    async def _deliver(self, queue: _Queue, delivery: Delivery, attempted_before: bool) -> None:
        if delivery.state is DeliveryState.CANCELLED:
            return
        sender, queue.unwanted = queue.sender, asyncio.Event()
        stream = self._streams.get(delivery.event_id) if delivery.event_id is not None else None
        is_stream = delivery.act is DeliveryAct.STREAM
        if is_stream and delivery.message_id is None:
            # Its first words may have left while its completion was being planned, or in an earlier life.
            attempted_before = True
            delivery = replace(
                delivery, message_id=await self._store.read(partial(message_id_of, delivery_id=delivery.id))
            )
        try:
            if delivery.act is DeliveryAct.SPEAK and not await self._store.read(
                partial(words_are_shown, delivery=delivery)
            ):
                sent = Sent(DeliveryState.CANCELLED, error="its words did not arrive")
            else:
                sent = await sender.deliver(delivery, attempted_before=attempted_before, unwanted=queue.unwanted)
                # As often as its words change while it waits for its next attempt.
                while (instead := queue.instead.pop(delivery.id, None)) and sent.state is DeliveryState.CANCELLED:
                    delivery, queue.unwanted = replace(delivery, content=instead), asyncio.Event()
                    sent = await sender.deliver(delivery, attempted_before=attempted_before, unwanted=queue.unwanted)
        except StoreError:
            raise
        except Exception as error:  # a defect of ours: recorded, and the room goes on
            log.exception("outbox.failed", delivery=delivery.id)
            sent = Sent(DeliveryState.UNCERTAIN, error=f"{type(error).__name__}: {error}")
        if sent.state in (DeliveryState.UNDELIVERABLE, DeliveryState.UNCERTAIN):
            log.error("outbox.not_sent", delivery=delivery.id, state=sent.state.value, why=sent.error)
        await self._mark(sender, delivery, sent)
        if stream is not None and delivery.state is DeliveryState.OPEN:
            stream.begin(sent)
        if is_stream and sent.state is DeliveryState.SENT and delivery.event_id in self._said_twice:
            self._said_twice.discard(delivery.event_id)
            if not await sender.unwanted_within(SAID_AGAIN_AFTER_S):
                again = replace(delivery, message_id=sent.message_id)
                await sender.deliver(again, attempted_before=True, unwanted=queue.unwanted)

    async def _mark(self, sender: Sender, delivery: Delivery, sent: Sent) -> None:
        """Returns when it is written down how ``delivery`` ended. The room's next one waits for that, so that a
        crash leaves one delivery of a room in doubt and not all of them."""
        for failures in itertools.count(1):
            try:
                await self._store.write(partial(mark, delivery=delivery, sent=sent, now=self._clock.now()))
            except StoreError:
                log.error("outbox.mark_failed", delivery=delivery.id, failures=failures)
                await self._clock.sleep(sender.pause_s(failures))
            else:
                return

    def hush(self, room_key: str) -> bool:
        """Leave out the voice messages of a room that are not made yet; whether there were any."""
        return self._speaking.hush(room_key)

    # ── health and the end ───────────────────────────────────────────────────────────────────────────

    def waiting(self) -> int:
        """Deliveries on their way, over all rooms."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def busy(self) -> bool:
        """Whether a delivery is on its way, or the mark of one."""
        return self.waiting() > 0 or self._speaking.busy()

    async def idle(self) -> None:
        """Returns when every delivery has left or was given up."""
        while runners := [
            *(queue.runner for queue in self._queues.values() if queue.runner),
            *self._speaking.runners(),
        ]:
            await asyncio.wait(runners)

    async def close(self, grace_s: float = 0.0) -> None:
        """Give deliveries on their way ``grace_s``, then let go: what is planned stays planned."""
        self._closed = True
        await self._speaking.close()
        runners = [queue.runner for queue in self._queues.values() if queue.runner]
        if runners:
            await asyncio.wait(runners, timeout=grace_s)
        for task in runners:
            task.cancel()
        await asyncio.gather(*runners, return_exceptions=True)
        for stream in self._streams.values():
            await stream.settle()
