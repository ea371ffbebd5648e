"""MyST's directives as plain Markdown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.directives import undirected
from rag.markdown import plain_markdown


def plain(text: str) -> str:
    return plain_markdown(text).strip()


def test_a_note_is_prose() -> None:
    assert plain("Before.\n```{note}\nMind **the gap**.\n```\nAfter.") == "Before.\n\nMind **the gap**.\n\nAfter."


def test_a_title_stands_above() -> None:
    assert plain(":::{dropdown} 已知问题\n- one\n:::") == "**已知问题**\n\n- one"


def test_code_keeps_its_language_and_its_caption() -> None:
    text = "```{code-block} shell\n:caption: Install it\n:linenos:\n\npip install x\n```"
    assert plain(text) == "Install it\n\n```shell\npip install x\n```"


def test_options_in_yaml() -> None:
    text = "```{code-block} python\n---\nlineno-start: 3\ncaption: A class\n---\nclass A: ...\n```"
    assert plain(text) == "A class\n\n```python\nclass A: ...\n```"


def test_directives_in_directives() -> None:
    text = "````{tip}\nRun:\n```{code-block} sh\nmake run\n```\n````"
    assert plain(text) == "Run:\n```sh\nmake run\n```"
    assert plain("::::{grid}\n:::{card} One\nfirst\n:::\n:::{card} Two\nsecond\n:::\n::::") == (
        "**One**\n\nfirst\n\n**Two**\n\nsecond"
    )


def test_lists_of_pages_are_nothing() -> None:
    assert plain("# Docs\n```{toctree}\n:maxdepth: 2\n\ninstall\nusage\n```\nEnd.") == "# Docs\nEnd."


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = '''\n```{note}\n'''",
        "````md\n```{note}\nhow a note is written\n```\n````",
        "```{note}\nnever closed",
        "```{math}\nx^2\n```".replace("{math}", "math"),
        "a {word} in braces",
    ],
)
def test_what_is_no_directive_stays(text: str) -> None:
    assert undirected(text) == text


def test_an_enumerated_block_keeps_its_indentation() -> None:
    assert undirected("1. Do:\n   ```{code-block} sh\n   make\n   ```") == "1. Do:\n   ```sh\n   make\n   ```"


@given(
    st.lists(st.sampled_from(["```{note}", ":::{tip} t", "````{admonition}", "```", ":::", "````", "x", ":a: b", ""]))
)
def test_no_word_is_lost_and_none_is_made(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert undirected(text).count("x") == text.count("x")


def test_thousands_of_openings_take_no_longer_than_their_number() -> None:
    began = time.thread_time()
    undirected("```{note}\n" * 20_000)
    assert time.thread_time() - began < 5
