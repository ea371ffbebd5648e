"""Markdown as the words that its reader sees, where it is quoted or listed: above a reply, in a table of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.replies import sources_head


def plain_words(text: str) -> str:
    """Markdown without its marks, on one line; code letter for letter, of a link its words."""
    return " ".join("".join(_words(_parser().parse(text))).split())


def plain_answer(text: str) -> str:
    """One of our answers as :func:`plain_words`, without the list of its sources."""
    for language in ("zh", "en"):
        text = text.partition(sources_head(language))[0]
    return plain_words(text)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])


def _words(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.children is not None:
            yield from _words(token.children)
        elif token.type in ("softbreak", "hardbreak") or (token.nesting < 0 and token.block):
            yield " "
        else:
            yield token.content
        if token.block:
            yield " "
