"""How Gradio's pages are dressed: system fonts, our colours, our style sheets and script. Nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import gradio as gr

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
