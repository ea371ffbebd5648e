"""How Gradio's pages are dressed: system fonts, our colours, our style sheets and script. Nothing from elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html import escape
from typing import TypeVar

import gradio as gr
from fastapi import FastAPI
from starlette.requests import Request

from bot.texts import Text

T = TypeVar("T")
Visitor = Callable[[Request], Awaitable[str | None]]
"""Who asks for a page: a name for Gradio, or None for nobody it may answer."""

FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono", "Noto Sans Mono CJK SC", "monospace")

_WORDS = {
    "common.complete": Text(zh="完成", en="Done"),
    "common.progress": Text(zh="进度", en="Progress"),
    "common.upload": Text(zh="上传", en="Upload"),
}
"""What Gradio asks its dictionaries for and does not find there: its pages would show the key."""
_LOCALES = ("zh-CN", "en")

LEAF = gr.themes.Color(
    name="leaf",
    c50="#f4f9ec",
    c100="#e6f0da",
    c200="#cfe3b6",
    c300="#b1d18b",
    c400="#8fb962",
    c500="#4d7c33",
    c600="#426c2b",
    c700="#365824",
    c800="#2c471f",
    c900="#233a19",
    c950="#14220d",
)


def theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue=LEAF,
        neutral_hue=gr.themes.colors.stone,
        font=list(FONTS),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_lg,
    )


def mount(app: FastAPI, blocks: gr.Blocks, path: str, visitor: Visitor, *, head: str, max_file_bytes: int) -> None:
    """Put a Gradio page into the site, with everything shut that is not the page itself."""
    gr.mount_gradio_app(
        app,
        blocks,
        path,
        auth_dependency=visitor,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=max_file_bytes,
        allowed_paths=[],
        ssr_mode=False,
        pwa=False,
        enable_monitoring=False,
        mcp_server=False,
        i18n=gr.I18n(
            **{locale: {key: word.in_language(locale[:2]) for key, word in _WORDS.items()} for locale in _LOCALES}
        ),
        theme=theme(),
        head=head,
    )


def made_apart(make: Callable[[], T]) -> T:
    """What ``make`` makes, in this thread and within a loop that serves nobody: where none runs, each part of
    Gradio makes one and leaves it open. Slow: call it in a thread without a loop."""

    async def made() -> T:
        return make()

    return asyncio.run(made())


def page_head(versions: Mapping[str, str], page: str) -> str:
    """The page's style sheets, named with their content's hash so that browsers may keep them."""
    sheets = "".join(
        f'<link rel="stylesheet" href="/static/{name}?v={versions[name]}">' for name in ("colours.css", f"{page}.css")
    )
    return f'<link rel="icon" type="image/svg+xml" href="/favicon.ico">{sheets}'


def scripts(versions: Mapping[str, str], *names: str) -> str:
    """Scripts for a component's ``head``: there, unlike in the page's, Gradio waits for them."""
    return "".join(f'<script src="/static/{name}?v={versions[name]}"></script>' for name in names)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as HTML, for ``gr.HTML``: every cell is escaped, ```code``` marks become code."""
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="rows"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(value)))
