"""The scripted platform's adapter: an ordinary :class:`bot.ports.Platform`, with the fuse on its way."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import structlog

from benchmarks.chaos.points import Fuse, Point
from benchmarks.chaos.script import MAX_CHARS
from benchmarks.chaos.wire import Frame, receive_frame, send_frame
from bot.delivery import Content, Delivery, DeliveryAct
from bot.errors import CannotLook, StoreError, TryLater, Undeliverable
from bot.event import Addressed, Attachment, Member, Message, Role, Room, Said
from bot.ports import Accept, Capabilities, Standing

log = structlog.get_logger(__name__)


class ReplyLost(Exception):
    """The platform's reply never came: whether it did what it was asked is not known."""


class ScriptedPlatform:
    """``key_window_s``: how long the platform says that it remembers a key."""

    def __init__(self, port: int, fuse: Fuse, *, key_window_s: float) -> None:
        self._port = port
        self.fuse = fuse
        self._numbers = itertools.count(1)
        self._calling = asyncio.Lock()
        self._caller: asyncio.StreamWriter | None = None
        self._replies: dict[int, asyncio.Future[Frame]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._connected = False
        self.capabilities = Capabilities(
            edits=True,
            recalls=True,
            threads=False,
            streams=True,
            buttons=False,
            voice=False,
            history=True,
            max_chars=MAX_CHARS,
            sends_per_s=0,
            edits_per_s=20,
            key_window_s=key_window_s,
        )

    @property
    def name(self) -> str:
        return "scripted"

    # ── events ───────────────────────────────────────────────────────────────────────────────────────

    async def run(self, accept: Accept) -> None:
        """The platform outlives the bot, so a lost connection is the end of the run and not survived here."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        send_frame(writer, {"as": "events"})
        self._connected = True
        async with asyncio.TaskGroup() as taking:
            while (frame := await receive_frame(reader)) is not None:
                # A task each: the reader goes on, and tasks begin in the order in which they were made.
                taking.create_task(self.take(frame["event"], accept, writer))

    async def take(self, line: dict[str, Any], accept: Accept, writer: asyncio.StreamWriter) -> None:
        """Acknowledge ``line`` once it is committed; without a commit the platform will bring it again."""
        try:
            await accept(said(line))
        except StoreError as error:
            log.warning("chaos.not_acknowledged", error=str(error), line=line["number"])
            return
        self.fuse.reached(Point.BETWEEN_COMMIT_AND_ACK)
        self.acknowledge(line, writer)

    @staticmethod
    def acknowledge(line: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        send_frame(writer, {"ack": line["number"]})

    # ── deliveries ───────────────────────────────────────────────────────────────────────────────────

    async def send(self, delivery: Delivery) -> str:
        if delivery.part:
            self.fuse.reached(Point.BETWEEN_PARTS)
        self.fuse.reached(Point.BETWEEN_COMMIT_AND_SEND)
        reply = await self._call(
            "send",
            room=delivery.room.id,
            key=self.key_of(delivery),
            text=delivery.content.text,
            reply_to=delivery.reply_to,
        )
        self.fuse.reached(Point.BETWEEN_SEND_AND_MARK)
        message_id: str = reply["id"]
        return message_id

    def key_of(self, delivery: Delivery) -> str:
        return delivery.key

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        self.fuse.reached(Point.MID_STREAM)
        await self._call("edit", id=message_id, text=content.text)
        self.fuse.reached(Point.MID_STREAM)

    async def recall(self, room: Room, message_id: str) -> None:
        await self._call("recall", id=message_id)

    async def find(self, delivery: Delivery) -> str | None:
        try:
            reply = await self._call("history", room=delivery.room.id, reply_to=delivery.reply_to)
        except Undeliverable as error:
            raise CannotLook(error.why) from error
        for message in reply["messages"]:
            if delivery.act is DeliveryAct.STREAM or message["text"] == delivery.content.text:
                message_id: str = message["id"]
                return message_id
        return None

    async def role(self, room: Room, member: Member) -> Role:
        return Role.MEMBER

    async def standing(self, room: Room) -> Standing:
        return Standing()

    async def thinking(self, room: Room, message_id: str) -> None:
        return None

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        raise Undeliverable("the script has no attachments")

    def health(self) -> str | None:
        return None if self._connected else "not connected"

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────

    async def _call(self, op: str, **arguments: object) -> Frame:
        writer = await self._open_calls()
        number = next(self._numbers)
        self._replies[number] = asyncio.get_running_loop().create_future()
        send_frame(writer, {"call": number, "op": op, **arguments})
        try:
            reply = await self._replies[number]
        finally:
            del self._replies[number]
        if "lost" in reply:
            raise ReplyLost(op)
        if "refused" in reply:
            if reply["after_s"]:
                raise TryLater(reply["after_s"], reply["refused"])
            raise Undeliverable(reply["refused"])
        return reply

    async def _open_calls(self) -> asyncio.StreamWriter:
        """Its own connection, opened by the first call: deliveries are recovered before events are read."""
        async with self._calling:
            if self._caller is None:
                reader, self._caller = await asyncio.open_connection("127.0.0.1", self._port)
                send_frame(self._caller, {"as": "calls"})
                self._reading = asyncio.create_task(self._read_replies(reader))
        return self._caller

    async def _read_replies(self, reader: asyncio.StreamReader) -> None:
        while (frame := await receive_frame(reader)) is not None:
            waiting = self._replies.get(frame["call"])
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)


def said(line: dict[str, Any]) -> Said:
    """The adapter's only translation: a line of the script as an event."""
    room = Room("scripted", line["room"], name=line["room"])
    return Said(
        Message(
            id=line["id"],
            room=room,
            author=Member("scripted", line["member"], line["member"]),
            text=line["text"],
            addressed=Addressed.MENTION if line["addressed"] else Addressed.NONE,
            sent_at=line["sent_at"],
        )
    )
