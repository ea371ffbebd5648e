"""The operator's console: a Gradio page of its own for each language, behind the operator's session.

Nothing of it leaves the server without that session (``auth_dependency``), and every handler asks for it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.web import texts
from adapters.web.console_knowledge import knowledge_tab
from adapters.web.console_review import review_tab
from adapters.web.console_rooms import members_part, rooms_tab
from adapters.web.look import made_apart, mount, page_head
from adapters.web.site import Site
from bot.errors import MaodouError, MemberError
from bot.texts import LANGUAGES, Text

P = ParamSpec("P")
R = TypeVar("R")

CONSOLE = "/console"

log = structlog.get_logger(__name__)

_TITLE = Text(zh="控制台", en="Console")
_REVIEW = Text(zh="待处理", en="Review")
_KNOWLEDGE = Text(zh="知识库", en="Knowledge")
_ROOMS = Text(zh="房间与设置", en="Rooms and settings")
_TO_ROOM = Text(zh="回聊天室", en="Back to the room")
_OTHER = Text(zh="English", en="中文")


class Consoles:
    """The console in each language, made when an operator first asks for it: the room need not wait for that."""

    def __init__(self, site: Site, versions: Mapping[str, str]) -> None:
        self._site = site
        self._versions = versions
        self._made: dict[str, ASGIApp] = {}
        self._making = asyncio.Lock()
        self._running = AsyncExitStack()

    async def page(self, language: str) -> ASGIApp:
        async with self._making:
            if language not in self._made:
                app = await asyncio.to_thread(made_apart, partial(self._make, language))
                await self._running.enter_async_context(app.router.lifespan_context(app))
                self._made[language] = app
        return self._made[language]

    async def close(self) -> None:
        await self._running.aclose()

    def _make(self, language: str) -> FastAPI:
        async def operator(request: Request) -> str | None:
            return "operator" if self._site.is_operator(request) else None

        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        mount(
            app,
            make_console(self._site, language),
            f"{CONSOLE}/{language}",
            operator,
            head=page_head(self._versions, "console"),
            max_file_bytes=self._site.settings.max_file_bytes,
        )
        return app


class ConsoleDoor:
    """ASGI middleware: leads to the consoles, which are sites of their own."""

    def __init__(self, app: ASGIApp, consoles: Consoles) -> None:
        self.app = app
        self._consoles = consoles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http":
            language = next((each for each in LANGUAGES if f"{scope['path']}/".startswith(f"{CONSOLE}/{each}/")), None)
            if language is not None:
                app = await self._consoles.page(language)
        await app(scope, receive, send)


def make_console(site: Site, language: str) -> gr.Blocks:
    say = partial(_say, language)
    blocks: gr.Blocks
    with gr.Blocks(title=say(_TITLE), analytics_enabled=False, delete_cache=(3600, 86400)) as blocks:
        other = "en" if language == "zh" else "zh"
        gr.HTML(
            f'<div class="head"><img src="/static/icon.svg" alt=""><h1>{say(_TITLE)}</h1><nav>'
            f'<a href="/room/">{say(_TO_ROOM)}</a><a href="/language?to={other}&back=/console/">{say(_OTHER)}</a>'
            "</nav></div>",
            apply_default_css=False,
        )
        guard = partial(_guarded, site, language)
        with gr.Tabs():
            if site.desks.knowledge is not None:
                with gr.Tab(say(_KNOWLEDGE), id="knowledge"):
                    knowledge_tab(blocks, site, site.desks.knowledge, say, guard)
            if site.desks.review is not None:
                with gr.Tab(say(_REVIEW), id="review"):
                    review_tab(blocks, site, site.desks.review, say, guard)
            with gr.Tab(say(_ROOMS), id="rooms"):
                if site.desks.scopes is not None:
                    rooms_tab(blocks, site, site.desks.scopes, language, say, guard)
                members_part(blocks, site, say, guard)
    return blocks


def _say(language: str, text: Text, /, **values: object) -> str:
    return text.in_language(language, **values)


def _guarded(site: Site, language: str, handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """``handler`` for operators alone; its last argument is the request. What it refuses is said as a sentence."""

    @wraps(handler)
    async def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        request: Any = args[-1]
        if not site.is_operator(request):
            raise gr.Error(texts.OPERATORS_ONLY.in_language(language), print_exception=False)
        try:
            return await handler(*args, **kwargs)
        except MemberError as error:
            raise gr.Error(error.in_language(language), print_exception=False) from error
        except MaodouError as error:
            log.warning("console.refused", handler=handler.__name__, error=str(error))
            raise gr.Error(str(error), print_exception=False) from error

    return checked
