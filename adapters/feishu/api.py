"""Calls to the platform: one token, one way to fail, connections that are kept.

The library's own REST client is not used. Its asynchronous half fetches the token with a blocking call on the
loop and makes a TLS context for every call; its synchronous half makes a connection for every call, keeps one
token per app for the whole process, and goes on with it after the platform has refused it (99991663). What
is left of it is a header. Here connections stay open, and a refused token is thrown away and the call made
once more.

What a failure means for a delivery:

- nothing was done, and later it may be (rate limits, no connection, no token): ``TryLater``;
- refused for good (any other code): ``Undeliverable``, with the code and the platform's words;
- nobody knows (5xx, a lost reply): ``OutcomeUnknown``; the outbox asks again under the same key.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from adapters.feishu.settings import FeishuSettings
from bot.errors import PlatformError, TryLater, Undeliverable

TOKEN_INVALID = 99991663
RATE_LIMITED = frozenset({99991400, 230020})
"""The app's limit and a chat's; both documented or seen in a live log. Other codes mean nothing to us."""

TOKEN_PATH = "/open-apis/auth/v3/tenant_access_token/internal"
TOKEN_EARLY_S = 600.0
"""A token is renewed so long before its end, or at half its life if that is shorter."""

RATE_PAUSE_S = 1.0
CONNECT_PAUSE_S = 2.0
CHUNK_BYTES = 64 * 1024

log = structlog.get_logger(__name__)

MakeBody = Callable[[], Any]
"""A request's body, made anew for each attempt."""


class OutcomeUnknown(PlatformError):
    """Raised where a call may or may not have taken effect."""


class Refused(Undeliverable):
    """Raised where the platform said no. ``code`` is the platform's."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(f"Feishu refused ({code}): {why}")


class Api:
    """All REST calls, on one event loop. A call after ``close`` opens it again: deliveries may come before and
    after events do."""

    def __init__(self, settings: FeishuSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_until = 0.0
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    # ── one call ─────────────────────────────────────────────────────────────────────────────────────

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The reply's ``data`` (or the whole reply, where it has none). Raises as the module says."""
        raw = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        reply = await self._twice(method, path, lambda: raw, query or {})
        return dict(reply.get("data") or reply)

    async def upload(self, path: str, fields: Mapping[str, str], field: str, name: str, file: Path) -> dict[str, Any]:
        """A file, with fields beside it. Nothing is shown to anybody by it, so any failure may be retried."""
        content = await asyncio.to_thread(file.read_bytes)

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData(dict(fields))
            made.add_field(field, content, filename=name, content_type="application/octet-stream")
            return made

        try:
            reply = await self._twice("POST", path, form, {})
        except OutcomeUnknown as error:
            raise TryLater(CONNECT_PAUSE_S, str(error)) from error
        return dict(reply["data"])

    async def download(self, path: str, query: Mapping[str, str], target: Path, max_bytes: int) -> None:
        """Stream a file into ``target``. Raises ``Refused``, also ``Undeliverable`` for one that is larger than
        ``max_bytes``."""
        for last in (False, True):
            headers = {"Authorization": f"Bearer {await self._tenant_token()}"}
            try:
                async with self._open().get(self._url(path), params=dict(query), headers=headers) as reply:
                    if reply.status == 200 and not reply.content_type.startswith("application/json"):
                        await _write(reply.content, target, max_bytes)
                        return
                    refusal = _parsed(await reply.read())
                    if refusal.get("code") == TOKEN_INVALID and not last:
                        self._forget_token()
                        continue
                    _checked(reply.status, refusal, reply.headers)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise TryLater(CONNECT_PAUSE_S, f"the file did not come: {_short(error)}") from error
        raise TryLater(CONNECT_PAUSE_S, "the file did not come")

    # ── how it fails ─────────────────────────────────────────────────────────────────────────────────

    async def _twice(self, method: str, path: str, make_body: MakeBody, query: Mapping[str, str]) -> dict[str, Any]:
        """Make the call; with a new token once more when the platform no longer takes the old one."""
        for last in (False, True):
            headers = {"Authorization": f"Bearer {await self._tenant_token()}"}
            status, reply, about = await self._send(method, path, make_body(), query, headers)
            if reply.get("code") == TOKEN_INVALID and not last:
                log.info("feishu.token_renewed")
                self._forget_token()
                continue
            return _checked(status, reply, about)
        raise AssertionError("unreachable")

    async def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, str], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        if isinstance(body, bytes):
            headers = headers | {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._open().request(
                method, self._url(path), data=body, params=dict(query), headers=headers
            ) as reply:
                return reply.status, _parsed(await reply.read()), reply.headers
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TryLater(CONNECT_PAUSE_S, "no connection to Feishu") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OutcomeUnknown(f"the reply was lost: {_short(error)}") from error

    async def _tenant_token(self) -> str:
        """The tenant's token, asked for when there is none; before the call, so that a failure is known to be
        this one, and nothing was sent."""
        async with self._asking:
            if self._token and time.monotonic() < self._token_until:
                return self._token
            settings = self._settings
            asked = {"app_id": settings.app_id, "app_secret": settings.app_secret.get_secret_value()}
            try:
                _, reply, _ = await self._send("POST", TOKEN_PATH, json.dumps(asked).encode(), {}, {})
            except PlatformError as error:
                raise TryLater(CONNECT_PAUSE_S, f"Feishu gave no token: {error}") from error
            token = reply.get("tenant_access_token")
            if reply.get("code") != 0 or not isinstance(token, str):
                raise TryLater(
                    CONNECT_PAUSE_S, f"Feishu gave no token: {reply.get('code')} {str(reply.get('msg', ''))[:200]}"
                )
            lives_s = float(reply.get("expire") or 0)
            self._token = token
            self._token_until = time.monotonic() + max(lives_s - TOKEN_EARLY_S, lives_s / 2)
            return token

    def _forget_token(self) -> None:
        self._token = ""

    def _url(self, path: str) -> str:
        return self._settings.base_url + path

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._settings.call_timeout_s),
                connector=aiohttp.TCPConnector(limit=self._settings.calls_at_once),
                trust_env=True,
            )
        return self._session


async def _write(content: aiohttp.StreamReader, target: Path, max_bytes: int) -> None:
    size = 0
    file = await asyncio.to_thread(target.open, "wb")
    try:
        async for chunk in content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise Undeliverable(f"the file is larger than {max_bytes} bytes")
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(raw)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


def _checked(status: int, reply: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The reply of a call that succeeded."""
    code = reply.get("code")
    if code == 0 and status < 400:
        return reply
    why = str(reply.get("msg", ""))[:300]
    if status == 429 or code in RATE_LIMITED:
        raise TryLater(_pause_s(headers), f"rate limit ({code or status})")
    if not isinstance(code, int) and 400 <= status < 500:
        code = status  # no reply of Feishu's own, but a refusal all the same: a wrong address, a proxy
    if status >= 500 or not isinstance(code, int):
        raise OutcomeUnknown(f"HTTP {status} ({code}): {why}")
    if code == TOKEN_INVALID:
        raise TryLater(CONNECT_PAUSE_S, "Feishu takes none of its own tokens")
    raise Refused(code, why)


def _pause_s(headers: Mapping[str, str]) -> float:
    """``x-ogw-ratelimit-reset``: seconds until calls are taken again."""
    try:
        return max(RATE_PAUSE_S, float(headers.get("x-ogw-ratelimit-reset", "")))
    except ValueError:
        return RATE_PAUSE_S


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
