"""Markdown as safe HTML: whatever is written, nothing runs and nothing is loaded from elsewhere."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web.mentions import Mentions
from adapters.web.render import Markdown, excerpt, split_sources
from bot.ports import Citation
from bot.replies import sources_block

MARKDOWN = Markdown(Mentions(("毛豆", "maodou")))
TAGS = {"p", "br", "a", "strong", "em", "s", "code", "pre", "div", "span", "button", "ul", "ol", "li", "blockquote"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "tr", "th", "td"}
TAGS |= {"sup", "details", "summary"}
ATTRIBUTES = {"href", "target", "rel", "class", "type", "data-n", "value", "start", "style"}


class Strict(HTMLParser):
    """Fails on any tag, attribute or address that is not one of ours."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attributes:
            assert name in ATTRIBUTES, name
            if name == "href":
                assert value is not None
                assert value.lower().startswith(("http://", "https://", "mailto:")), value
            if name == "style":
                assert value in {"text-align:left", "text-align:center", "text-align:right"}, value


NASTY = ["<script>", "</script>", "<img src=x onerror=y>", "javascript:", "data:text/html,", "https://x.y/", "<", ">"]
NASTY += [
    "[",
    "](",
    ")",
    "![",
    "`",
    "```",
    "*",
    "**",
    "~~",
    "\\",
    "> ",
    "- ",
    "1. ",
    "# ",
    "&lt;",
    '"',
    "'",
    "|",
    "|-|",
]
NASTY += ["@毛豆", "[1]", "\u202e", "\x00", "\n", "\n\n", "来源\n", "[2] a\n"]


@given(st.lists(st.sampled_from(NASTY) | st.text(max_size=5), max_size=30).map("".join))
def test_nothing_but_our_own_tags_comes_out(text: str) -> None:
    for html in (MARKDOWN.of_member(text), MARKDOWN.of_ours(text)):
        parser = Strict()
        parser.feed(html)
        parser.close()


def test_the_strict_reader_sees_what_it_should() -> None:
    """The twin of the test above: it would notice a script, a handler and a foreign address."""
    for html in ("<script>", "<p onclick=x>", '<a href="javascript:x">', '<img src="https://x.y/">'):
        with pytest.raises(AssertionError):
            Strict().feed(html)


@pytest.mark.parametrize(
    "piece", ["[", "*", "`", "![", "_*", "[a](", "- ", "> ", "https://", "[1]", "@毛豆", "~~", "|"]
)
def test_no_message_takes_long(piece: str) -> None:
    text = piece * (4000 // len(piece))
    began = time.process_time()
    MARKDOWN.of_member(text)
    MARKDOWN.of_ours(text)
    assert time.process_time() - began < 1.5


def test_members_write_a_limited_markdown() -> None:
    html = MARKDOWN.of_member("# big\n\n| a |\n|---|\n| b |\n\n**bold** `code` ~~gone~~\n- one")
    assert "<h1" not in html
    assert "<table" not in html
    for part in ("<strong>bold</strong>", "<code>code</code>", "<s>gone</s>", "<li>one</li>", "# big"):
        assert part in html


def test_answers_have_all_of_it() -> None:
    html = MARKDOWN.of_ours("# big\n\n| a |\n|---|\n| b |\n\n```python\nprint('<')\n```")
    for part in ("<h1>big</h1>", "<td>b</td>", 'class="copy"', "&lt;"):
        assert part in html


def test_links_are_found_and_open_apart() -> None:
    html = MARKDOWN.of_member("见 https://example.org/a_(b)。还有 https://example.org/x, ok? a.py")
    assert 'href="https://example.org/a_(b)"' in html
    assert 'href="https://example.org/x"' in html
    assert html.count('rel="noopener noreferrer nofollow"') == html.count("<a ") == 2


def test_pictures_become_links() -> None:
    html = MARKDOWN.of_ours("![a tracker](https://example.org/pixel.png)")
    assert "<img" not in html
    assert ">a tracker</a>" in html


def test_a_mention_is_marked_but_not_in_code() -> None:
    assert '<span class="mention">@毛豆</span>' in MARKDOWN.of_member("问 @毛豆 吧")
    assert "mention" not in MARKDOWN.of_member("`@毛豆`")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_assistants_sources_are_folded(language: str) -> None:
    """As the core writes them: this holds the two together."""
    cited = (Citation(1, "docs/a b.md", "安装 › Linux", "…"), Citation(2, "docs/c.md", "", "…"))
    text = "用 `pip` 装 [1]，见 [2]。" + sources_block(cited, language)
    body, sources = split_sources(text)
    assert body == "用 `pip` 装 [1]，见 [2]。"
    assert sources == [(1, "docs/a b.md › 安装 › Linux"), (2, "docs/c.md")]
    html = MARKDOWN.of_ours(text)
    assert '装&#8288;<sup class="cite" data-n="1">1</sup>，见' in html
    assert '<li value="2" data-n="2">docs/c.md</li>' in html


@pytest.mark.parametrize("text", ["来源\n\n我不知道", "Sources", "说说来源：\n[1] a\n然后", "no list\n\n**来源**\n"])
def test_what_is_no_list_of_sources_stays_as_it_is(text: str) -> None:
    assert split_sources(text) == (text, [])


def test_an_excerpt_is_one_short_line() -> None:
    assert excerpt("**a**  `b`\n[c](https://x.y)\n\n来源\n[1] d", 80, ours=True) == "a b c"
    assert excerpt("# A\n\n- b\n- c\n\n| d | e |\n|---|---|\n| f | g |", 80, ours=True) == "A b c d e f g"
    assert excerpt("x" * 100, 10, ours=False) == "xxxxxxxxx…"


@pytest.mark.parametrize(
    "line", ["/settings digest_at 25:00", "unasked_per_hour", "/forget <me>", "a *b* `c` ~d~ #e |f| [g](h)", "> x_y_"]
)
def test_a_member_is_quoted_letter_for_letter(line: str) -> None:
    assert excerpt(line, 80, ours=False) == line


@pytest.mark.parametrize(
    "line", ["`/settings digest_at 25:00`", "**unasked_per_hour**", "`/forget <me>`", "/forget <me>"]
)
def test_of_our_words_only_markdown_s_marks_go(line: str) -> None:
    assert excerpt(line, 80, ours=True) == line.strip("`*")
