"""The way of one delivery to its platform: paced, retried under its key, looked for before it is repeated.

Within the platform's key window a retry is safe: the platform recognises the key. Past it nothing is sent
blindly; we look in the room for our message first. Found means sent, absent means one more attempt, and
where the room cannot be read back the delivery is ``uncertain`` – counted and shown, never repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from bot.delivery import Delivery, DeliveryAct, DeliveryState
from bot.errors import CannotLook, TryLater, Undeliverable
from bot.ports import Clock, Platform
from bot.settings import CoreSettings

log = structlog.get_logger(__name__)

TRUSTED_SHARE_OF_WINDOW = 0.75
"""We end the key window a quarter early: our clock starts before the platform's, a request may be slow."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How a delivery ended."""

    state: DeliveryState
    message_id: str | None = None
    error: str = ""
    attempts: int = 0


class Pace:
    """At most ``per_s`` calls a second, evenly spaced; 0 is no limit. One for each room and kind of call."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._clock = clock
        self._gap_s = 1 / per_s if per_s else 0.0
        self._next_at = 0.0

    async def wait(self) -> None:
        if not self._gap_s:
            return
        now = self._clock.now()
        at = max(now, self._next_at)
        self._next_at = at + self._gap_s
        if at > now:
            await self._clock.sleep(at - now)

    def pause(self, seconds: float) -> None:
        """The platform asked for quiet."""
        self._next_at = max(self._next_at, self._clock.now() + seconds)


class Sender:
    """Delivers to one room of one platform, one delivery after the other."""

    def __init__(self, platform: Platform, clock: Clock, settings: CoreSettings) -> None:
        self._platform = platform
        self._clock = clock
        self._settings = settings
        self.sends = Pace(clock, platform.capabilities.sends_per_s)
        self.edits = Pace(clock, platform.capabilities.edits_per_s)
        self._unwanted = asyncio.Event()

    async def deliver(
        self, delivery: Delivery, *, attempted_before: bool, unwanted: asyncio.Event | None = None
    ) -> Sent:
        """Do what the delivery says. ``attempted_before``: another life of this process may have tried.
        ``unwanted``: once it is set, no further attempt is made."""
        self._unwanted = unwanted or asyncio.Event()
        if delivery.act is DeliveryAct.EDIT and delivery.target:
            sent = await self._change(delivery, delivery.target)
            if sent.state is not DeliveryState.UNDELIVERABLE:
                return sent
            return await self._send(delivery, attempted_before)  # the old message is gone: say it in a new one
        if delivery.act is DeliveryAct.RECALL and delivery.target:
            return await self._recall(delivery, delivery.target)
        if delivery.message_id is None:
            sent = await self._send(delivery, attempted_before)
            if sent.state is not DeliveryState.SENT or delivery.act is not DeliveryAct.STREAM:
                return sent
            delivery = replace(delivery, message_id=sent.message_id)
        if delivery.state is DeliveryState.OPEN or not delivery.message_id:
            return Sent(DeliveryState.OPEN, delivery.message_id)
        return await self._change(delivery, delivery.message_id)

    # ── the three calls ──────────────────────────────────────────────────────────────────────────────

    async def _send(self, delivery: Delivery, attempted_before: bool) -> Sent:
        window_s = self._platform.capabilities.key_window_s * TRUSTED_SHARE_OF_WINDOW
        in_doubt_since = delivery.planned_at if attempted_before else None

        async def attempt() -> str | None:
            nonlocal in_doubt_since
            now = self._clock.now()
            if in_doubt_since is not None and now > in_doubt_since + window_s:
                found = await self._platform.find(delivery)
                if found is not None:
                    log.info("outbox.found", delivery=delivery.id, message=found)
                    return found
                in_doubt_since = None
            doubt_before, in_doubt_since = in_doubt_since, in_doubt_since or now
            try:
                return await self._platform.send(delivery)
            except TryLater:
                in_doubt_since = doubt_before  # this attempt certainly did nothing
                raise

        return await self._persist(delivery, self.sends, attempt)

    async def _change(self, delivery: Delivery, message_id: str) -> Sent:
        """A whole-text edit of a known message: the same however often it is done."""

        async def attempt() -> str | None:
            await self._platform.edit(delivery.room, message_id, delivery.content)
            return message_id

        return await self._persist(delivery, self.edits, attempt)

    async def _recall(self, delivery: Delivery, message_id: str) -> Sent:
        async def attempt() -> str | None:
            await self._platform.recall(delivery.room, message_id)
            return message_id

        return await self._persist(delivery, self.edits, attempt)

    # ── persistence ──────────────────────────────────────────────────────────────────────────────────

    async def _persist(self, delivery: Delivery, pace: Pace, attempt: Callable[[], Awaitable[str | None]]) -> Sent:
        """Try until it is done, refused for good, or too late."""
        within_s = self._settings.deliver_within_s
        if delivery.act is DeliveryAct.SPEAK:  # its words are there, and the next ones wait behind it
            within_s = self._settings.deliver_voice_within_s
        give_up_at = self._clock.now() + within_s
        in_doubt = False
        attempts = 0
        while True:
            attempts += 1
            await pace.wait()
            try:
                async with asyncio.timeout(self._settings.send_timeout_s):
                    message_id = await attempt()
                return Sent(DeliveryState.SENT, message_id, attempts=attempts)
            except TryLater as error:
                pause_s, why = max(error.after_s, self.pause_s(attempts)), error.why or "asked to wait"
                pace.pause(error.after_s)
            except Undeliverable as error:
                return Sent(DeliveryState.UNDELIVERABLE, error=error.why, attempts=attempts)
            except CannotLook as error:
                return Sent(DeliveryState.UNCERTAIN, error=str(error), attempts=attempts)
            except Exception as error:  # noqa: BLE001 – whatever a client raises: the outcome is not known
                in_doubt = True
                pause_s, why = self.pause_s(attempts), f"{type(error).__name__}: {error}"
            log.warning("outbox.retry", delivery=delivery.id, attempt=attempts, why=why, pause_s=round(pause_s, 1))
            if self._clock.now() + pause_s > give_up_at:
                state = DeliveryState.UNCERTAIN if in_doubt else DeliveryState.UNDELIVERABLE
                return Sent(state, error=why, attempts=attempts)
            if await self.unwanted_within(pause_s):
                return Sent(
                    DeliveryState.UNCERTAIN if in_doubt else DeliveryState.CANCELLED, error=why, attempts=attempts
                )

    async def unwanted_within(self, pause_s: float) -> bool:
        """Let ``pause_s`` pass; True, and sooner, once nothing more shall be done for the delivery that came last."""
        pause = asyncio.create_task(self._clock.sleep(pause_s))
        unwanted = asyncio.create_task(self._unwanted.wait())
        try:
            await asyncio.wait((pause, unwanted), return_when=asyncio.FIRST_COMPLETED)
            return self._unwanted.is_set()
        finally:
            pause.cancel()
            unwanted.cancel()

    def pause_s(self, attempts: int) -> float:
        """How long to wait after so many failures."""
        return min(self._settings.retry_first_s * 2.0 ** (attempts - 1), self._settings.retry_most_s)
