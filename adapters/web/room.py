"""The room itself: its messages are kept first, then shown to every page.

Both directions meet here. What members do comes from ``posting.py``; what the bot sends from ``adapter.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from adapters.web import messages
from adapters.web.files import Files
from adapters.web.live import Live
from adapters.web.members import PLATFORM
from adapters.web.mentions import Mentions
from adapters.web.messages import Draft, Kept
from adapters.web.render import Markdown
from adapters.web.settings import WebSettings
from adapters.web.texts import ROOM_NAME
from adapters.web.transcript import Shown, Transcript
from bot.event import Room
from bot.ports import Clock
from bot.retention import Eraser
from bot.store import Store
from bot.texts import Text

log = structlog.get_logger(__name__)

OLDER_AT_ONCE = 100
_ERASED = Text(zh="聊天室里的消息", en="messages in the web room")


class WebRoom:
    """One room of the web platform. Belongs to one event loop."""

    def __init__(self, store: Store, clock: Clock, settings: WebSettings, folder: Path) -> None:
        name = settings.room_name or ROOM_NAME.in_language(settings.language)
        self.room = Room(PLATFORM, settings.room_id, name=name)
        self.settings = settings
        self.clock = clock
        self.store = store
        self.files = Files(folder / "files")
        self.mentions = Mentions(settings.bot_names)
        self.live = Live(settings.coalesce_ms / 1000)
        self.transcript = Transcript(Markdown(self.mentions), settings.history_messages)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tidying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the last messages; call before any page is served."""
        self._loop = asyncio.get_running_loop()
        await self.refresh()

    async def close(self) -> None:
        self.live.close()
        self._loop = None
        if self._tidying is not None:
            self._tidying.cancel()

    async def refresh(self) -> None:
        limit = self.settings.history_messages
        await self.transcript.fill(
            await self.store.read(lambda connection: messages.latest(connection, self.room.id, limit))
        )

    # ── showing ──────────────────────────────────────────────────────────────────────────────────────

    async def show(self, message: Kept) -> None:
        """Bring a message, as it is kept now, to every page."""
        await self.transcript.put(message)
        self.live.wake(self.room.id)

    async def write_ours(self, draft: Draft) -> Kept:
        """Keep and show a message of the bot; the same key finds the first."""
        kept, is_new = await self.store.write(lambda connection: messages.write_draft(connection, draft))
        if is_new:
            await self.show(kept)
        return kept

    def think(self, message_id: int) -> None:
        self.transcript.think(message_id, self.settings.thinking_s)
        self.live.wake(self.room.id)
        if self._loop is not None:  # once more when it runs out, so that no page thinks for ever
            self._loop.call_later(self.settings.thinking_s + 0.1, self.live.wake, self.room.id)

    async def older(self, before: int) -> list[Shown]:
        """What stands above a message, oldest first."""
        found = await self.store.read(
            lambda connection: messages.latest(connection, self.room.id, OLDER_AT_ONCE, before)
        )
        return [await self.transcript.render(message, await self._target(message, found)) for message in found]

    async def _target(self, message: Kept, beside: Sequence[Kept]) -> Kept | None:
        if message.reply_to is None:
            return None
        near = next((other for other in beside if other.id == message.reply_to), None)
        return near or await self.get(message.reply_to)

    async def get(self, message_id: int | None) -> Kept | None:
        """A shown message of this room."""
        if message_id is None:
            return None
        wanted = message_id
        found = await self.store.read(lambda connection: messages.one(connection, wanted))
        return found if found is not None and found.taken and found.room == self.room.id else None

    # ── forgetting ───────────────────────────────────────────────────────────────────────────────────

    def eraser(self) -> Eraser:
        """For the core's retention: what time, a member or a recall takes from this room."""
        return Eraser(_ERASED, self._erase_member, self._erase_message, self._erase_older)

    def _erase_member(self, connection: Connection, key: str) -> int:
        platform, _, member_id = key.partition(":")
        if platform != PLATFORM:
            return 0
        return self._tidied(messages.erase(connection, member=member_id))

    def _erase_message(self, connection: Connection, room: str, message_id: str) -> int:
        if room != self.room.key or not message_id.isdecimal():
            return 0
        before = messages.one(connection, int(message_id))
        if before is None or before.recalled_at is not None:
            return 0
        messages.take_back(connection, before.id, self.clock.now())
        return self._tidied(1)

    def _erase_older(self, connection: Connection, before: float, limit: int) -> int:
        return self._tidied(messages.erase(connection, before=before, limit=limit))

    def _tidied(self, count: int) -> int:
        """Called on the store's thread, before the commit: the pages and the files follow a moment later."""
        loop = self._loop
        if count and loop is not None:
            loop.call_soon_threadsafe(self._tidy_soon)
        return count

    def _tidy_soon(self) -> None:
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.ensure_future(self._tidy())

    async def _tidy(self) -> None:
        await asyncio.sleep(1)
        await self.refresh()
        self.live.wake(self.room.id)
        await self.drop_stray_files()

    async def drop_stray_files(self) -> None:
        """Delete the files that no message has. Young ones stay: their message may be on its way."""
        refs = await self.store.read(messages.all_refs)
        dropped = await asyncio.to_thread(self.files.drop_stray, refs)
        if dropped:
            log.info("web.files_dropped", files=dropped)


def as_message_id(value: Any) -> int | None:
    """A message's id out of whatever a browser or the core calls it."""
    text = str(value) if value is not None else ""
    return int(text) if text.isdecimal() and len(text) < 19 else None
