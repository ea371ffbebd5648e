"""Who asks for a page, in which language, and what they may see: the questions that every handler asks again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import URL

from adapters.web.desks import Desks
from adapters.web.identity import DAY_S, LANGUAGE_COOKIE, MEMBER_COOKIE, OPERATOR_COOKIE, Signatures
from adapters.web.members import Members, WebMember
from adapters.web.posting import Posting
from adapters.web.room import WebRoom
from adapters.web.settings import WebSettings
from adapters.web.texts import ROOM_NAME, box_labels, page_texts
from adapters.web.throttle import Throttle
from adapters.web.transcript import hue
from bot.event import Role
from bot.scopes import scope_of

HOUR_S = 3600.0


class Asked(Protocol):
    """A request, FastAPI's or Gradio's: both have the browser's cookies and headers."""

    @property
    def cookies(self) -> Any: ...

    @property
    def headers(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages and handlers of one room share."""

    room: WebRoom
    posting: Posting
    members: Members
    signatures: Signatures
    settings: WebSettings
    desks: Desks
    wrong_passwords: Throttle

    async def member(self, request: Asked) -> WebMember | None:
        """The member whose cookie came with the request; None for a stranger or a forged cookie."""
        cookie = request.cookies.get(MEMBER_COOKIE)
        member_id = self.signatures.read_member(cookie, max_age_s=self.settings.session_days * DAY_S)
        return await self.members.get(member_id)

    def is_operator(self, request: Asked) -> bool:
        cookie = request.cookies.get(OPERATOR_COOKIE)
        return self.signatures.is_operator(cookie, max_age_s=self.settings.operator_hours * HOUR_S)

    async def who(self, request: Asked) -> str:
        """The operator's name for the audit: the member in the same browser, if there is one."""
        member = await self.member(request)
        return member.member.key if member is not None else "operator:console"

    async def crown(self, member: WebMember) -> None:
        """The operator's own member runs the room."""
        await self.members.set_role(member.id, Role.OWNER, who="operator:link", scope=scope_of(self.room.room))

    def language(self, request: Asked) -> str:
        """The language that was chosen, else the one the browser asks for first that we have."""
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        if chosen in ("zh", "en"):
            return str(chosen)
        return wanted_language(request.headers.get("accept-language", ""), self.settings.language)

    def room_name(self, language: str) -> str:
        return self.settings.room_name or ROOM_NAME.in_language(language)

    @property
    def secure_cookies(self) -> bool:
        return URL(self.settings.public_url).scheme == "https"

    async def picture(self, member: WebMember, language: str, *, operator: bool) -> dict[str, Any]:
        """Everything a room page shows, as its script wants it."""
        return {
            "me": {"id": member.id, "name": member.name},
            "language": language,
            "hue": hue(member.id),
            "more": len(self.room.transcript.shown) >= self.settings.history_messages,
            "room": self.room_name(language),
            "texts": page_texts(language),
            "labels": box_labels(language),
            "messages": dict(self.room.transcript.shown),
            "fillings": self.room.transcript.fillings,
            "thinking": self.room.transcript.thinking(),
            "present": sorted(self.room.live.present(self.room.room.id).values()),
            "maxChars": self.settings.max_message_chars,
            "heartbeatS": self.settings.heartbeat_s,
            "mayAskWhy": self.desks.why is not None and (operator or member.role >= Role.MODERATOR),
            "mayManage": operator,
        }


def wanted_language(accept_language: str, otherwise: str) -> str:
    """``zh`` or ``en``: the first of them by the browser's weights (RFC 9110, 12.5.4)."""
    weighted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept_language.split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(parameter.partition("=")[2]) if parameter else 1.0
        except ValueError:
            weight = 0.0
        if language in ("zh", "en") and weight > 0:
            weighted.append((-weight, place, language))
    return min(weighted)[2] if weighted else otherwise
