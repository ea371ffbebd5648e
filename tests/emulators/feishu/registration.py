"""The account service that makes an app for whoever scans a code (device authorisation, RFC 8628).

``POST /oauth/v1/app/registration`` with ``action`` init, begin or poll, as a form. What the app is to be given
rides in the link's ``addons``: base64 of gzip of JSON.
"""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

Ending = Literal["", "access_denied", "expired_token"]


@dataclass(slots=True)
class Registration:
    """``ending``: how it goes wrong; empty: somebody scans after ``polls`` polls. ``brand``: of the scanner's tenant,
    which the first poll afterwards tells. ``asked``: the forms that came, in order."""

    app_id: str
    secret: str
    ending: Ending = ""
    polls: int = 1
    brand: str = "feishu"
    owner: str = "ou_owner"
    asked: list[dict[str, str]] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/oauth/v1/app/registration", self._register)]

    async def _register(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append(form)
        match form.get("action"):
            case "init":
                return web.json_response({"supported_auth_methods": ["client_secret"]})
            case "begin":
                return web.json_response(
                    {
                        "device_code": secrets.token_hex(4),
                        "verification_uri_complete": "https://open.feishu.cn/page/launcher?user_code=ABCD-EFGH",
                        "interval": 0,
                        "expires_in": 600,
                    }
                )
            case "poll":
                return web.json_response(self._poll())
        return web.json_response({"error": "invalid_request", "error_description": "no such action"}, status=400)

    def _poll(self) -> dict[str, Any]:
        if self.polls:
            self.polls -= 1
            return {"error": "authorization_pending"}
        if self.ending:
            return {"error": self.ending, "error_description": "by a switch"}
        who = {"open_id": self.owner, "tenant_brand": self.brand}
        if self.brand == "lark" and sum(form.get("action") == "poll" for form in self.asked) == 2:
            return {"user_info": who}  # the client must ask Lark's own service from now on
        return {"client_id": self.app_id, "client_secret": self.secret, "user_info": who}


def asks_for(link: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What a link asks the platform to give the app, and its other parameters."""
    query = {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}
    packed = query.pop("addons")
    unpacked = gzip.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return json.loads(unpacked), query
