"""The plain pages around the room: joining, the operator's door, files, health. No script, no Gradio."""

from __future__ import annotations

import asyncio
import hmac
from pathlib import Path, PurePath
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from adapters.web import texts
from adapters.web.files import INLINE_TYPES, tidy_file_name
from adapters.web.identity import DAY_S, LANGUAGE_COOKIE, MEMBER_COOKIE, OPERATOR_COOKIE
from adapters.web.members import WebMember
from adapters.web.names import read_name
from adapters.web.site import HOUR_S, Site
from bot.errors import MemberError, StoreError

HERE = Path(__file__).parent
WRONG_PASSWORD_PAUSE_S = 0.5


class Pages:
    """The templates, with what every page needs."""

    def __init__(self, site: Site, versions: dict[str, str]) -> None:
        self._site = site
        sources = {path.name: path.read_text("utf-8") for path in (HERE / "templates").iterdir()}
        environment = jinja2.Environment(
            loader=jinja2.DictLoader(sources), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._templates = {name: environment.get_template(name) for name in sources}
        self._versions = versions

    def join(self, request: Request, *, member: WebMember | None, error: str = "", name: str = "") -> HTMLResponse:
        language = self._site.language(request)
        asks_password = member is None and bool(self._site.settings.password.get_secret_value())
        page = {
            "title": (texts.RENAME_TITLE if member else texts.JOIN_TITLE).in_language(language),
            "ask": texts.JOIN_AS.in_language(language),
            "password": texts.JOIN_PASSWORD.in_language(language) if asks_password else "",
            "button": (texts.RENAME_BUTTON if member else texts.JOIN_BUTTON).in_language(language),
            "note": texts.JOIN_NOTE.in_language(language),
            "error": error,
            "name": name or (member.name if member else ""),
            "max_chars": self._site.settings.max_name_chars,
        }
        return self._answer("join.html", language, 400 if error else 200, page)

    def notice(self, request: Request, text: str, status: int) -> HTMLResponse:
        language = self._site.language(request)
        return self._answer(
            "notice.html", language, status, {"text": text, "to_room": texts.TO_ROOM.in_language(language)}
        )

    def _answer(self, template: str, language: str, status: int, page: dict[str, Any]) -> HTMLResponse:
        html = self._templates[template].render(
            language=language, room=self._site.room_name(language), versions=self._versions, **page
        )
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})


def page_routes(site: Site, pages: Pages) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)
    _add_joining(router, site, pages)
    _add_operating(router, site, pages)

    @router.get("/")
    async def home(request: Request) -> Response:
        return RedirectResponse("/room/" if await site.member(request) else "/join", 303)

    @router.get("/language")
    async def choose_language(request: Request, to: str, back: str = "/") -> Response:
        response = RedirectResponse(back if back in {"/", "/join", "/room/", "/console/"} else "/", 303)
        if to in ("zh", "en"):
            _set_cookie(site, response, LANGUAGE_COOKIE, to, site.settings.session_days * DAY_S)
        return response

    @router.get("/files/{ref}/{name}")
    async def file(request: Request, ref: str, name: str) -> Response:
        if await site.member(request) is None:
            return pages.notice(request, texts.NOT_A_MEMBER.in_language(site.language(request)), 401)
        path = await asyncio.to_thread(site.room.files.path, ref)
        if path is None:
            return pages.notice(request, texts.NOT_HERE.in_language(site.language(request)), 404)
        return _serve(path, tidy_file_name(name))

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        parts = dict(site.desks.health()) if site.desks.health is not None else {}
        wrong = {name: why for name, why in parts.items() if why is not None}
        answer = {"status": "red" if wrong else "green", "parts": {name: why or "ok" for name, why in parts.items()}}
        return JSONResponse(answer, 503 if wrong else 200, {"Cache-Control": "no-store"})

    return router


def _add_joining(router: APIRouter, site: Site, pages: Pages) -> None:
    @router.get("/join")
    async def join_page(request: Request) -> Response:
        return pages.join(request, member=await site.member(request))

    @router.post("/join")
    async def join(
        request: Request, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
    ) -> Response:
        known = await site.member(request)
        language = site.language(request)
        try:
            if known is None:
                await _check_password(site, password)
            wanted = read_name(name, bot_names=site.settings.bot_names, max_chars=site.settings.max_name_chars)
            member = await site.members.join(wanted, known.id if known else None)
            if site.is_operator(request):
                await site.crown(member)
        except MemberError as error:
            return pages.join(request, member=known, error=error.in_language(language), name=name)
        except StoreError:
            return pages.join(request, member=known, error=texts.NOT_DONE.in_language(language), name=name)
        response = RedirectResponse("/room/", 303)
        _set_cookie(
            site, response, MEMBER_COOKIE, site.signatures.sign_member(member.id), site.settings.session_days * DAY_S
        )
        return response


def _add_operating(router: APIRouter, site: Site, pages: Pages) -> None:
    @router.get("/operator")
    async def operator(request: Request, token: str = "") -> Response:
        nonce = site.signatures.read_link(token, max_age_s=site.settings.operator_link_minutes * 60)
        if nonce is None or not await site.members.spend_link(nonce):
            return pages.notice(request, texts.LINK_SPENT.in_language(site.language(request)), 403)
        member = await site.member(request)
        if member is not None:
            await site.crown(member)
        response = RedirectResponse("/console/", 303)
        _set_cookie(
            site, response, OPERATOR_COOKIE, site.signatures.sign_operator(), site.settings.operator_hours * HOUR_S
        )
        return response

    @router.get("/console")
    @router.get("/console/")
    async def console(request: Request) -> Response:
        if not site.is_operator(request):
            return pages.notice(request, texts.OPERATORS_ONLY.in_language(site.language(request)), 403)
        return RedirectResponse(f"/console/{site.language(request)}/", 303)


async def _check_password(site: Site, given: str) -> None:
    expected = site.settings.password.get_secret_value()
    if not expected:
        return
    if site.wrong_passwords.is_full():
        raise MemberError(texts.TOO_MANY_WRONG)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        site.wrong_passwords.count()
        await asyncio.sleep(WRONG_PASSWORD_PAUSE_S)
        raise MemberError(texts.WRONG_PASSWORD)


def _set_cookie(site: Site, response: Response, name: str, value: str, max_age_s: float) -> None:
    response.set_cookie(
        name, value, max_age=int(max_age_s), httponly=True, samesite="lax", secure=site.secure_cookies, path="/"
    )


def _serve(path: Path, name: str) -> Response:
    """A member's file: never run, never sniffed; a download unless it is a picture or a sound."""
    media_type = INLINE_TYPES.get(PurePath(path.name).suffix)
    return FileResponse(
        path,
        media_type=media_type or "application/octet-stream",
        filename=name,
        content_disposition_type="inline" if media_type else "attachment",
        headers={
            "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
            "Cache-Control": "private, max-age=86400",
        },
    )
