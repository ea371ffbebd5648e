"""After the answer: saying it aloud, as a voice message that follows its text.

A voice message is planned in the same commit as its text, under a key of its own, and its sound is made here,
beside the room's lane and beside its queue: the next answers do not wait for it. Whoever asked reads first and
listens then, so a voice that is late stands behind newer texts and names its question by replying to it; one that
takes too long, or that nobody can make, is left out – the text is the answer.

After a crash the sound is made again, if it is still worth it; what was made goes out under its key like any text.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from bot.decision import Outcome
from bot.delivery import Audio, Delivery, DeliveryState
from bot.errors import MaodouError, ModelError, StoreError
from bot.event import AttachmentKind
from bot.planning import keep_audio, leave_out
from bot.ports import Clock, Voice
from bot.room_settings import VOICE, Aloud
from bot.sending import Sent
from bot.settings import CoreSettings
from bot.store import Store
from bot.turn import Conclusion, Ending, Turn

log = structlog.get_logger(__name__)

SPOKEN_OUTCOMES = frozenset({Outcome.ANSWERED, Outcome.ASKED_BACK, Outcome.NOTHING_FOUND})
"""What is said aloud; commands, refusals and apologies are only written."""


def aloud(turn: Turn, ending: Ending, voice: Voice | None) -> Ending:
    """The ending with what shall be said aloud, where the room wants that."""
    if voice is None or not isinstance(ending, Conclusion) or ending.decision.outcome not in SPOKEN_OUTCOMES:
        return ending
    wanted = turn.values[VOICE]
    was_spoken = any(each.kind is AttachmentKind.VOICE for each in turn.message.attachments)
    if wanted is Aloud.OFF or (wanted is Aloud.REPLY and not was_spoken):
        return ending
    text = "\n\n".join(content.text for content in ending.contents)
    return replace(ending, speech=voice.speech(text, turn.language, turn.values))


class Speaking:
    """Makes the sound of planned voice messages: of one room one after the other, of all rooms side by side.

    ``ready`` is given each delivery when it can be sent, and whether it may have been attempted before.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: CoreSettings,
        voice: Voice | None,
        ready: Callable[[Delivery, bool], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._voice = voice
        self._ready = ready
        self._waiting: dict[str, deque[Delivery]] = {}  # by room; the first is being made
        self._runners: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()  # hushed, and letting go of their engine

    def begin(self, delivery: Delivery) -> None:
        """Make the sound of a delivery, and hand it on."""
        key = delivery.room.key
        self._waiting.setdefault(key, deque()).append(delivery)
        if key not in self._runners:
            self._runners[key] = asyncio.create_task(self._speak(key, self._waiting[key]))

    def hush(self, room_key: str) -> bool:
        """Say nothing in a room of what is not made yet; whether there was anything."""
        runner, waiting = self._runners.pop(room_key, None), self._waiting.pop(room_key, ())
        if runner is None:
            return False
        # what is to be said from now on has a queue of its own: an engine may take its time to end
        self._ending.add(runner)
        runner.add_done_callback(self._ending.discard)
        runner.cancel()
        sent = Sent(DeliveryState.CANCELLED, error="stopped")
        for delivery in waiting:
            self._store.submit(partial(leave_out, delivery=delivery, sent=sent)).add_done_callback(_noted)
        return True

    def known(self) -> set[int]:
        """The deliveries that are being made."""
        return {delivery.id for waiting in self._waiting.values() for delivery in waiting}

    def busy(self) -> bool:
        return bool(self._runners or self._ending)

    def runners(self) -> list[asyncio.Task[None]]:
        return [*self._runners.values(), *self._ending]

    async def close(self) -> None:
        """Let go of what is not made: it stays planned."""
        runners = self.runners()
        for runner in runners:
            runner.cancel()
        await asyncio.gather(*runners, return_exceptions=True)

    async def _speak(self, key: str, waiting: deque[Delivery]) -> None:
        try:
            while waiting:
                try:
                    await self._make(waiting[0])
                except StoreError as error:  # stays planned: the next start takes it up
                    log.error("voice.not_kept", delivery=waiting[0].id, error=str(error))
                waiting.popleft()
        finally:
            if self._waiting.get(key) is waiting:
                del self._runners[key], self._waiting[key]

    async def _make(self, delivery: Delivery) -> None:
        try:
            audio = await self._say(delivery)
        except MaodouError as error:
            log.error("voice.left_out", delivery=delivery.id, why=str(error))
            sent = Sent(DeliveryState.UNDELIVERABLE, error=f"not spoken: {error}")
            await self._store.write(partial(leave_out, delivery=delivery, sent=sent))
            return
        made = replace(delivery, content=replace(delivery.content, audio=audio))

        def hand_on(is_kept: bool) -> None:
            # On the commit: what is withdrawn after it finds the delivery in its queue.
            if is_kept:
                self._ready(made, False)

        await self._store.submit(partial(keep_audio, delivery=delivery, content=made.content), hand_on)

    async def _say(self, delivery: Delivery) -> Audio:
        """Raises ``ModelError`` when it is too late, or cannot be said."""
        left_s = delivery.planned_at + self._settings.speak_within_s - self._clock.now()
        speech = delivery.content.speech
        if self._voice is None or speech is None:
            raise ModelError("there is no voice")
        if left_s <= 0:
            raise ModelError("it would come too late")
        try:
            async with asyncio.timeout(left_s):
                return await self._voice.say(speech)
        except TimeoutError as error:
            raise ModelError(f"it was not made within {self._settings.speak_within_s:g} s") from error
        except MaodouError:
            raise
        except Exception as error:  # a defect of ours: recorded, and the room goes on
            log.exception("voice.failed", delivery=delivery.id)
            raise ModelError(f"{type(error).__name__}: {error}") from error


def _noted(done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("voice.not_kept", error=str(error))
