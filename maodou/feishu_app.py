"""The Feishu app itself: what it needs, how it is made by one scan, and what the platform says it has.

Making it is lark-oapi's ``register_app`` (a device authorisation, RFC 8628): it shows a link, the operator
confirms it in Feishu, and the platform hands out the new app's id and secret. What the app asks for rides along
in the link, so that nothing is left to do by hand in the developer console.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from adapters.feishu.library import load
from adapters.feishu.settings import FeishuSettings
from bot.errors import UsageError

ACCOUNTS = {"feishu": "https://accounts.feishu.cn", "lark": "https://accounts.larksuite.com"}

SCOPES = {
    "im:message:send_as_bot": "to answer",
    "im:message.p2p_msg:readonly": "to hear direct messages",
    "im:message.group_at_msg:readonly": "to hear who mentions it in a group",
    "im:message.group_msg": "to hear everything in a group, which unasked answers, replies and voice need",
    "im:message:readonly": "to read the message that is replied to, and attachments",
    "im:message:update": "to show an answer while it is made",
    "im:message:recall": "to take an answer back with its question",
    "im:message.reactions:read": "to hear 👍 and 👎",
    "im:message.reactions:write_only": "to show that it is thinking",
    "im:chat:readonly": "to know the group, its owner and managers, and members' names",
    "im:resource": "to send voice and files",
}
"""By scope: what it is for. The names are the developer console's."""

EVENTS = (
    "im.message.receive_v1",
    "im.message.recalled_v1",
    "im.message.reaction.created_v1",
    "im.message.reaction.deleted_v1",
    "im.chat.member.bot.added_v1",
    "im.chat.member.bot.deleted_v1",
)
CALLBACKS = ("card.action.trigger",)

NAME = "毛豆"
"""No more is said of it: the link must fit a code that fits a terminal."""

LOOK_WITHIN_S = 15.0
GRANTED = 1


@dataclass(frozen=True, slots=True)
class NewApp:
    """``owner``: the ``open_id`` of who scanned, empty when the platform does not say. ``domain``: feishu or lark."""

    id: str
    secret: str
    owner: str
    domain: str


@dataclass(frozen=True, slots=True)
class AppState:
    """What the platform says about an app. ``missing``: the scopes of ours that it was not granted."""

    name: str
    bot: bool
    missing: tuple[str, ...]


def register(show: Callable[[str, int], None], *, domain: str, accounts: str = "", app_id: str = "") -> NewApp:
    """Make an app, or give the app ``app_id`` what it lacks. Blocks until the operator has confirmed.

    ``show`` is given the link and the seconds for which it holds. ``accounts``: the address of another account
    service. Raises ``UsageError`` with what went wrong.
    """
    registration = load("lark_oapi.scene.registration")
    addons = {
        "scopes": {"tenant": list(SCOPES)},
        "events": {"items": {"tenant": list(EVENTS)}},
        "callbacks": {"items": list(CALLBACKS)},
    }
    options: dict[str, Any] = {"app_id": app_id} if app_id else {"create_only": True}
    switched: list[str] = []

    def notice(status: dict[str, Any]) -> None:
        if status.get("status") == "domain_switched":
            switched.append("lark")

    try:
        made = registration.register_app(
            on_qr_code=lambda code: show(str(code["url"]), int(code["expire_in"])),
            on_status_change=notice,
            source="maodou",
            domain=accounts or ACCOUNTS.get(domain, domain),
            lark_domain=accounts or ACCOUNTS["lark"],
            app_preset={"name": NAME},
            addons=addons,
            **options,
        )
    except registration.AppAccessDeniedError as error:
        raise UsageError("The request was turned down in Feishu. Run the command again to ask anew.") from error
    except registration.AppExpiredError as error:
        raise UsageError("Nobody scanned the code in time. Run the command again for a new one.") from error
    except registration.RegisterAppError as error:
        raise UsageError(f"Feishu did not make the app: {error}. Make it by hand: docs/guide/en/feishu.md.") from error
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; no JSON is a ValueError
        raise UsageError(f"Feishu cannot be reached, or answered with something else: {error}") from error
    except KeyError as error:
        raise UsageError(f"Feishu's answer lacks {error}. Make the app by hand: docs/guide/en/feishu.md.") from error
    return NewApp(
        str(made["client_id"]),
        str(made["client_secret"]),
        str((made.get("user_info") or {}).get("open_id") or ""),
        "lark" if switched else domain,
    )


def look_up(settings: FeishuSettings) -> AppState:
    """Ask Feishu about the app. Raises ``UsageError`` when its secret is refused, or with the way to Feishu.

    (``GET /open-apis/application/v6/scopes`` needs no scope of its own; ``grant_status`` 1 is granted.)
    """
    base = settings.base_url
    try:
        with httpx.Client(base_url=base, timeout=LOOK_WITHIN_S) as client:
            secret = {"app_id": settings.app_id, "app_secret": settings.app_secret.get_secret_value()}
            token = _data(client.post("/open-apis/auth/v3/tenant_access_token/internal", json=secret))
            if token.get("code") != 0:
                raise UsageError(
                    f"Feishu refuses the secret of {settings.app_id} ({token.get('code')}: {token.get('msg')}): copy "
                    "it once more (developer console › Credentials) into MAODOU_FEISHU_APP_SECRET in .env."
                )
            client.headers["Authorization"] = f"Bearer {token['tenant_access_token']}"
            bot = _data(client.get("/open-apis/bot/v3/info")).get("bot") or {}
            scopes = _data(client.get("/open-apis/application/v6/scopes"))
    except httpx.HTTPError as error:
        raise UsageError(f"Feishu cannot be reached at {base}: {error or type(error).__name__}.") from error
    listed = (scopes.get("data") or {}).get("scopes")
    if scopes.get("code") != 0 or not isinstance(listed, list):
        raise UsageError(f"Feishu does not tell the app's scopes ({scopes.get('code')}: {scopes.get('msg')}).")
    granted = {each.get("scope_name") for each in listed if each.get("grant_status") == GRANTED}
    return AppState(
        name=str(bot.get("app_name") or ""),
        bot=bool(bot.get("open_id")),
        missing=tuple(scope for scope in SCOPES if scope not in granted),
    )


def _data(response: httpx.Response) -> dict[str, Any]:
    """The reply's object, refusals included: those say why."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UsageError(f"{response.request.url} answered {response.status_code}, and not as Feishu does.")
    return body
