"""The REST side's frame: who asks, which limit applies, which fault is due – then the endpoint, then the answer.

Answers carry a content type of exactly ``application/json`` (discord.py compares the whole header) and an
empty 204 none at all. A 429 carries ``Via``, as Discord's own do, unless a fault asks for the other kind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests.emulators.discord.faults import RestFault
from tests.emulators.discord.limits import Buckets, Grant
from tests.emulators.discord.world import Channel, Json

if TYPE_CHECKING:
    from tests.emulators.discord.server import DiscordEmulator

API = "/api/v10"


class ApiError(Exception):
    """An answer of Discord's that is an error. ``code``: its JSON error code."""

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        self.status = status
        self.body: Json = {"code": code, "message": message}
        if errors is not None:
            self.body["errors"] = errors
        super().__init__(message)

    @classmethod
    def form(cls, where: str, code: str, message: str) -> ApiError:
        """400 50035, the one for a body that breaks a rule."""
        return cls(400, 50035, "Invalid Form Body", {where: {"_errors": [{"code": code, "message": message}]}})

    @classmethod
    def unknown(cls, code: int, what: str) -> ApiError:
        return cls(404, code, f"Unknown {what}")


@dataclass(slots=True)
class Upload:
    name: str
    media_type: str
    body: bytes


@dataclass(slots=True)
class Call:
    """A request, read: its path's ids, its query, its JSON body and its files by their number."""

    ids: dict[str, str]
    query: dict[str, str]
    body: Json
    files: dict[int, Upload] = field(default_factory=dict)

    def id(self, name: str) -> int:
        return int(self.ids[name])


Endpoint = Callable[[Call], "Json | list[Json] | None"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """``per_channel``: the channel is the major parameter. ``limit`` names a field of ``Limits``."""

    name: str
    limit: str


SENDS, EDITS = Bucket("sends", "sends"), Bucket("edits", "edits")


class Rest:
    """Holds the route table; ``requests`` counts what was asked, by method and route."""

    def __init__(self, emulator: DiscordEmulator) -> None:
        self.emulator = emulator
        self.buckets = Buckets()
        self.requests: dict[str, int] = {}
        self.limited = 0
        self.invalid = 0

    def add(
        self,
        app: web.Application,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        bucket: Bucket | None = None,
        open_to_all: bool = False,
    ) -> None:
        """``open_to_all``: an interaction's endpoint, whose token in the path is the right to call it; those
        are exempt from the bot's global limit too."""

        async def handle(request: web.Request) -> web.StreamResponse:
            name = f"{method} {path}"
            self.requests[name] = self.requests.get(name, 0) + 1
            return await self._answer(request, endpoint, bucket, open_to_all)

        app.router.add_route(method, API + path, handle)

    async def _answer(
        self, request: web.Request, endpoint: Endpoint, bucket: Bucket | None, open_to_all: bool
    ) -> web.StreamResponse:
        if not open_to_all and request.headers.get("Authorization") != f"Bot {self.emulator.token}":
            self.invalid += 1
            return _json(401, {"code": 0, "message": "401: Unauthorized"})
        fault = self.emulator.faults.next(request.method, request.path)
        if fault is not None and not fault.performed:
            return await self._fail(request, fault)
        headers: dict[str, str] = {}
        if self.emulator.limits.enforced and not open_to_all:
            grant = self._grant(request, bucket)
            if grant is not None:
                headers = grant.headers()
                if not grant.allowed:
                    return self._too_many(grant.reset_after_s, headers)
        try:
            call = await _read(request, self.emulator.limits.request_bytes)
            result = endpoint(call)
        except ApiError as error:
            if error.status in (401, 403):
                self.invalid += 1
            return _json(error.status, error.body, headers)
        if fault is not None:
            return await self._fail(request, fault)
        return web.Response(status=204, headers=headers) if result is None else _json(200, result, headers)

    def _grant(self, request: web.Request, bucket: Bucket | None) -> Grant | None:
        limits, now = self.emulator.limits, self.emulator.world.now()
        overall = self.buckets.take("global", 0, limits.requests_per_s, 1.0, now)
        if not overall.allowed:
            return overall
        if bucket is None:
            return None
        major = int(request.match_info.get("channel", 0))
        return self.buckets.take(bucket.name, major, getattr(limits, bucket.limit), limits.window_s, now)

    def _too_many(self, after_s: float, headers: dict[str, str]) -> web.Response:
        self.limited += 1
        whole_bot = headers.get("X-RateLimit-Bucket") == "global"
        if whole_bot:
            headers = {"X-RateLimit-Global": "true"}
        scope = "global" if whole_bot else "user"
        body = {"message": "You are being rate limited.", "retry_after": round(after_s, 3), "global": whole_bot}
        extra = {"Via": "1.1 google", "Retry-After": f"{after_s:.0f}", "X-RateLimit-Scope": scope}
        return _json(429, body, headers | extra)

    async def _fail(self, request: web.Request, fault: RestFault) -> web.StreamResponse:
        await asyncio.sleep(fault.delay_s)
        if fault.abort:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if fault.status != 429:
            return _json(fault.status, {"code": fault.code, "message": f"{fault.status}: made up"})
        self.limited += 1
        if not fault.via:
            return web.Response(status=429, text="error code: 1015", content_type="text/plain")
        body = {"message": "You are being rate limited.", "retry_after": fault.retry_after_s, "global": fault.whole_bot}
        return _json(429, body, {"Via": "1.1 google", "Retry-After": f"{fault.retry_after_s:.0f}"})

    # ── what endpoints share ─────────────────────────────────────────────────────────────────────────

    def channel(self, call: Call) -> Channel:
        """The channel of the path, if the bot may touch it."""
        channel = self.emulator.world.channels.get(call.id("channel"))
        if channel is None:
            raise ApiError.unknown(10003, "Channel")
        if channel.guild is not None and not channel.guild.joined:
            raise ApiError(403, 50001, "Missing Access")
        for place in (channel, channel.parent):
            if place is not None and (code := self.emulator.faults.denied.get(place.id)):
                raise ApiError(403, code, "Missing Access" if code == 50001 else "Missing Permissions")
        return channel


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"} | (headers or {})
    )


async def _read(request: web.Request, max_bytes: int) -> Call:
    ids, query = dict(request.match_info), dict(request.query)
    if not request.can_read_body:
        return Call(ids, query, {})
    if (request.content_length or 0) > max_bytes:
        raise ApiError(413, 40005, "Request entity too large")
    if not request.content_type.startswith("multipart/"):
        text = await request.text()
        body = json.loads(text) if text else {}
        return Call(ids, query, body if isinstance(body, dict) else {"": body})
    call = Call(ids, query, {})
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            call.body = json.loads(await part.text())
        elif part.name is not None and part.name.startswith("files["):
            number = int(part.name[len("files[") : -1])
            media_type = part.headers.get("Content-Type", "application/octet-stream")
            call.files[number] = Upload(part.filename or "file", media_type, bytes(await part.read()))
    return call
