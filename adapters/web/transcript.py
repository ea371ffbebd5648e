"""The room as its pages show it: the last messages, rendered once for everybody.

A cache over ``web_messages`` for the pages of this process, and nothing more: it is filled at the start and
told of each change after its commit. What differs from member to member (whose bubble is on the right, who
may ask why) the page decides from ids, so that all pages share one picture.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.web.files import INLINE_TYPES
from adapters.web.messages import Kept
from adapters.web.render import Markdown, excerpt

Shown = dict[str, Any]
"""One message as the page's script gets it."""

_LONG_TEXT_CHARS = 1500
_EXCERPT_CHARS = 80


class Transcript:
    """Belongs to one event loop; ``shown`` and ``thinking`` are snapshots to read, not to change."""

    def __init__(self, markdown: Markdown, max_messages: int) -> None:
        self._markdown = markdown
        self._max_messages = max_messages
        self._messages: dict[int, Kept] = {}
        self._shown: dict[str, Shown] = {}
        self._thinking: dict[int, float] = {}
        self.fillings = 0  # a page that sees a new one forgets what it shows and is not in it: it was erased

    @property
    def shown(self) -> Mapping[str, Shown]:
        return self._shown

    async def fill(self, messages: Sequence[Kept]) -> None:
        self._messages = {message.id: message for message in messages}
        self._shown = {str(message.id): await self.render(message) for message in messages}
        self.fillings += 1

    async def put(self, message: Kept) -> None:
        """Show a message, or what became of it. A newer state that was put meanwhile is kept."""
        self._messages[message.id] = message
        rendered = await self.render(message)
        if self._messages.get(message.id) is not message:
            return
        shown = {**self._shown, str(message.id): rendered}
        for old in sorted(self._messages)[: -self._max_messages]:
            del self._messages[old]
            shown.pop(str(old), None)
        self._shown = dict(sorted(shown.items(), key=lambda item: int(item[0])))
        if message.author is None and message.reply_to is not None:
            self._thinking.pop(message.reply_to, None)

    def think(self, message_id: int, for_s: float) -> None:
        self._thinking[message_id] = time.monotonic() + for_s

    def thinking(self) -> list[int]:
        """The questions that an answer is being made for."""
        now = time.monotonic()
        self._thinking = {message: until for message, until in self._thinking.items() if until > now}
        return sorted(self._thinking)

    async def render(self, message: Kept, target: Kept | None = None) -> Shown:
        """A message as the page shows it; ``target`` is what it replies to, where the transcript lacks it."""
        if message.reply_to is not None and target is None:
            target = self._messages.get(message.reply_to)
        if len(message.text) > _LONG_TEXT_CHARS:
            return await asyncio.to_thread(show, message, target, self._markdown)
        return show(message, target, self._markdown)


def show(message: Kept, target: Kept | None, markdown: Markdown) -> Shown:
    ours = message.author is None
    shown: Shown = {
        "id": message.id,
        "author": message.author or "",
        "name": message.author_name,
        "hue": hue(message.author or ""),
        "ours": ours,
        "at": message.sent_at,
        "html": "" if message.recalled_at else _html(message, markdown),
        "files": _files(message),
        "reactions": {emoji: list(members) for emoji, members in message.reactions.items()},
    }
    if message.recalled_at is not None:
        shown["recalled"] = True
    elif message.edited_at is not None and not ours:
        shown["edited"] = True
    if message.buttons:
        shown["buttons"] = [label for label, _ in message.buttons]
    if message.reply_to is not None:
        shown["reply"] = {
            "id": message.reply_to,
            "name": target.author_name if target is not None else "",
            "ours": target is not None and target.author is None,
            "text": excerpt(target.text, _EXCERPT_CHARS, ours=target.author is None) if target is not None else "",
            "files": _files(target) if target is not None and not target.text else [],
        }
    return shown


def _html(message: Kept, markdown: Markdown) -> str:
    if message.author is not None:
        return markdown.of_member(message.text)
    return markdown.of_ours(message.text)


def _files(message: Kept) -> list[Shown]:
    return [_file(file.ref, file.name, file.kind.value, file.size_bytes) for file in message.files]


def _file(ref: str, name: str, kind: str, size_bytes: int) -> Shown:
    ending = "." + ref.rpartition(".")[2]
    media = INLINE_TYPES.get(ending, "")
    return {
        "url": f"/files/{ref}/{quote(name)}",
        "name": name,
        "kind": "voice" if media.startswith("audio/") else "image" if media else kind if kind == "link" else "file",
        "size": size_bytes,
    }


def hue(member_id: str) -> int:
    """The colour of a member's avatar, in degrees; steps of 20, so that neighbours can be told apart."""
    return hashlib.sha256(member_id.encode()).digest()[0] % 18 * 20
