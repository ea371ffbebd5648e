"""The long connection: the endpoint that hands out a URL, and the websocket behind it.

Frames are lark_oapi's own protobuf (``pbbp2``). The server answers pings with pongs that carry the client's
configuration, pushes events, and takes an acknowledgement only in time and only with code 200. In cluster
mode one client gets each event: here the connections take turns, so that a test is repeatable.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import WSMsgType, web
from lark_oapi.ws.pb.pbbp2_pb2 import Frame

from tests.emulators.feishu.faults import Faults
from tests.emulators.feishu.limits import Limits

CONTROL, DATA = 0, 1
BUSY, AUTH_FAILED, TOO_MANY = 1, 514, 1000040350


@dataclass(slots=True)
class ClientConfig:
    """What the server tells each client to do; the names are the protocol's, the times in seconds."""

    ReconnectCount: int = -1
    ReconnectInterval: float = 1
    ReconnectNonce: float = 0
    PingInterval: float = 120


@dataclass(slots=True, eq=False)
class Link:
    """One open websocket."""

    number: int
    socket: web.WebSocketResponse
    pings: int = 0


class LongConnections:
    """All websockets of the app."""

    def __init__(self, app_id: str, secret: str, limits: Limits, faults: Faults) -> None:
        self._app_id = app_id
        self._secret = secret
        self._limits = limits
        self._faults = faults
        self._turn = 0
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._opened = 0
        self._pushed = 0
        self.config = ClientConfig()
        self.links: list[Link] = []
        self.endpoint_calls = 0

    @property
    def opened(self) -> int:
        """How many websockets were ever opened."""
        return self._opened

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/callback/ws/endpoint", self._endpoint), web.get("/ws", self._socket)]

    async def _endpoint(self, request: web.Request) -> web.Response:
        self.endpoint_calls += 1
        asked = await request.json()
        await asyncio.sleep(self._faults.endpoint_delay_s)
        if self._faults.endpoint_refusals > 0:
            self._faults.endpoint_refusals -= 1
            return web.json_response({"code": self._faults.endpoint_code, "msg": "refused by a switch"})
        if (asked.get("AppID"), asked.get("AppSecret")) != (self._app_id, self._secret):
            return web.json_response({"code": AUTH_FAILED, "msg": "app_id or app_secret is wrong"})
        url = f"ws://{request.host}/ws?device_id=device_{self._opened + 1}&service_id=1"
        return web.json_response({"code": 0, "msg": "ok", "data": {"URL": url, "ClientConfig": asdict(self.config)}})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self.links) >= self._limits.connections:
            return web.Response(
                status=403,
                headers={
                    "handshake-status": str(AUTH_FAILED),
                    "handshake-msg": "too many connections",
                    "handshake-autherrcode": str(TOO_MANY),
                },
            )
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self._opened += 1
        link = Link(self._opened, socket)
        self.links.append(link)
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await self._take(link, message.data)
        finally:
            if link in self.links:
                self.links.remove(link)
        return socket

    async def _take(self, link: Link, data: bytes) -> None:
        frame = Frame()
        frame.ParseFromString(data)
        headers = {header.key: header.value for header in frame.headers}
        if frame.method == CONTROL and headers.get("type") == "ping":
            link.pings += 1
            if not self._faults.silent:
                await link.socket.send_bytes(self._pong(frame.service))
            return
        if self._faults.silent:
            return
        if self._faults.ignore_acknowledgements > 0:
            self._faults.ignore_acknowledgements -= 1
            return
        waiting = self._waiting.get(headers.get("message_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(json.loads(frame.payload))

    def _pong(self, service: int) -> bytes:
        frame = Frame(SeqID=0, LogID=0, service=service, method=CONTROL)
        frame.headers.add(key="type", value="pong")
        frame.payload = json.dumps(asdict(self.config)).encode()
        return bytes(frame.SerializeToString())

    async def push(self, payload: dict[str, Any]) -> bool:
        """Hand an event to one client; True when it acknowledged in time."""
        answer = await self._exchange(json.dumps(payload, ensure_ascii=False).encode())
        return answer is not None and answer.get("code") == 200

    async def ask(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """A callback: the client's answer, or None when it gave none in time."""
        answer = await self._exchange(json.dumps(payload, ensure_ascii=False).encode())
        if answer is None or answer.get("code") != 200:
            return None
        return dict(json.loads(base64.b64decode(answer["data"]))) if answer.get("data") else {}

    async def push_raw(self, payload: bytes) -> bool:
        """Any bytes as an event: what a malformed one looks like."""
        answer = await self._exchange(payload)
        return answer is not None and answer.get("code") == 200

    async def _exchange(self, payload: bytes) -> dict[str, Any] | None:
        if not self.links:
            return None
        self._turn += 1
        link = self.links[self._turn % len(self.links)]
        self._pushed += 1
        message_id = f"push_{self._pushed}"
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = waiting
        try:
            if not self._faults.silent:
                for data in self._frames(message_id, payload):
                    await link.socket.send_bytes(data)
            return await asyncio.wait_for(waiting, self._limits.acknowledge_s)
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._waiting[message_id]

    def _frames(self, message_id: str, payload: bytes) -> list[bytes]:
        total = max(1, min(self._faults.fragments, len(payload)))
        size = -(-len(payload) // total)
        frames = []
        for index in range(total):
            frame = Frame(SeqID=0, LogID=0, service=1, method=DATA)
            for key, value in (
                ("type", "event"),
                ("message_id", message_id),
                ("trace_id", f"trace_{message_id}"),
                ("sum", str(total)),
                ("seq", str(index)),
            ):
                frame.headers.add(key=key, value=value)
            frame.payload = payload[index * size : (index + 1) * size]
            frames.append(bytes(frame.SerializeToString()))
        return frames

    async def drop(self) -> None:
        """Close every socket without a word, as a lost network does."""
        for link in list(self.links):
            transport = link.socket._req.transport if link.socket._req is not None else None
            if transport is not None:
                transport.abort()
        self.links.clear()

    async def stop(self) -> None:
        for link in list(self.links):
            await link.socket.close()
