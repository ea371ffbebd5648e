"""The room in the terminal: ``maodou chat``. A platform like the others, with one member, who runs it.

Each line is a message to the room: with ``@maodou`` or ``@毛豆`` it addresses us, without it we speak only
when the documents can answer. What was said stays on the screen alone.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO

from bot.delivery import Content, Delivery
from bot.errors import CannotLook, PlatformError, Undeliverable
from bot.event import Added, Addressed, Attachment, Member, Message, Role, Room, RoomKind, Said
from bot.ports import Accept, Capabilities, Clock, Standing

NAME = "terminal"
MENTION = re.compile(r"[@＠](?:毛豆|maodou)\s*", re.IGNORECASE)
YOU = Member(NAME, "you", "you")
ROOM = Room(NAME, "chat", RoomKind.GROUP, "chat")


class Terminal:
    """Implements :class:`bot.ports.Platform`. ``run`` ends with the end of ``lines``: a file piped in, or Ctrl-D."""

    name = NAME
    capabilities = Capabilities(
        edits=False,
        recalls=False,
        threads=False,
        streams=False,
        buttons=False,
        voice=False,
        history=False,
        max_chars=1_000_000,
        sends_per_s=0,
        edits_per_s=0,
        key_window_s=float("inf"),
        only_bot=True,
    )

    def __init__(self, clock: Clock, lines: TextIO | None = None, out: TextIO | None = None) -> None:
        self._clock = clock
        self._in = lines or sys.stdin
        self._out = out or sys.stdout
        self._sent: dict[str, str] = {}
        self.settled: Callable[[], Awaitable[None]] | None = None  # returns when all that was said is answered

    async def run(self, accept: Accept) -> None:
        await accept(Added(ROOM, self._clock.now(), by=YOU, id="opened"))
        loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def read() -> None:
            try:
                for line in self._in:
                    loop.call_soon_threadsafe(lines.put_nowait, line)
                loop.call_soon_threadsafe(lines.put_nowait, None)
            except (RuntimeError, ValueError):
                return  # the loop, or the input, was closed while we waited for a line

        # A thread that waits for the keyboard cannot be woken, so it must not be waited for either.
        threading.Thread(target=read, name="terminal-read", daemon=True).start()
        while (line := await lines.get()) is not None:
            if line.strip():
                await accept(Said(self._message(line.strip())))
                if self.settled is not None and not self._in.isatty():
                    await self.settled()  # lines from a file come as people's do: after the answer to the last one

    def _message(self, line: str) -> Message:
        text = MENTION.sub("", line)
        return Message(
            id=uuid.uuid4().hex,
            room=ROOM,
            author=YOU,
            text=text.strip(),
            addressed=Addressed.MENTION if text != line else Addressed.NONE,
            sent_at=self._clock.now(),
        )

    async def send(self, delivery: Delivery) -> str:
        if delivery.key not in self._sent:
            self._sent[delivery.key] = uuid.uuid4().hex
            await asyncio.to_thread(self._show, delivery.content)
        return self._sent[delivery.key]

    def _show(self, content: Content) -> None:
        from rich.console import Console
        from rich.markdown import Markdown

        console = Console(file=self._out)
        console.print("毛豆", style="bold green")
        if console.is_terminal:
            console.print(Markdown(content.text))
        else:
            console.print(content.text, markup=False, highlight=False, soft_wrap=True)
        console.print()

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        raise Undeliverable("what is on a terminal stays as it is")

    async def recall(self, room: Room, message_id: str) -> None:
        return

    async def find(self, delivery: Delivery) -> str | None:
        raise CannotLook("a terminal keeps no history")

    async def role(self, room: Room, member: Member) -> Role:
        """Whoever sits at the terminal could also stop the process."""
        return Role.OWNER

    async def standing(self, room: Room) -> Standing:
        return Standing()

    async def thinking(self, room: Room, message_id: str) -> None:
        return

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        raise PlatformError("a terminal takes no files")

    def health(self) -> str | None:
        return None
