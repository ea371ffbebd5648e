"""The scripted platform: rooms, members and a log, in the driver's process, so that it outlives the bot.

Documented behaviour, with the limits of real platforms scaled to a benchmark's time:

- an event is delivered in the order it happened, and again, with back-off, until it is acknowledged; a new
  connection gets everything that is open at once; some acknowledged events come again anyway;
- a send under a key that is known returns the first message's id; a key is known for ``key_window_s`` after
  its first use, and then forgotten, so that the same send makes a second message;
- a message of ours can be edited as a whole; one that is too long is refused; some calls are told to try
  again later, and some are done while their reply is lost;
- a room's history can be read back, except in the rooms that have none.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from benchmarks.chaos.count import Entry
from benchmarks.chaos.script import MAX_CHARS, Line, stamps_in
from benchmarks.chaos.wire import Frame, receive_frame, send_frame


@dataclass(frozen=True, slots=True)
class Manners:
    """How the platform behaves; shares are of calls or events, 0–1."""

    rooms: int = 10
    rooms_without_history: int = 1
    key_window_s: float = 2.0
    redeliver_after_s: float = 0.4
    redeliver_most_s: float = 3.0
    spurious_share: float = 0.1
    try_later_share: float = 0.02
    lost_reply_share: float = 0.02
    reply_within_s: float = 0.015
    chatter_share: float = 0.15
    open_questions_per_room: int = 6


@dataclass(slots=True)
class _Open:
    """An event that nobody acknowledged yet."""

    line: Line
    due_at: float = 0.0
    tries: int = 0


@dataclass(slots=True)
class _Posted:
    """A message of the bot."""

    id: str
    room: str
    text: str
    reply_to: str | None


@dataclass(slots=True)
class _Room:
    name: str
    history: bool
    posted: list[_Posted] = field(default_factory=list)
    unanswered: set[int] = field(default_factory=set)


class Refused(Exception):
    """A call that the platform does not carry out; the reply says why."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        self.why = why
        self.after_s = after_s
        super().__init__(why)


