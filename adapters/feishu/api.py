"""Calls to the platform: one token, one way to fail, no call on the event loop.

The library's synchronous client runs in threads of ours. Its asynchronous one would fetch the token with a
blocking call on the loop, builds a TLS context for every call, and hands out replies without their data. A
token that the platform no longer takes (99991663) is kept by the library until it expires; here it is thrown
away and the call made once more.

What a failure means for a delivery:

- nothing was done, and later it may be (rate limits, no connection, no token): ``TryLater``;
- refused for good (any other code): ``Undeliverable``, with the code and the platform's words;
- nobody knows (5xx, a lost reply): ``OutcomeUnknown``; the outbox asks again under the same key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import structlog

from adapters.feishu.library import load
from adapters.feishu.settings import FeishuSettings
from bot.errors import PlatformError, TryLater, Undeliverable

TOKEN_INVALID = 99991663
RATE_LIMITED = frozenset({99991400, 230020})
"""The app's limit and a chat's; both documented or seen in a live log. Other codes mean nothing to us."""

RATE_PAUSE_S = 1.0
CONNECT_PAUSE_S = 2.0
CHUNK_BYTES = 64 * 1024

log = structlog.get_logger(__name__)


class OutcomeUnknown(PlatformError):
    """Raised where a call may or may not have taken effect."""


class Refused(Undeliverable):
    """Raised where the platform said no. ``code`` is the platform's."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(f"Feishu refused ({code}): {why}")


