"""The heading that asks the question: when it is reason enough to answer somebody who did not ask us."""

from __future__ import annotations

import pytest

from bot.ports import Passage
from rag.gate.headings import LOOKED_AT, asks_the_same
from rag.retrieve import Hit


def under(heading: str) -> Hit:
    """A passage under ``heading``."""
    passage = Passage("base", "guide.md", heading, "…", 1.0, 1)
    return Hit(passage, "", lexical=1.0, lexical_rank=1, vector=0.0, vector_rank=None, fused=1.0)


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("怎么安装", "豆荚 › 安装"),
        ("how do I install it?", "Doujia › Installing"),
        ("日志在哪看", "运行 › 日志在哪里"),
        ("how do I install Doujia?", "Doujia › Install"),  # the title's word may be said along
        ("where is the data kept", "Running › Where is the data"),
    ],
)
def test_a_heading_that_asks_the_same(text: str, heading: str) -> None:
    assert asks_the_same(text, [under(heading)])


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("how do I install the driver of my printer", "Doujia › Install"),  # asks for more
        ("how do I upgrade?", "Doujia › Upgrading to a new version on Windows"),  # asks for a part of it
        ("how do I install it?", "Install Doujia › Requirements"),  # asks for what stands further up
        ("有什么问题吗", "豆荚 › 问题"),  # shares a word that stands everywhere
        ("怎么样？", "豆荚 › 安装"),  # has no word
        ("怎么安装", ""),  # stands under none
    ],
)
def test_a_heading_that_asks_something_else(text: str, heading: str) -> None:
    assert not asks_the_same(text, [under(heading)])


def test_only_the_best_passages_are_looked_at() -> None:
    others = [under("豆荚 › 支持的后端")] * (LOOKED_AT - 1)
    assert asks_the_same("怎么安装", [*others, under("豆荚 › 安装")])
    assert not asks_the_same("怎么安装", [*others, under("豆荚 › 卸载"), under("豆荚 › 安装")])
