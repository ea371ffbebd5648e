"""Markdown as files have it to Markdown without HTML: what its reader sees, in the marks that Markdown has for it.

READMEs are full of HTML – tables, centred headings, badges, folded parts –, and of comments that nobody sees.
"""

from __future__ import annotations

import re

from rag.directives import undirected
from rag.fences import stretches
from rag.html import html_to_markdown

_TAG = re.compile(r"<!--|<([A-Za-z]\w*)([^<>]{0,2000})>")
_UNSEEN_TAGS = frozenset({"script", "style", "template", "noscript"})
_HIDING = re.compile(r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden|\shidden(?![\w-])", re.IGNORECASE)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)


def plain_markdown(text: str) -> str:
    """``text`` without what a rendered page would not show, and without HTML; code stays as it is.

    Raises :class:`rag.html.Tangled`.
    """
    parts = stretches(undirected(text))
    return "".join(stretch if fenced else _untagged(_tables(_shown(stretch))) for stretch, fenced in parts)


def _shown(text: str) -> str:
    """``text`` without comments, scripts and hidden elements; one that never ends hides the rest, as in a browser.

    By hand and forward only: a regular expression over whole elements takes quadratic time where none of them ends.
    """
    kept: list[str] = []
    lower: str | None = None
    position = 0
    while (tag := _TAG.search(text, position)) is not None:
        name = (tag[1] or "").lower()
        if name and name not in _UNSEEN_TAGS and not _HIDING.search(tag[2]):
            kept.append(text[position : tag.end()])
            position = tag.end()
            continue
        kept.append(text[position : tag.start()])
        position = tag.end()
        if name in _VOID:
            continue
        lower = text.lower() if lower is None else lower
        ending = "-->" if not name else f"</{name}"
        found = lower.find(ending, position)
        closed = text.find(">", found) if found >= 0 else -1
        if closed < 0:
            position = len(text)
            break
        position = closed + 1
    kept.append(text[position:])
    return "".join(kept)


def _tables(text: str) -> str:
    """HTML tables as Markdown's; one that never ends stays as it is."""
    lower = text.lower()
    kept: list[str] = []
    position = 0
    while (start := lower.find("<table", position)) >= 0:
        end = lower.find("</table", start)
        closed = text.find(">", end) + 1 if end >= 0 else 0
        if not closed:
            break
        kept += [text[position:start], "\n\n", html_to_markdown(text[start:closed]), "\n\n"]
        position = closed
    return "".join([*kept, text[position:]]) if kept else text


_CODE_OR_TAG = re.compile(
    r"(?P<code>(?<!`)(?P<ticks>`{1,4})(?!`)[^`\n]{1,500}(?P=ticks)(?!`))"
    r"|<(?P<heading>/?h[1-6])\b[^<>]{0,500}>"
    r"|<(?P<line>br|hr|p|/p|div|/div|li|summary|/summary|/details|blockquote|/blockquote)\b[^<>]{0,500}>"
    r"|</?(?:a|abbr|b|big|center|cite|code|dd|del|details|dl|dt|em|figure|figcaption|font|i|iframe|img|ins|kbd|mark|ol"
    r"|picture|s|section|small|source|span|strong|sub|sup|svg|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var|video)"
    r"(?:\s[^<>]{0,2000})?/?>",
    re.IGNORECASE,
)


_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def _untagged(text: str) -> str:
    """Without the tags of HTML's own elements; ``<path>`` and ``List<String>`` are none and stay."""
    return _BLANK_LINES.sub("\n\n", _CODE_OR_TAG.sub(_marks, text))


def _marks(found: re.Match[str]) -> str:
    if found["code"]:
        return found[0]
    if found["heading"]:
        name = found["heading"]
        return "\n\n" if name.startswith("/") else f"\n\n{'#' * int(name[1])} "
    return "\n" if found["line"] else ""
