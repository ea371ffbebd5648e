"""The gateway: sessions that number their events, and the sockets that carry them.

A session outlives its socket for ``resume_window_s``: RESUME replays what was missed, anything later is
refused with op 9 and starts afresh, without replay. Text is compressed as one zlib stream per connection
where the client asks for it (``compress=zlib-stream``), and plain otherwise.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.emulators.discord import payloads
from tests.emulators.discord.world import Channel, Guild, Json, Kind, Posted

if TYPE_CHECKING:
    from tests.emulators.discord.server import DiscordEmulator

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 7, 9, 10, 11

GUILDS, GUILD_MESSAGES, GUILD_REACTIONS = 1 << 0, 1 << 9, 1 << 10
DIRECT_MESSAGES, DIRECT_REACTIONS, MESSAGE_CONTENT = 1 << 12, 1 << 13, 1 << 15
PRIVILEGED = 1 << 1 | 1 << 8 | MESSAGE_CONTENT
"""Members, presences and message content: close code 4014 unless the developer portal allows them."""


@dataclass(slots=True)
class Session:
    """``sent`` keeps (seq, event as text) for a RESUME; ``lost_at`` is when its socket went."""

    id: str
    intents: int
    seq: int = 0
    sent: deque[tuple[int, str]] = field(default_factory=deque)
    socket: Socket | None = None
    lost_at: float | None = None


class Socket:
    """One connection: an outgoing queue, so that a verb of the emulator never waits for a client."""

    def __init__(self, ws: web.WebSocketResponse, compressed: bool) -> None:
        self.ws = ws
        self.silent = False
        self.session: Session | None = None
        self._stream = zlib.compressobj() if compressed else None
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write_forever(), name="emulated-gateway-writer")

    def send(self, op: int, data: Any = None) -> None:
        self.put(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def put(self, text: str) -> None:
        if not self.silent:
            self._queue.put_nowait(text)

    async def _write_forever(self) -> None:
        while True:
            text = await self._queue.get()
            try:
                if self._stream is None:
                    await self.ws.send_str(text)
                else:
                    data = self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)
                    await self.ws.send_bytes(data)
            except (ConnectionError, RuntimeError):  # the client has gone: its session keeps the event
                return

    def abort(self) -> None:
        """Cut the line without a word, as a lost network does."""
        self.close_writer()
        transport = self.ws._req.transport if self.ws._req is not None else None
        if transport is not None:
            transport.abort()

    def close_writer(self) -> None:
        self._writer.cancel()


class Gateway:
    """``identifies`` and ``resumes`` count what clients did; ``refuse`` connections are turned away first."""

    def __init__(self, emulator: DiscordEmulator) -> None:
        self.emulator = emulator
        self.sessions: dict[str, Session] = {}
        self.sockets: set[Socket] = set()
        self.identifies = 0
        self.resumes = 0
        self.refused_resumes = 0
        self.refuse = 0
        self.received: list[Json] = []
        self._swallow = 0
        self._reorder: list[tuple[str, Json]] | None = None
        self._reorder_until = 0
        self._last: tuple[str, Json, Callable[[Session], Json | None]] | None = None

    # ── what happens in the world ────────────────────────────────────────────────────────────────────

    def dispatch(self, event: str, data: Json, seen_by: Callable[[Session], Json | None] | None = None) -> None:
        """Send an event to every session; ``seen_by`` gives a session's own view of it, None for none."""
        view = seen_by or (lambda session: data)
        if self._swallow and event == "MESSAGE_CREATE":
            self._swallow -= 1
            return
        if self._reorder is not None and event == "MESSAGE_CREATE":
            self._reorder.append((event, data))
            if len(self._reorder) < self._reorder_until:
                return
            held, self._reorder = self._reorder[::-1], None
            for name, payload in held:
                self._deliver(name, payload, lambda session, payload=payload: payload)  # type: ignore[misc]
            return
        self._last = (event, data, view)
        self._deliver(event, data, view)

    def _deliver(self, event: str, data: Json, view: Callable[[Session], Json | None]) -> None:
        shared: str | None = None
        for session in list(self.sessions.values()):
            if session.socket is None and self._away_s(session) > self.emulator.limits.resume_window_s:
                del self.sessions[session.id]
                continue
            seen = view(session)
            if seen is None:
                continue
            if seen is not data or shared is None:
                body = json.dumps(seen)
                shared = body if seen is data else shared
            else:
                body = shared
            self._number(session, event, body)

    def _number(self, session: Session, event: str, body: str) -> None:
        session.seq += 1
        text = f'{{"op":0,"s":{session.seq},"t":"{event}","d":{body}}}'
        session.sent.append((session.seq, text))
        if len(session.sent) > self.emulator.limits.resume_events:
            session.sent.popleft()
        if session.socket is not None:
            session.socket.put(text)

    def message_event(self, event: str, message: Posted) -> None:
        """MESSAGE_CREATE or MESSAGE_UPDATE as each session may see it: without the message-content intent
        the text is empty, except in direct messages, in mentions of the bot and in its own messages."""
        world = self.emulator.world
        payload = payloads.message(message, world, gateway=True)
        needed = DIRECT_MESSAGES if message.channel.kind is Kind.DIRECT else GUILD_MESSAGES
        exempt = (
            message.channel.kind is Kind.DIRECT or world.bot.id in message.pinged or message.author.id == world.bot.id
        )

        def seen_by(session: Session) -> Json | None:
            if not session.intents & needed:
                return None
            if session.intents & MESSAGE_CONTENT or exempt:
                return payload
            return payload | {"content": "", "attachments": [], "embeds": [], "components": []}

        self.dispatch(event, payload, seen_by)

    def channel_event(self, event: str, channel: Channel, data: Json, guilds: int, direct: int) -> None:
        """An event of a channel, for the sessions that have the intent of its kind."""
        needed = direct if channel.kind is Kind.DIRECT else guilds
        self.dispatch(event, data, lambda session: data if session.intents & needed else None)

    # ── faults ───────────────────────────────────────────────────────────────────────────────────────

    def drop(self) -> None:
        """Cut every socket without a close frame; sessions stay, so a RESUME replays."""
        for socket in list(self.sockets):
            socket.abort()

    def go_silent(self) -> None:
        """Stop sending on every open socket, acknowledgements included: the line looks alive and is not."""
        for socket in self.sockets:
            socket.silent = True

    def reconnect(self) -> None:
        for socket in self.sockets:
            socket.send(RECONNECT)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9. Not resumable: the sessions are gone, and with them what they would have replayed."""
        for socket in self.sockets:
            socket.send(INVALID_SESSION, resumable)
        if not resumable:
            self.forget_sessions()

    def forget_sessions(self) -> None:
        """As after a long outage: no RESUME will find its session."""
        for session in self.sessions.values():
            if session.socket is not None:
                session.socket.session = None
        self.sessions.clear()

    async def close(self, code: int) -> None:
        for socket in list(self.sockets):
            await socket.ws.close(code=code)

    def repeat_last(self) -> None:
        """Deliver the last event again, under a new number."""
        assert self._last is not None, "nothing was dispatched yet"
        self._deliver(*self._last)

    def reverse_next(self, messages: int) -> None:
        """Hold the next ``messages`` new messages and deliver them in reverse."""
        self._reorder, self._reorder_until = [], messages

    def swallow_next(self, messages: int) -> None:
        """Never tell of the next ``messages`` new messages, not even in a replay; the history has them."""
        self._swallow = messages

    # ── the protocol ─────────────────────────────────────────────────────────────────────────────────

    async def connect(self, request: web.Request) -> web.StreamResponse:
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=503)
        ws = web.WebSocketResponse(max_msg_size=0, autoping=True)
        await ws.prepare(request)
        socket = Socket(ws, request.query.get("compress") == "zlib-stream")
        self.sockets.add(socket)
        socket.send(HELLO, {"heartbeat_interval": int(self.emulator.limits.heartbeat_s * 1000), "_trace": []})
        try:
            async for message in ws:
                limits = self.emulator.limits
                too_long = limits.enforced and len(message.data) > limits.gateway_payload_bytes
                if too_long or message.type is not WSMsgType.TEXT:
                    await ws.close(code=4002)
                else:
                    await self._receive(socket, json.loads(message.data))
        finally:
            self.sockets.discard(socket)
            socket.close_writer()
            if socket.session is not None and socket.session.socket is socket:
                socket.session.socket = None
                socket.session.lost_at = self.emulator.world.now()
        return ws

    async def _receive(self, socket: Socket, payload: Json) -> None:
        op, data = payload["op"], payload["d"]
        if op == HEARTBEAT:
            socket.send(HEARTBEAT_ACK)
            return
        self.received.append(payload)
        if op == IDENTIFY:
            await self._identify(socket, data)
        elif op == RESUME:
            await self._resume(socket, data)

    async def _identify(self, socket: Socket, data: Json) -> None:
        self.identifies += 1
        if data["token"] != self.emulator.token:
            await socket.ws.close(code=4004, message=b"Authentication failed.")
            return
        if data["intents"] & PRIVILEGED & ~self.emulator.allowed_intents:
            await socket.ws.close(code=4014, message=b"Disallowed intent(s).")
            return
        if self.emulator.limits.enforced and self.identifies > self.emulator.limits.identifies_per_day:
            await socket.ws.close(code=WSCloseCode.POLICY_VIOLATION)
            return
        world = self.emulator.world
        session = Session(f"{world.snowflake():x}", data["intents"], socket=socket)
        socket.session = session
        guilds = [guild for guild in world.guilds.values() if guild.joined]
        ready: Json = {
            "v": 10,
            "user": payloads.user(world.bot) | {"verified": True, "mfa_enabled": True, "email": None},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "private_channels": [],
            "session_id": session.id,
            "resume_gateway_url": self.emulator.gateway_url,
            "application": {"id": str(world.bot.id), "flags": 0},
        }
        self._number(session, "READY", json.dumps(ready))
        for guild in guilds:
            self._number(session, "GUILD_CREATE", json.dumps(payloads.guild(guild)))
        self.sessions[session.id] = session

    async def _resume(self, socket: Socket, data: Json) -> None:
        session = self.sessions.get(data["session_id"])
        if session is None or data["token"] != self.emulator.token or not self._can_replay(session, data["seq"]):
            self.refused_resumes += 1
            self.sessions.pop(data["session_id"], None)
            socket.send(INVALID_SESSION, False)
            return
        self.resumes += 1
        session.socket, session.lost_at = socket, None
        socket.session = session
        for seq, text in session.sent:
            if seq > data["seq"]:
                socket.put(text)
        self._number(session, "RESUMED", json.dumps({"_trace": []}))

    def _can_replay(self, session: Session, seq: int | None) -> bool:
        if seq is None or (session.sent and session.sent[0][0] > seq + 1):
            return False
        return self._away_s(session) <= self.emulator.limits.resume_window_s

    def _away_s(self, session: Session) -> float:
        return 0.0 if session.lost_at is None else self.emulator.world.now() - session.lost_at

    def guild_joined(self, guild: Guild) -> None:
        self.dispatch("GUILD_CREATE", payloads.guild(guild, available=False))

    def guild_left(self, guild: Guild) -> None:
        self.dispatch("GUILD_DELETE", {"id": str(guild.id)})
