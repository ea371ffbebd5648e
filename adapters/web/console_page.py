"""The operator's console: a Gradio page of its own for each language, behind the operator's session.

Nothing of it leaves the server without that session (``auth_dependency``), and every handler asks for it again.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import structlog
from fastapi import FastAPI
from starlette.requests import Request

from adapters.web import texts
from adapters.web.console_knowledge import knowledge_tab
from adapters.web.console_rooms import members_part, rooms_tab
from adapters.web.look import page_head, theme
from adapters.web.site import Site
from bot.errors import MaodouError, MemberError
from bot.texts import Text

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)

_TITLE = Text(zh="控制台", en="Console")
_KNOWLEDGE = Text(zh="知识库", en="Knowledge")
_ROOMS = Text(zh="房间与设置", en="Rooms and settings")
_TO_ROOM = Text(zh="回聊天室", en="Back to the room")
_OTHER = Text(zh="English", en="中文")


def mount_console(app: FastAPI, site: Site, versions: Mapping[str, str]) -> None:
    async def operator(request: Request) -> str | None:
        return "operator" if site.is_operator(request) else None

    for language in ("zh", "en"):
        gr.mount_gradio_app(
            app,
            make_console(site, language),
            f"/console/{language}",
            auth_dependency=operator,
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size=site.settings.max_file_bytes,
            allowed_paths=[],
            ssr_mode=False,
            pwa=False,
            enable_monitoring=False,
            mcp_server=False,
            theme=theme(),
            head=page_head(versions, "console"),
        )


def make_console(site: Site, language: str) -> gr.Blocks:
    say = functools.partial(_say, language)
    blocks: gr.Blocks
    with gr.Blocks(title=say(_TITLE), analytics_enabled=False, delete_cache=(3600, 86400)) as blocks:
        other = "en" if language == "zh" else "zh"
        gr.HTML(
            f'<div class="head"><img src="/static/icon.svg" alt=""><h1>{say(_TITLE)}</h1><nav>'
            f'<a href="/room/">{say(_TO_ROOM)}</a><a href="/language?to={other}&back=/console/">{say(_OTHER)}</a>'
            "</nav></div>",
            apply_default_css=False,
        )
        guard = functools.partial(_guarded, site, language)
        with gr.Tabs():
            if site.desks.knowledge is not None:
                with gr.Tab(say(_KNOWLEDGE), id="knowledge"):
                    knowledge_tab(blocks, site, site.desks.knowledge, say, guard)
            with gr.Tab(say(_ROOMS), id="rooms"):
                if site.desks.scopes is not None:
                    rooms_tab(blocks, site, site.desks.scopes, language, say, guard)
                members_part(blocks, site, say, guard)
    return blocks


def _say(language: str, text: Text, /, **values: object) -> str:
    return text.in_language(language, **values)


def _guarded(site: Site, language: str, handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """``handler`` for operators alone; its last argument is the request. What it refuses is said as a sentence."""

    @functools.wraps(handler)
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
