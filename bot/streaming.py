"""An answer that the room sees being made: the updates between its first words and its completion.

The first words and the completion are deliveries of the outbox; what is here may be lost at any time. Updates leave
one after the other, so none overtakes another – but for one that timed out: it was let go here and may still wait
there, and neither platform can be asked for order. An edit carries no number to go by (Discord's ``PATCH
…/messages/{id}``, Feishu's ``PATCH`` and ``PUT …/messages/{id}``), and discord.py's queue for a route is left by
whoever stops waiting. So the outbox says the completion of such a stream a second time, unless the process ends first.
"""

from __future__ import annotations

import asyncio

import structlog

from bot.delivery import Content, Delivery
from bot.pieces import first_part
from bot.ports import Platform
from bot.sending import Sender, Sent

log = structlog.get_logger(__name__)

UPDATE_TIMEOUT_S = 5.0
"""How long one update of a stream may take; the next one shows more anyway."""

SAID_AGAIN_AFTER_S = 10.0
"""How long after the completion it is said again where an update is still at large. The room waits for it, since what
comes next may change the same message. No platform says how late a call may take effect: later than this it stays."""


class Stream:
    """An answer that the room sees being made. Updates are best effort and paced; only the newest counts."""

    def __init__(self, delivery: Delivery, text: str, platform: Platform, sender: Sender) -> None:
        self.text = text
        self.at_large = False  # whether an update may yet take effect that nobody waits for any more
        self._delivery = delivery
        self._shown = first_part(text, platform.capabilities.max_chars)
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
        """No update after this: one that is on its way ends first, so it cannot overtake the completion, or is
        :attr:`at_large`."""
        self._settled = True
        self._changed.set()
        if self._pump is not None:
            await asyncio.wait([self._pump])

    async def _show(self, message_id: str) -> None:
        while not self._settled:
            await self._changed.wait()
            self._changed.clear()
            await self._sender.edits.wait()
            text = first_part(self.text, self._platform.capabilities.max_chars)
            if self._settled or text == self._shown:
                continue
            try:
                async with asyncio.timeout(UPDATE_TIMEOUT_S):
                    await self._platform.edit(self._delivery.room, message_id, Content(text))
                self._shown = text
            except TimeoutError:
                self.at_large = True
                log.warning("stream.update_at_large", delivery=self._delivery.id)
            except Exception as error:  # noqa: BLE001 – best effort: the completion is a delivery of its own
                log.info("stream.update_failed", delivery=self._delivery.id, why=str(error))
