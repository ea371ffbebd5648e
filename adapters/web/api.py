"""What the room page's script asks for: small JSON calls, each of which checks the member again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from adapters.web import texts
from adapters.web.members import WebMember
from adapters.web.render import Markdown
from adapters.web.site import Site
from bot.errors import MemberError, NotAllowed, StoreError
from bot.event import Role


class Stranger(MemberError):
    """Raised for a request without a member's cookie."""


MessageId = Annotated[int, Path(gt=0, lt=2**63)]
"""As far as a database's integer reaches."""


class MessageCall(BaseModel):
    message: int = Field(gt=0, lt=2**63)


class ReactCall(MessageCall):
    emoji: str | None = Field(None, max_length=8)


class PressCall(MessageCall):
    button: int = Field(ge=0, lt=100)


async def _caller(request: Request) -> WebMember:
    site: Site = request.app.state.site
    found = await site.member(request)
    if found is None:
        raise Stranger(texts.NOT_A_MEMBER)
    return found


Caller = Annotated[WebMember, Depends(_caller)]


def _routes(site: Site) -> APIRouter:
    router = APIRouter(prefix="/api")
    markdown = Markdown(site.room.mentions)

    @router.post("/react")
    async def react(call: ReactCall, caller: Caller) -> dict[str, bool]:
        await site.posting.react(caller, call.message, call.emoji)
        return {"ok": True}

    @router.post("/recall")
    async def recall(call: MessageCall, caller: Caller) -> dict[str, bool]:
        await site.posting.recall(caller, call.message)
        return {"ok": True}

    @router.post("/press")
    async def press(call: PressCall, caller: Caller) -> dict[str, bool]:
        await site.posting.press(caller, call.message, call.button)
        return {"ok": True}

    @router.get("/source/{message}")
    async def source(message: MessageId, caller: Caller) -> dict[str, str]:
        return {"text": await site.posting.source(caller, message)}

    @router.get("/older/{before}")
    async def older(before: MessageId, caller: Caller) -> dict[str, Any]:
        return {"messages": await site.room.older(before)}

    @router.get("/why/{message}")
    async def why(request: Request, message: MessageId, caller: Caller) -> dict[str, str]:
        if caller.role < Role.MODERATOR and not site.is_operator(request):
            raise NotAllowed(texts.MODERATORS_ONLY)
        if site.desks.why is None or await site.room.get(message) is None:
            raise MemberError(texts.GONE)
        told = await site.desks.why(str(message), site.language(request))
        return {"html": markdown.of_ours(told)}

    return router


def add_api(app: FastAPI, site: Site) -> None:
    """The calls, and errors as a sentence in the member's language."""
    app.state.site = site
    app.include_router(_routes(site))

    @app.exception_handler(MemberError)
    async def member_error(request: Request, error: MemberError) -> JSONResponse:
        status = 401 if isinstance(error, Stranger) else 403 if isinstance(error, NotAllowed) else 400
        return JSONResponse({"error": error.in_language(site.language(request))}, status)

    @app.exception_handler(StoreError)
    async def store_error(request: Request, error: StoreError) -> JSONResponse:
        return JSONResponse({"error": texts.NOT_DONE.in_language(site.language(request))}, 503)
