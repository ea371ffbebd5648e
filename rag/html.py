"""HTML to Markdown: what a reader of the page sees, with its headings, code, lists and tables. For the splitter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

_UNSEEN_TAGS = ("script", "style", "template", "noscript", "head", "svg", "iframe", "object", "nav", "form")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])")
_BLOCKS = {
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
}
_BLOCKS |= {"figcaption", "figure", "footer", "header", "hr", "main", "ol", "p", "section", "summary", "table", "tbody"}
_BLOCKS |= {"tfoot", "thead", "ul"}
_TABLE_PARTS = ("thead", "tbody", "tfoot")
_SPACE = re.compile(r"\s+")
MAX_NESTING = 1_000
"""Parsing takes time in proportion to the square of the nesting, as the HTML standard is written."""
_OPEN_OR_CLOSE = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NEVER_DEEP = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_NEVER_DEEP |= {"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "colgroup"}
"""Elements without an end, and those that the next of their kind ends."""
_MAX_DEPTH = 200
"""Elements nested deeper are read as their text alone."""


class Tangled(ValueError):
    """Raised for a page whose elements are nested deeper than :data:`MAX_NESTING`."""


def html_to_markdown(html: str) -> str:
    """Raises :class:`Tangled`."""
    if _nesting(html) > MAX_NESTING:
        raise Tangled
    tree = LexborHTMLParser(html)
    title = tree.css_first("title")
    heading = _inline(title.text()) if title is not None else ""
    for tag in _UNSEEN_TAGS:
        for node in tree.css(tag):
            node.decompose()
    hidden = [
        node
        for node in tree.css("[style], [hidden], [aria-hidden=true]")
        if "hidden" in node.attributes
        or node.attributes.get("aria-hidden") == "true"
        or _HIDDEN.search((node.attributes.get("style") or "").lower())
    ]
    for node in hidden:
        node.decompose()
    if tree.body is None:
        return ""
    out: list[str] = []
    _walk(tree.body, out, 0)
    text = _tidy("".join(out))
    if heading and not text.startswith("# ") and text:
        text = f"# {heading}\n\n{text}"
    return text


def _nesting(html: str) -> int:
    """How deep the elements are nested at most, by their tags alone."""
    depth = deepest = 0
    for end, name in _OPEN_OR_CLOSE.findall(html):
        if name.lower() in _NEVER_DEEP:
            continue
        depth = max(0, depth - 1) if end else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _tidy(text: str) -> str:
    """Without spaces at the ends of lines, and with one blank line for many."""
    lines = [line.rstrip() for line in text.split("\n")]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip()


def _inline(text: str | None) -> str:
    return _SPACE.sub(" ", text or "").strip()


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _walk(node: LexborNode, out: list[str], depth: int) -> None:
    for child in _children(node):
        tag = child.tag or ""
        if tag == "-text":
            out.append(_SPACE.sub(" ", child.text() or ""))
        elif tag.startswith(("!", "-")):
            continue
        elif depth > _MAX_DEPTH:
            out.append(_inline(child.text()))
        else:
            _element(child, tag, out, depth)


def _table(table: LexborNode) -> str:
    """As a Markdown table; the first row is its head. A table within a cell is read as the cell's text."""
    parts = [row for part in _children(table) for row in (_children(part) if part.tag in _TABLE_PARTS else (part,))]
    rows = [[_cell(cell) for cell in _children(row) if cell.tag in ("th", "td")] for row in parts if row.tag == "tr"]
    rows = [row for row in rows if any(row)]
    before = [_inline(part.text()) for part in _children(table) if part.tag == "caption"]
    if rows:
        rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join([*before, *(f"| {' | '.join(row)} |" for row in rows)])


def _cell(cell: LexborNode) -> str:
    return _inline(cell.text(separator=" ")).replace("|", "\\|")


def _element(node: LexborNode, tag: str, out: list[str], depth: int) -> None:
    if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
        out.append(f"\n\n{'#' * int(tag[1])} {_inline(node.text())}\n\n")
    elif tag == "pre":
        code = (node.text() or "").strip("\n")
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
        out.append(f"\n\n{fence}\n{code}\n{fence}\n\n")
    elif tag == "code":
        out.append(f"`{_inline(node.text())}`")
    elif tag == "br":
        out.append("\n")
    elif tag == "li":
        out.append("\n- ")
        _walk(node, out, depth + 1)
    elif tag == "table":
        out.append(f"\n\n{_table(node)}\n\n")
    elif tag == "img":
        out.append(_inline(node.attributes.get("alt")))
    elif tag in _BLOCKS:
        out.append("\n\n")
        _walk(node, out, depth + 1)
        out.append("\n\n")
    else:
        _walk(node, out, depth + 1)
