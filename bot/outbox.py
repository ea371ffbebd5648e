"""The one way out: a decision and its deliveries are one commit, and a room's deliveries leave in order.

Answers, digests and reminders all leave here. What was planned and not sent when the process died is sent
by the next one, under the same keys (see :mod:`bot.sending`). A stream is a delivery that is shown while
it is made (see :class:`Stream`): after a crash the same message is completed, never a second one begun.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from bot.decision import Decision
from bot.delivery import Content, Delivery, DeliveryAct, DeliveryState
from bot.errors import StoreError
from bot.event import Room
from bot.inbox import Entry
from bot.planning import (
    CarriedOut,
    Piece,
    Plan,
    RareWord,
    begin_stream,
    carry_out,
    mark,
    message_id_of,
    messages_for,
    waiting,
    withdraw,
)
from bot.ports import Clock, Platform
from bot.sending import Sender, Sent
from bot.settings import CoreSettings
from bot.splitting import split
from bot.store import Operation, Store

log = structlog.get_logger(__name__)

UPDATE_TIMEOUT_S = 5.0
"""How long one update of a stream may take; the next one shows more anyway."""


@dataclass(slots=True)
class _Queue:
    """A room's deliveries on their way."""

    sender: Sender
    waiting: deque[tuple[Delivery, bool]] = field(default_factory=deque)
    runner: asyncio.Task[None] | None = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)  # of the delivery that is on its way