class PlatformServer:
    """``token`` makes the ids of one run unlike those of any other. Open with ``async with``."""

    def __init__(self, manners: Manners, dice: random.Random, token: str) -> None:
        self.manners = manners
        self.log: list[Entry] = []
        self.absorbed = 0
        self.redelivered = 0
        self.lines = 0
        self._dice = dice
        self._token = token
        without = range(manners.rooms - manners.rooms_without_history, manners.rooms)
        self._rooms = {
            name: _Room(name, history=number not in without)
            for number, name in enumerate(f"{token}-r{number}" for number in range(manners.rooms))
        }
        self._open: dict[int, _Open] = {}
        self._again: list[_Open] = []
        self._keys: dict[str, tuple[str, float]] = {}
        self._posted: dict[str, _Posted] = {}
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._events: asyncio.StreamWriter | None = None
        self._calls: dict[str, Callable[[Frame], Frame]] = {
            "send": self._send,
            "edit": self._edit,
            "recall": self._recall,
            "history": self._history,
        }

    async def __aenter__(self) -> PlatformServer:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def unacknowledged(self) -> int:
        return len(self._open)

    @property
    def unanswered(self) -> int:
        """Questions of which no member saw any answer yet."""
        return sum(len(room.unanswered) for room in self._rooms.values())

    # ── members ──────────────────────────────────────────────────────────────────────────────────────

    async def say(self) -> bool:
        """Somebody says something somewhere; False when every room has as many open questions as it bears."""
        bearable = self.manners.open_questions_per_room
        quiet = [room for room in self._rooms.values() if len(room.unanswered) < bearable]
        if not quiet:
            return False
        room = self._dice.choice(quiet)
        if self._dice.random() < self.manners.chatter_share:
            self._happens(room, "哈哈 c{number}", addressed=False)
        else:
            self.ask(room.name)
        return True

    def ask(self, room: str, *, addressed: bool = True) -> None:
        self._happens(self._rooms[room], "q{number} 怎么安装？ How do I install it?", addressed=addressed)

    def _happens(self, room: _Room, text: str, *, addressed: bool) -> None:
        self.lines += 1
        number = self.lines
        line = Line(
            number=number,
            id=f"{self._token}-m{number}",
            room=room.name,
            member=f"member-{self._dice.randrange(7)}",
            text=text.format(number=number),
            addressed=addressed,
            sent_at=time.time(),
        )
        self.log.append(Entry(time.time(), "said", line.room, line.id, line.text, addressed=addressed))
        if addressed:
            room.unanswered.add(number)
        self._open[number] = _Open(line)
        self._changed.set()

    # ── events ───────────────────────────────────────────────────────────────────────────────────────

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            hello = await receive_frame(reader)
            if hello is not None and hello["as"] == "events":
                await self._serve_events(reader, writer)
            elif hello is not None:
                await self._serve_calls(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_events(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for event in self._open.values():
            event.due_at = 0.0
        self._events = writer
        pump = asyncio.create_task(self._pump(writer))
        try:
            while (frame := await receive_frame(reader)) is not None:
                self._acknowledged(frame["ack"])
        finally:
            pump.cancel()

    def _acknowledged(self, number: int) -> None:
        event = self._open.pop(number, None)
        if event is not None and self._dice.random() < self.manners.spurious_share:
            self._again.append(replace(event, due_at=time.monotonic() + self._dice.uniform(0, 1)))

    async def _pump(self, writer: asyncio.StreamWriter) -> None:
        """Deliver what is due, in the order it happened, while this is the newest connection."""
        while self._events is writer and not writer.is_closing():
            now = time.monotonic()
            self._changed.clear()
            for event in self._open.values():
                if event.due_at <= now:
                    self._deliver(writer, event)
                    pause = self.manners.redeliver_after_s * 2**event.tries
                    event.tries += 1
                    event.due_at = now + min(pause, self.manners.redeliver_most_s)
            for event in [event for event in self._again if event.due_at <= now]:
                self._again.remove(event)
                self._deliver(writer, event)
            waiting = [*self._open.values(), *self._again]
            pause = min((event.due_at - now for event in waiting), default=self.manners.redeliver_most_s)
            try:
                await asyncio.wait_for(self._changed.wait(), timeout=pause)
            except TimeoutError:
                continue

    def _deliver(self, writer: asyncio.StreamWriter, event: _Open) -> None:
        if event.tries:
            self.redelivered += 1
        send_frame(writer, {"event": asdict(event.line)})

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────

    async def _serve_calls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies: set[asyncio.Task[None]] = set()
        while (frame := await receive_frame(reader)) is not None:
            reply = self._carry_out(frame)
            task = asyncio.create_task(self._reply(writer, frame["call"], reply))
            replies.add(task)
            task.add_done_callback(replies.discard)

    def _carry_out(self, frame: Frame) -> Frame:
        """At once, in the order of arrival; what happened has happened, whoever hears of it."""
        try:
            if frame["op"] in ("send", "edit") and self._dice.random() < self.manners.try_later_share:
                raise Refused("busy", after_s=0.05)
            reply = self._calls[frame["op"]](frame)
        except Refused as refused:
            return {"refused": refused.why, "after_s": refused.after_s}
        if frame["op"] == "send" and self._dice.random() < self.manners.lost_reply_share:
            return {"lost": True}
        return reply

    async def _reply(self, writer: asyncio.StreamWriter, call: int, reply: Frame) -> None:
        await asyncio.sleep(self._dice.uniform(0, self.manners.reply_within_s))
        if not writer.is_closing():
            send_frame(writer, {"call": call, **reply})

    def _send(self, frame: Frame) -> Frame:
        room, key, now = self._rooms[frame["room"]], frame["key"], time.monotonic()
        self._check(frame["text"])
        if not 0 < len(key) <= 25:
            raise Refused(f"a key of {len(key)} characters")
        known = self._keys.get(key)
        if known is not None and now - known[1] <= self.manners.key_window_s:
            self.absorbed += 1
            return {"id": known[0]}
        posted = _Posted(f"{self._token}-b{len(self._posted) + 1}", room.name, frame["text"], frame["reply_to"])
        self._keys[key] = (posted.id, now)
        self._posted[posted.id] = posted
        room.posted.append(posted)
        self.log.append(Entry(time.time(), "shown", room.name, posted.id, posted.text, posted.reply_to))
        self._note_answered(room, posted)
        return {"id": posted.id}

    def _edit(self, frame: Frame) -> Frame:
        posted = self._ours(frame["id"])
        self._check(frame["text"])
        posted.text = frame["text"]
        self.log.append(Entry(time.time(), "edited", posted.room, posted.id, posted.text))
        self._note_answered(self._rooms[posted.room], posted)
        return {}

    def _recall(self, frame: Frame) -> Frame:
        posted = self._posted.pop(frame["id"], None)
        if posted is not None:
            self._rooms[posted.room].posted.remove(posted)
            self.log.append(Entry(time.time(), "recalled", posted.room, posted.id))
        return {}

    def _history(self, frame: Frame) -> Frame:
        room = self._rooms[frame["room"]]
        if not room.history:
            raise Refused("no history")
        return {"messages": [asdict(posted) for posted in room.posted if posted.reply_to == frame["reply_to"]]}

    def _ours(self, message_id: str) -> _Posted:
        if message_id not in self._posted:
            raise Refused("no such message")
        return self._posted[message_id]

    @staticmethod
    def _check(text: str) -> None:
        if not text.strip() or len(text) > MAX_CHARS:
            raise Refused(f"a message of {len(text)} characters")

    @staticmethod
    def _note_answered(room: _Room, posted: _Posted) -> None:
        room.unanswered -= {stamp.question for stamp in stamps_in(posted.text)}
