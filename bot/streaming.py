"""An answer that the room sees being made: the updates between its first words and its completion.

The first words and the completion are deliveries of the outbox; what is here may be lost at any time.
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


class Stream:
    """An answer that the room sees being made. Updates are best effort and paced; only the newest counts."""

    def __init__(self, delivery: Delivery, text: str, platform: Platform, sender: Sender) -> None:
        self.text = text
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
            text = first_part(self.text, self._platform.capabilities.max_chars)
            if self._settled or text == self._shown:
                continue
            try:
                async with asyncio.timeout(UPDATE_TIMEOUT_S):
                    await self._platform.edit(self._delivery.room, message_id, Content(text))
                self._shown = text
            except Exception as error:  # noqa: BLE001 – best effort: the completion is a delivery of its own
                log.info("stream.update_failed", delivery=self._delivery.id, why=str(error))
