"""Events as HTTP requests: what the library's handler leaves unchecked is checked here.

In this order, and each failure is a refusal with a code and no details: size; encrypted at all, where a key
is set; signature, over the raw body, compared in constant time; its time, and that it was not taken before;
the key opens it; the verification token. The library alone takes a signature of yesterday, finds no header
that was written in lower case, and without a key checks no signature.

A request is remembered as taken only after its commit: one that failed may come again just as it was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from adapters.feishu.events import Malformed
from adapters.feishu.library import load
from adapters.feishu.settings import FeishuSettings
from bot.errors import StoreError, UsageError

MAX_REMEMBERED = 100_000

Take = Callable[[bytes], Awaitable[dict[str, Any]]]
"""Takes an event in; returns after its commit."""

log = structlog.get_logger(__name__)


class Forged(Exception):
    """Raised for a request that is not the platform's. ``reason`` goes to the log, never to the sender."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Signature:
    timestamp: str
    nonce: str
    value: str


class Gatekeeper:
    """Decides what is the platform's own. ``now``: Unix seconds, for tests."""

    def __init__(self, settings: FeishuSettings, now: Callable[[], float] = time.time) -> None:
        self._key = settings.encrypt_key.get_secret_value()
        self._token = settings.verification_token.get_secret_value()
        self._window_s = settings.webhook_window_s
        self._now = now
        self._taken: OrderedDict[str, float] = OrderedDict()

    def open(self, headers: Mapping[str, str], body: bytes) -> tuple[bytes, Signature | None]:
        """The event inside a request. Raises :class:`Forged`; blocking for as long as decrypting takes."""
        outer = _object(body)
        if not self._key:
            if "encrypt" in outer:
                raise Forged("encrypted, and no key is set")
            self._check_token(outer)
            return body, None
        secret = outer.get("encrypt")
        if not isinstance(secret, str):
            raise Forged("plain text, and a key is set")
        plain = self._decrypt(secret)
        inner = _object(plain)
        self._check_token(inner)
        if inner.get("type") == "url_verification":
            return plain, None  # the platform does not sign it; it changes nothing and was encrypted by our key
        signature = _signature(headers)
        self._check_signature(signature, body)
        return plain, signature

    def took(self, signature: Signature | None) -> None:
        """The event of this request was committed."""
        if signature is not None:
            self._taken[signature.value] = self._now()
        while self._taken and (len(self._taken) > MAX_REMEMBERED or self._oldest_is_past()):
            self._taken.popitem(last=False)

    def _oldest_is_past(self) -> bool:
        return next(iter(self._taken.values())) < self._now() - 2 * self._window_s

    def _check_signature(self, signature: Signature, body: bytes) -> None:
        # Whole seconds since 1970, as the platform writes them (and so no “inf” and no “nan”).
        if not signature.timestamp.isdecimal() or len(signature.timestamp) > 12:
            raise Forged("no timestamp")
        expected = hashlib.sha256((signature.timestamp + signature.nonce + self._key).encode() + body).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.value.encode()):
            raise Forged("wrong signature")
        if abs(self._now() - int(signature.timestamp)) > self._window_s:
            raise Forged("stale")
        if signature.value in self._taken:
            raise Forged("replayed")

    def _check_token(self, event: dict[str, Any]) -> None:
        if not self._token:
            return
        header = event.get("header")
        token = header.get("token") if isinstance(header, dict) else event.get("token")
        if not isinstance(token, str) or not hmac.compare_digest(self._token.encode(), token.encode()):
            raise Forged("wrong verification token")

    def _decrypt(self, secret: str) -> bytes:
        cipher = load("lark_oapi.core.utils").AESCipher(self._key)
        try:
            return str(cipher.decrypt_str(secret)).encode()
        except ValueError as error:
            raise Forged("not encrypted with our key") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Forged("no JSON") from error
    if not isinstance(found, dict):
        raise Forged("no JSON object")
    return found


def _signature(headers: Mapping[str, str]) -> Signature:
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        return Signature(
            lowered["x-lark-request-timestamp"], lowered["x-lark-request-nonce"], lowered["x-lark-signature"]
        )
    except KeyError as error:
        raise Forged(f"no header {error}") from error


class Webhook:
    """Listens, and hands over what passed the gatekeeper."""

    def __init__(self, settings: FeishuSettings, take: Take, gatekeeper: Gatekeeper | None = None) -> None:
        self._settings = settings
        self._take = take
        self._gatekeeper = gatekeeper or Gatekeeper(settings)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, once open."""
        if self._runner is None or not self._runner.addresses:
            return ""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}{self._settings.webhook_path}"

    async def open(self) -> None:
        """Raises ``UsageError`` when the address is taken."""
        app = web.Application(client_max_size=self._settings.max_event_bytes)
        app.router.add_post(self._settings.webhook_path, self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        host, port = self._settings.webhook_host, self._settings.webhook_port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise UsageError(f"Feishu's webhook cannot listen on {host}:{port}: {error.strerror}.") from error
        log.info("feishu.listening", url=self.url)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()  # larger than allowed: aiohttp answers 413
        try:
            plain, signature = self._gatekeeper.open(request.headers, body)
            inner = _object(plain)
            if inner.get("type") == "url_verification":
                return web.json_response({"challenge": str(inner.get("challenge", ""))})
            reply = await self._take(plain)
        except Forged as error:
            log.warning("feishu.forged", reason=error.reason, peer=request.remote)
            return web.json_response({"msg": "refused"}, status=403)
        except Malformed as error:
            log.error("feishu.malformed", why=str(error))
            return web.json_response({"msg": "malformed"}, status=400)
        except StoreError:
            return web.json_response({"msg": "not kept"}, status=503)
        self._gatekeeper.took(signature)
        return web.json_response(reply or {"msg": "success"})
