"""How Gradio's pages are dressed: system fonts, our colours, our style sheets and script. Nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

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

_SCRIPTS = {"room": ("message.js", "room.js")}


def theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue=gr.themes.colors.green,
        neutral_hue=gr.themes.colors.stone,
        font=list(FONTS),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_lg,
    )


def page_head(versions: Mapping[str, str], page: str) -> str:
    """The page's style sheets and script, named with their content's hash so that browsers may keep them."""
    sheets = "".join(
        f'<link rel="stylesheet" href="/static/{name}?v={versions[name]}">' for name in ("colours.css", f"{page}.css")
    )
    script = "".join(f'<script src="/static/{name}?v={versions[name]}"></script>' for name in _SCRIPTS.get(page, ()))
    return f'<link rel="icon" type="image/svg+xml" href="/favicon.ico">{sheets}{script}'
