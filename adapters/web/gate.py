"""What every request passes before anything else sees it: no other site may act in a member's name, no other
page may frame ours, and nothing of ours asks another machine for anything."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD"})

CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio evaluates its components' templates.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """ASGI middleware around the whole site.

    ``hosts``: the names under which the site may be addressed, None for any. On this machine alone the list
    keeps a foreign name that was pointed at us (DNS rebinding) from reading the room. ``public_host``: the name
    and port that a proxy serves us under, where it does not pass them on.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, public_host: str = "") -> None:
        self.app = app
        self._hosts = hosts
        self._public_host = public_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        answer = self.app if refusal is None else PlainTextResponse(refusal, status_code=403)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                _seal(MutableHeaders(scope=message))
            await send(message)

        await answer(scope, receive, sealed)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._hosts is not None and (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            return "This name is not one of this room's."
        if method in SAFE_METHODS:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc not in {host, self._public_host} - {""}:
            return "Requests from other sites are refused."
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return "Requests from other sites are refused."
        return None


def _seal(headers: MutableHeaders) -> None:
    for name in [name for name in headers if name.lower().startswith("access-control-")]:
        del headers[name]  # Gradio grants these to any origin
    for name, value in HEADERS.items():
        if name not in headers:
            headers[name] = value
