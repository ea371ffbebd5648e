"""REST: what every call passes (fault switches, token, scope, rate), and the small endpoints.

A reply is ``{"code", "msg", "data"}``; a refusal has a code other than 0 and mostly HTTP 400. ``Api.call``
wraps an endpoint with all of that, so that the endpoints themselves only change the world.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.emulators.feishu.faults import Faults
from tests.emulators.feishu.limits import Limits, Rate
from tests.emulators.feishu.world import Chat, Post, World

TOKEN_INVALID = 99991663
RATE_LIMITED = 99991400
SCOPE_MISSING = 99991672
CHAT_RATE_LIMITED = 230020
INVALID = 230001
NOT_IN_CHAT = 230002
NOT_THE_SENDER = 230012
APP_UNKNOWN = 10003

ALL_MESSAGES = "im:message.group_msg"
SCOPES = (
    "im:message:send_as_bot",
    "im:message.p2p_msg:readonly",
    "im:message.group_at_msg:readonly",
    ALL_MESSAGES,
    "im:message:readonly",
    "im:message:update",
    "im:message:recall",
    "im:message.reactions:read",
    "im:message.reactions:write_only",
    "im:chat:readonly",
    "im:resource",
    "cardkit:card:write",
)
"""What the app was granted, unless a fault takes it away."""

Endpoint = Callable[[web.Request, dict[str, Any]], Awaitable["dict[str, Any] | web.StreamResponse"]]


class Refused(Exception):
    """Raised by an endpoint: the call failed with this code."""

    def __init__(self, code: int, msg: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        self.code = code
        self.msg = msg
        self.status = status
        self.headers = headers or {}
        super().__init__(f"{code}: {msg}")


class Api:
    """The gate in front of all endpoints. ``calls`` is the log of what was asked, refusals included."""

    def __init__(self, world: World, secret: str, limits: Limits, faults: Faults) -> None:
        self.world = world
        self.limits = limits
        self.faults = faults
        self.calls: list[str] = []
        self._secret = secret
        self._tokens: dict[str, float] = {}
        self._per_s = Rate(limits.app_calls_per_s)
        self._per_min = Rate(limits.app_calls_per_min, 60.0)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/open-apis/auth/v3/tenant_access_token/internal", self._token),
            web.get("/open-apis/bot/v3/info", self.call(self._bot_info)),
            web.get("/open-apis/application/v6/scopes", self.call(self._scopes)),
            web.get("/open-apis/im/v1/chats/{chat_id}", self.call(self._chat, "im:chat:readonly")),
            web.get("/open-apis/im/v1/chats/{chat_id}/members", self.call(self._members, "im:chat:readonly")),
        ]

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────

    async def _token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.calls.append(f"POST {request.path}")
        await asyncio.sleep(self.faults.token_delay_s)
        if (asked.get("app_id"), asked.get("app_secret")) != (self.world.app_id, self._secret):
            return web.json_response({"code": APP_UNKNOWN, "msg": "invalid param"}, status=400)
        token = self.world.number("t")
        self._tokens[token] = self.world.now() + self.limits.token_s
        return web.json_response(
            {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": int(self.limits.token_s)}
        )

    def expire_tokens(self) -> None:
        """Every token handed out so far is refused from now on."""
        self._tokens.clear()

    # ── the gate ─────────────────────────────────────────────────────────────────────────────────────

    def call(self, endpoint: Endpoint, scope: str | None = None) -> Callable[[web.Request], Awaitable[Any]]:
        """An endpoint behind the gate; ``scope`` names the permission that a fault can take away."""

        async def handle(request: web.Request) -> web.StreamResponse:
            call = f"{request.method} {request.path}"
            self.calls.append(call)
            refusal = self.faults.next_refusal(call)
            try:
                if refusal is not None and not refusal.after_effect:
                    raise Refused(refusal.code, refusal.msg, refusal.status, refusal.headers)
                self._let_in(request, scope)
                body = await _body(request)
                data = await endpoint(request, body)
                if refusal is not None:
                    raise Refused(refusal.code, refusal.msg, refusal.status, refusal.headers)
            except Refused as refused:
                if refusal is not None and refusal.hang_up:
                    assert request.transport is not None
                    request.transport.abort()
                return web.json_response(
                    {"code": refused.code, "msg": refused.msg}, status=refused.status, headers=refused.headers
                )
            if isinstance(data, web.StreamResponse):
                return data
            envelope = data if "bot" in data else {"data": data}
            return web.json_response({"code": 0, "msg": "success", **envelope})

        return handle

    def _let_in(self, request: web.Request, scope: str | None) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= self.world.now():
            raise Refused(
                TOKEN_INVALID, "Invalid access token for authorization. Please make a test with token attached."
            )
        if scope is not None and scope in self.faults.missing_scopes:
            raise Refused(SCOPE_MISSING, f"Access denied. One of the following scopes is required: [{scope}].")
        now = self.world.now()
        wait = self._per_s.take(now) or self._per_min.take(now)
        if wait:
            headers = {"x-ogw-ratelimit-limit": "50", "x-ogw-ratelimit-reset": str(max(1, round(wait)))}
            raise Refused(RATE_LIMITED, "request trigger frequency limit", 429, headers)

    # ── lookups ──────────────────────────────────────────────────────────────────────────────────────

    def chat_of(self, chat_id: str) -> Chat:
        """A chat with the bot in it, or a refusal."""
        chat = self.world.chats.get(chat_id)
        if chat is None:
            raise Refused(INVALID, "Your request contains an invalid request parameter, ext=invalid receive_id.")
        if not chat.has_bot:
            raise Refused(NOT_IN_CHAT, "The bot can not be outside the group.")
        return chat

    def post_of(self, message_id: str, *, ours: bool = False) -> Post:
        """A message that is still there, or a refusal; ``ours``: only one that the bot sent."""
        post = self.world.posts.get(message_id)
        if post is None:
            raise Refused(INVALID, "Your request contains an invalid request parameter, ext=invalid message_id.")
        if post.recalled:
            raise Refused(INVALID, "Your request contains an invalid request parameter, ext=message has been recalled.")
        if ours and post.sender_type != "app":
            raise Refused(NOT_THE_SENDER, "Bot is NOT the sender of the message.")
        self.chat_of(post.chat_id)
        return post

    # ── small endpoints ──────────────────────────────────────────────────────────────────────────────

    async def _bot_info(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        bot = self.world.bot
        return {"bot": {"activate_status": 2, "app_name": bot.name, "open_id": bot.open_id}}

    async def _scopes(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        missing = self.faults.missing_scopes
        return {"scopes": [{"scope_name": name, "grant_status": 2 if name in missing else 1} for name in SCOPES]}

    async def _chat(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        chat = self.chat_of(request.match_info["chat_id"])
        return {
            "name": chat.name,
            "chat_mode": chat.mode,
            "chat_type": "private",
            "owner_id": chat.owner,
            "owner_id_type": "open_id",
            "user_manager_id_list": chat.managers,
            "tenant_key": "tenant_1",
            "external": chat.external,
            "user_count": str(len(chat.members)),
        }

    async def _members(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        chat = self.chat_of(request.match_info["chat_id"])
        size = int(request.query.get("page_size", "20"))
        start = int(request.query.get("page_token") or 0)
        page = chat.members[start : start + size]
        more = start + size < len(chat.members)
        return {
            "items": [
                {"member_id_type": "open_id", "member_id": one, "name": self.world.people[one].name} for one in page
            ],
            "has_more": more,
            "page_token": str(start + size) if more else "",
            "member_total": len(chat.members),
        }


async def _body(request: web.Request) -> dict[str, Any]:
    if not request.content_type.startswith("application/json") or not request.can_read_body:
        return {}
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError as error:
        raise Refused(9499, "Bad Request") from error
    return body if isinstance(body, dict) else {}
