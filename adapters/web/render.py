"""A message's Markdown as safe HTML: the last step before a browser.

HTML that anybody writes is shown as text. Members write a limited Markdown (no headings, tables, rules);
answers have all of CommonMark with tables. Links go to http(s) and mail only and open apart; pictures
become links, so that reading a message never asks another server for anything. Numbered marks like ``[1]`` in
answers are set small, and the list of sources at the end is folded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from adapters.web.mentions import Mentions
from bot.plain import plain_words

SOURCES_HEAD = re.compile(
    r"^(?:[-*_]{3,}[ \t]*\n+)?[#>* \t]*"
    r"(?:来源|出处|参考(?:资料)?|sources?|references?)"
    r"[ \t]*[:：]?[ \t]*[*]*[ \t]*[:：]?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""The line above an answer's sources; what follows it, up to the end, must be the list."""

_SOURCE_LINE = re.compile(r"^[ \t]*(?:[-*][ \t]+)?(?:\[(\d{1,3})\]|(\d{1,3})[.)、])[ \t]*(.+)$")
_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_CITE = re.compile(r"[ \t]*\[(\d{1,3})\]")
_SCHEME = re.compile(r"^(?:https?://|mailto:)", re.IGNORECASE)
_MEMBER_RULES = (
    "fence",
    "blockquote",
    "list",
    "newline",
    "escape",
    "backticks",
    "strikethrough",
    "emphasis",
    "link",
    "image",
    "autolink",
    "entity",
    "balance_pairs",
    "fragments_join",
)
_ANSWER_RULES = (*_MEMBER_RULES, "heading", "lheading", "hr", "table")
_MOST_HIGHLIGHTED_CHARS = 20_000

Replace = Callable[[re.Match[str]], str]


class Markdown:
    """Pure and without state between calls; a long text may be rendered off the event loop."""

    def __init__(self, mentions: Mentions) -> None:
        mention = (mentions.pattern, lambda match: f'<span class="mention">{escape(match[0])}</span>')
        # A word joiner keeps the mark on the line of what it stands for.
        cite = (_CITE, lambda match: f'&#8288;<sup class="cite" data-n="{match[1]}">{match[1]}</sup>')
        link = (_URL, _link)
        self._member = _parser(_MEMBER_RULES, (link, mention))
        self._ours = _parser(_ANSWER_RULES, (link, mention, cite))
        self._line = _parser(("backticks", "emphasis", "link", "autolink", "balance_pairs"), (link,))

    def of_member(self, text: str) -> str:
        return str(self._member.render(text))

    def of_ours(self, text: str) -> str:
        """An answer; the page's script names the folded list of its sources in the reader's language."""
        body, sources = split_sources(text)
        html = str(self._ours.render(body))
        if not sources:
            return html
        items = "".join(
            f'<li value="{number}" data-n="{number}">{self._line.renderInline(line)}</li>' for number, line in sources
        )
        summary = f'<summary><span class="count">{len(sources)}</span></summary>'
        return f'{html}<details class="sources">{summary}<ol>{items}</ol></details>'


def split_sources(text: str) -> tuple[str, list[tuple[int, str]]]:
    """An answer's body, and its sources as (number, line); no sources unless the text ends in such a list."""
    heads = list(SOURCES_HEAD.finditer(text))
    if not heads:
        return text, []
    lines = [line for line in text[heads[-1].end() :].splitlines() if line.strip()]
    found = [_SOURCE_LINE.match(line) for line in lines]
    if not lines or not all(found):
        return text, []
    sources = [(int(match[1] or match[2]), match[3].strip()) for match in found if match]
    return text[: heads[-1].start()].rstrip(), sources


def excerpt(text: str, max_chars: int, *, ours: bool) -> str:
    """The start of a message on one line, for the line above a reply: a member's letter for letter, ours without
    Markdown's marks."""
    plain = plain_words(split_sources(text)[0][: 20 * max_chars]) if ours else " ".join(text.split())
    return plain if len(plain) <= max_chars else plain[: max_chars - 1].rstrip() + "…"


def _parser(rules: Sequence[str], replacements: Sequence[tuple[re.Pattern[str], Replace]]) -> MarkdownIt:
    parser = MarkdownIt("zero", {"html": False, "breaks": True, "linkify": False, "maxNesting": 20})
    parser.enable(list(rules))
    parser.validateLink = lambda url: _SCHEME.match(url) is not None  # type: ignore[method-assign]
    parser.core.ruler.push("in_text", lambda state: _replace_in_text(state, replacements))
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("table_open", lambda *_: '<div class="table"><table>')
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    return parser


def _replace_in_text(state: StateCore, replacements: Sequence[tuple[re.Pattern[str], Replace]]) -> None:
    """Mark URLs, mentions and citations in plain text: never inside links or code."""
    for token in state.tokens:
        if token.type != "inline" or not token.children:
            continue
        children: list[Token] = []
        depth = 0
        for child in token.children:
            depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
            children.extend(_cut(child, replacements) if child.type == "text" and depth == 0 else [child])
        token.children = children


def _cut(token: Token, replacements: Sequence[tuple[re.Pattern[str], Replace]]) -> list[Token]:
    """A text token as text and ready HTML, in order."""
    pieces: list[tuple[str, bool]] = [(token.content, False)]
    for pattern, replace in replacements:
        cut: list[tuple[str, bool]] = []
        for piece, is_html in pieces:
            cut.extend([(piece, True)] if is_html else _cut_text(piece, pattern, replace))
        pieces = cut
    return [Token("html_inline" if is_html else "text", "", 0, content=piece) for piece, is_html in pieces if piece]


def _cut_text(text: str, pattern: re.Pattern[str], replace: Replace) -> list[tuple[str, bool]]:
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in pattern.finditer(text):
        pieces += [(text[end : match.start()], False), (replace(match), True)]
        end = match.end()
    pieces.append((text[end:], False))
    return pieces


def _link(match: re.Match[str]) -> str:
    url = match[0].rstrip(".,;:!?'*")
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1].rstrip(".,;:!?'*")
    rest = match[0][len(url) :]
    return f'<a href="{escape(url)}" {_APART}>{escape(url)}</a>{escape(rest)}'


_APART = 'target="_blank" rel="noopener noreferrer nofollow"'


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: MutableMapping[str, Any]
) -> str:
    return f'<a href="{escape(str(tokens[index].attrGet("href") or ""))}" {_APART}>'


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: MutableMapping[str, Any]
) -> str:
    source = str(tokens[index].attrGet("src") or "")
    return f'<a href="{escape(source)}" {_APART}>{escape(tokens[index].content or source)}</a>'


def _fence(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: MutableMapping[str, Any]
) -> str:
    token = tokens[index]
    language = token.info.strip().split()[0] if token.info.strip() else ""
    shown = highlight(token.content, language)
    return (
        f'<div class="code"><div class="code-head"><span>{escape(language[:30])}</span>'
        f'<button type="button" class="copy"></button></div><pre><code>{shown}</code></pre></div>'
    )


def highlight(code: str, language: str) -> str:
    """``code`` as HTML with Pygments' short classes; plainly escaped where the language is not known."""
    if not language or len(code) > _MOST_HIGHLIGHTED_CHARS:
        return escape(code)
    from pygments import highlight as colour
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    coloured: str = colour(code, lexer, HtmlFormatter(nowrap=True))
    return coloured
