"""HTML to Markdown: what a reader of the page sees, with its headings, code, lists and tables. For the splitter."""

from __future__ import annotations

import re

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
_SPACE = re.compile(r"\s+")
_MAX_DEPTH = 200
"""Elements nested deeper are read as their text alone."""


def html_to_markdown(html: str) -> str:
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
    text = re.sub(r"[ \t]*\n[ \t]*\n\s*\n*", "\n\n", "".join(out)).strip()
    if heading and not text.startswith("# ") and text:
        text = f"# {heading}\n\n{text}"
    return text


def _inline(text: str | None) -> str:
    return _SPACE.sub(" ", text or "").strip()


def _walk(node: LexborNode, out: list[str], depth: int) -> None:
    child = node.child
    while child is not None:
        tag = child.tag or ""
        if tag == "-text":
            out.append(_SPACE.sub(" ", child.text() or ""))
        elif tag == "-comment" or tag.startswith(("!", "-")):
            pass
        elif depth > _MAX_DEPTH:
            out.append(_inline(child.text()))
        else:
            _element(child, tag, out, depth)
        child = child.next


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
    elif tag == "tr":
        cells = [_inline(cell.text()).replace("|", "\\|") for cell in node.css("th, td")]
        out.append(f"\n| {' | '.join(cells)} |")
    elif tag == "img":
        out.append(_inline(node.attributes.get("alt")))
    elif tag in _BLOCKS:
        out.append("\n\n")
        _walk(node, out, depth + 1)
        out.append("\n\n")
    else:
        _walk(node, out, depth + 1)