class Outbox:
    def __init__(self, store: Store, clock: Clock, platforms: Mapping[str, Platform], settings: CoreSettings) -> None:
        self._store = store
        self._clock = clock
        self._platforms = platforms
        self._settings = settings
        self._queues: dict[str, _Queue] = {}
        self._begun: set[int] = set()  # events whose stream may be committed, before anybody holds the stream
        self._streams: dict[int, Stream] = {}

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
    ) -> bool:
        """Commit the decision on ``entry``, its deliveries and what else it writes – all of it, or nothing
        because there is a decision already (then False).

        ``contents`` are split to the platform's size. ``instead_of``: messages of ours that they replace,
        by edits where there is one for a part. ``take_back``: messages of ours to recall.
        ``rare``: what keeps the contents from being said too often.
        """
        room = entry.event.room
        can = self._platforms[room.platform].capabilities
        if not contents and entry.id in self._begun:
            # Nothing will be said: what a stream has shown is taken back, even if it is only now on its way.
            await self.withdraw(room, (entry.id,))
            take_back = (*take_back, *await self._store.read(partial(messages_for, event_ids=(entry.id,))))
        pieces, left = _pieces(_parts(contents, can.max_chars), instead_of if can.edits else ())
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
        )
        stream = self._streams.get(entry.id)
        if stream is not None:
            await stream.settle()
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
        parts = _parts(contents, self._platforms[room.platform].capabilities.max_chars)
        pieces, _ = _pieces(parts, ())
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

    async def _commit(self, plan: Plan) -> CarriedOut | None:
        committed = self._store.submit(partial(carry_out, plan=plan))

        def send(done: asyncio.Future[CarriedOut | None]) -> None:
            # On the commit, not on the caller: a cancelled caller must not leave a planned delivery lying.
            if not done.cancelled() and done.exception() is None and (carried := done.result()) is not None:
                for delivery in carried.deliveries:
                    # A stream was opened before, perhaps by a life that died before it knew the message's id.
                    self._enqueue(delivery, attempted_before=delivery.act is DeliveryAct.STREAM)

        committed.add_done_callback(send)
        planned = await asyncio.shield(committed)
        if plan.entry is not None:
            self._begun.discard(plan.entry.id)
            self._streams.pop(plan.entry.id, None)
            if planned is None:
                await self._take_up(plan.entry)
        return planned

    async def _take_up(self, entry: Entry) -> None:
        """The event was decided before, perhaps by a commit whose reply was lost: then its deliveries still lie."""
        deliveries = await self._store.read(partial(waiting, event_id=entry.id))
        queued = {delivery.id for delivery, _ in self._queue(entry.event.room).waiting}
        for delivery in deliveries:
            if delivery.id not in queued:
                self._enqueue(delivery, attempted_before=delivery.act is DeliveryAct.STREAM)

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
                content=Content(_first_part(text, platform)),
                reply_to=reply_to,
                planned_at=self._clock.now(),
            )
        )
        delivery, is_new = await asyncio.shield(begun)
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
        deliveries = await self._store.read(waiting)
        in_doubt: set[str] = set()
        for delivery in deliveries:
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
        if delivery.room.platform not in self._platforms:
            log.warning("outbox.no_platform", delivery=delivery.id, platform=delivery.room.platform)
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
            sent = await sender.deliver(delivery, attempted_before=attempted_before, unwanted=queue.unwanted)
        except Exception as error:  # a defect of ours: recorded, and the room goes on
            log.exception("outbox.failed", delivery=delivery.id)
            sent = Sent(DeliveryState.UNCERTAIN, error=f"{type(error).__name__}: {error}")
        if sent.state in (DeliveryState.UNDELIVERABLE, DeliveryState.UNCERTAIN):
            log.error("outbox.not_sent", delivery=delivery.id, state=sent.state.value, why=sent.error)
        await self._mark(sender, delivery, sent)
        if stream is not None and delivery.state is DeliveryState.OPEN:
            stream.begin(sent)

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

    # ── health and the end ───────────────────────────────────────────────────────────────────────────

    def waiting(self) -> int:
        """Deliveries on their way, over all rooms."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def busy(self) -> bool:
        """Whether a delivery is on its way, or the mark of one."""
        return self.waiting() > 0

    async def idle(self) -> None:
        """Returns when every delivery has left or was given up."""
        while runners := [queue.runner for queue in self._queues.values() if queue.runner]:
            await asyncio.wait(runners)

    async def close(self, grace_s: float = 0.0) -> None:
        """Give deliveries on their way ``grace_s``, then let go: what is planned stays planned."""
        runners = [queue.runner for queue in self._queues.values() if queue.runner]
        if runners:
            await asyncio.wait(runners, timeout=grace_s)
        for task in runners:
            task.cancel()
        await asyncio.gather(*runners, return_exceptions=True)
        for stream in self._streams.values():
            await stream.settle()


class Stream:
    """An answer that the room sees being made. Updates are best effort and paced; only the newest counts."""

    def __init__(self, delivery: Delivery, text: str, platform: Platform, sender: Sender) -> None:
        self.text = text
        self._delivery = delivery
        self._shown = _first_part(text, platform)
        self._platform = platform
        self._sender = sender
        self._changed = asyncio.Event()
        self._settled = False
        self._pump: asyncio.Task[None] | None = None

    def update(self, text: str) -> None:
        """Show ``text``, the whole so far; every sentence of it has passed the screen."""
        self.text = text
        self._changed.set()

    def begin(self, sent: Sent) -> None:
        """The first words are in the room: from now on updates can be shown."""
        if sent.message_id is not None and not self._settled:
            self._pump = asyncio.create_task(self._show(sent.message_id))

    async def settle(self) -> None:
        """No update after this: one that is on its way ends first, so it cannot overtake the completion."""
        self._settled = True
        self._changed.set()
        if self._pump is not None:
            await asyncio.wait([self._pump])

    async def _show(self, message_id: str) -> None:
        while not self._settled:
            await self._changed.wait()
            self._changed.clear()
            await self._sender.edits.wait()
            text = _first_part(self.text, self._platform)
            if self._settled or text == self._shown:
                continue
            try:
                async with asyncio.timeout(UPDATE_TIMEOUT_S):
                    await self._platform.edit(self._delivery.room, message_id, Content(text))
                self._shown = text
            except Exception as error:  # noqa: BLE001 – best effort: the completion is a delivery of its own
                log.info("stream.update_failed", delivery=self._delivery.id, why=str(error))


def _parts(contents: Iterable[Content], max_chars: int) -> list[Content]:
    """Each content as parts that fit a message; buttons hang on its last part. Audio is a message of its own."""
    parts: list[Content] = []
    for content in contents:
        if content.audio is not None:
            parts.append(content)
            continue
        texts = split(content.text, max_chars)
        parts.extend(Content(text) for text in texts)
        if content.buttons and texts:
            parts[-1] = replace(parts[-1], buttons=content.buttons)
    return parts


def _pieces(parts: Sequence[Content], instead_of: Sequence[str]) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """Each part beside the old message that it replaces, and the old messages that are left over."""
    targets = [*instead_of, *[None] * len(parts)]
    return tuple(map(Piece, parts, targets)), tuple(instead_of[len(parts) :])


def _first_part(text: str, platform: Platform) -> str:
    return (split(text, platform.capabilities.max_chars) or [text])[0]