class Api:
    """All REST calls. A call after ``close`` opens it again: deliveries may come before and after events do."""

    def __init__(self, settings: FeishuSettings) -> None:
        self._settings = settings
        self._threads: ThreadPoolExecutor | None = None
        self._lark: Any = None
        self._client: Any = None

    async def open(self) -> None:
        """Import the library and make its client. Raises ``UsageError`` when it is not installed."""
        if self._client is None:
            await self._in_thread(self._make_client)

    def _make_client(self) -> None:
        lark = load()
        settings = self._settings
        builder = lark.Client.builder().app_id(settings.app_id).domain(settings.base_url)
        builder = builder.app_secret(settings.app_secret.get_secret_value()).timeout(settings.call_timeout_s)
        self._client = builder.log_level(lark.LogLevel.CRITICAL).build()
        self._lark = lark

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._settings.call_threads, thread_name_prefix="feishu-call")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    # ── one call ─────────────────────────────────────────────────────────────────────────────────────

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The reply's ``data`` (or the whole reply, where it has none). Raises as the module says."""
        await self.open()
        reply = await self._in_thread(self._call, method, path, body, query or {})
        return dict(reply.get("data") or reply)

    async def upload(self, path: str, fields: Mapping[str, str], field: str, name: str, file: Path) -> dict[str, Any]:
        """A file, with fields beside it. Nothing is shown to anybody by it, so any failure may be retried."""
        await self.open()
        try:
            reply = await self._in_thread(self._upload, path, fields, field, name, file)
        except OutcomeUnknown as error:
            raise TryLater(CONNECT_PAUSE_S, str(error)) from error
        return dict(reply["data"])

    async def download(self, path: str, query: Mapping[str, str], target: Path, max_bytes: int) -> None:
        """Stream a file into ``target``. Raises ``Refused``, also for one larger than ``max_bytes``."""
        await self.open()
        await self._in_thread(self._download, path, query, target, max_bytes)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> dict[str, Any]:
        def request() -> Any:
            made = self._request(method, path)
            made.queries = list(query.items())
            made.body = dict(body) if body is not None else None
            return made

        return self._twice(request)

    def _upload(self, path: str, fields: Mapping[str, str], field: str, name: str, file: Path) -> dict[str, Any]:
        encoder = load("requests_toolbelt").MultipartEncoder
        content = file.read_bytes()

        def request() -> Any:
            made = self._request("POST", path)
            made.body = encoder({**fields, field: (name, content, "application/octet-stream")})
            made.headers = {"Content-Type": made.body.content_type}
            return made

        return self._twice(request)

    def _request(self, method: str, path: str) -> Any:
        made = self._lark.BaseRequest()
        made.http_method = getattr(self._lark.HttpMethod, method)
        made.uri = path
        made.token_types = {self._lark.AccessTokenType.TENANT}
        made.headers = {"Content-Type": "application/json; charset=utf-8"}
        return made

    # ── how it fails ─────────────────────────────────────────────────────────────────────────────────

    def _twice(self, make_request: Any) -> dict[str, Any]:
        """Make the call; with a new token once more when the platform no longer takes the old one."""
        for last in (False, True):
            self._token()
            status, reply, headers = self._send(make_request())
            if reply.get("code") == TOKEN_INVALID and not last:
                log.info("feishu.token_renewed")
                self._forget_token()
                continue
            return _checked(status, reply, headers)
        raise AssertionError("unreachable")

    def _send(self, request: Any) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        requests = load("requests")
        try:
            raw = self._client.request(request).raw
        except requests.exceptions.ConnectionError as error:
            if _never_connected(error):
                raise TryLater(CONNECT_PAUSE_S, "no connection to Feishu") from error
            raise OutcomeUnknown(f"the reply was lost: {_short(error)}") from error
        except (requests.exceptions.RequestException, ValueError) as error:
            raise OutcomeUnknown(f"the reply was lost: {_short(error)}") from error
        try:
            reply = json.loads(raw.content)
        except ValueError:
            reply = {}
        headers = {name.lower(): value for name, value in raw.headers.items()}
        return raw.status_code, reply if isinstance(reply, dict) else {}, headers

    def _token(self) -> str:
        """The tenant's token, fetched when there is none; before the call, so that a failure is known to be
        this one, and nothing was sent."""
        manager = load("lark_oapi.core.token").TokenManager
        try:
            return str(manager.get_self_tenant_token(self._client._config))
        except Exception as error:  # of several libraries; whatever it is, there is no token
            raise TryLater(CONNECT_PAUSE_S, f"Feishu gave no token: {_short(error)}") from error

    def _forget_token(self) -> None:
        # The cache belongs to the library and to the whole process, and has no way to delete: an empty token
        # that has expired is none.
        cache = load("lark_oapi.core.token").TokenManager.cache
        cache.set(f"self_tenant_token:{self._settings.app_id}", "", 0)

    def _download(self, path: str, query: Mapping[str, str], target: Path, max_bytes: int) -> None:
        """Past the library, which would read a file of any size into memory."""
        for last in (False, True):
            headers = {"Authorization": f"Bearer {self._token()}"}
            url = self._settings.base_url + path
            try:
                with httpx.stream(
                    "GET", url, params=dict(query), headers=headers, timeout=self._settings.call_timeout_s
                ) as reply:
                    if reply.headers.get("content-type", "").startswith("application/json"):
                        body = json.loads(reply.read())
                        if body.get("code") == TOKEN_INVALID and not last:
                            self._forget_token()
                            continue
                        _checked(reply.status_code, body, reply.headers)
                    _checked(reply.status_code, {"code": 0}, reply.headers)
                    _write(reply, target, max_bytes)
                    return
            except httpx.HTTPError as error:
                raise TryLater(CONNECT_PAUSE_S, f"the file did not come: {_short(error)}") from error


def _write(reply: httpx.Response, target: Path, max_bytes: int) -> None:
    size = 0
    with target.open("wb") as file:
        for chunk in reply.iter_bytes(CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise Undeliverable(f"the file is larger than {max_bytes} bytes")
            file.write(chunk)


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


def _never_connected(error: BaseException) -> bool:
    """Whether the connection was never made, so that nothing can have been sent."""
    seen: BaseException | None = error
    names = set()
    while seen is not None:
        names.add(type(seen).__name__)
        reason = getattr(seen.args[0], "reason", None) if seen.args else None
        seen = reason if isinstance(reason, BaseException) else seen.__cause__
    return bool(names & {"NewConnectionError", "ConnectTimeoutError", "ConnectTimeout", "NameResolutionError"})


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
