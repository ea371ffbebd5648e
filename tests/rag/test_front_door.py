"""What everybody asks first, over the sample knowledge base: the READMEs' own questions are answered, and rightly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.event import Addressed
from bot.ports import Question, Verdict
from bot.store import Store
from bot.texts import language_of
from maodou.config_file import PROJECT
from maodou.documents import add_sample
from rag.extractive import extract
from rag.indexes import Indexes
from rag.knowledge import GatedKnowledge
from rag.library import Library
from rag.settings import KnowledgeSettings


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: nothing here depends on the database."""
    return f"sqlite:///{tmp_path}/maodou.db"


@pytest.fixture
def knowledge(store: Store, tmp_path: Path) -> Iterator[GatedKnowledge]:
    settings = KnowledgeSettings()
    assert add_sample(Library(store, settings), PROJECT) is None
    indexes = Indexes(store, settings, tmp_path / "index")
    indexes.open()
    opened = GatedKnowledge(store, indexes, settings)
    yield opened
    opened.close()
    indexes.close()


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("how do I install it?", "make run"),
        ("怎么安装？", "make run"),
        ("How do I install Maodou?", "make run"),
        ("what is Maodou?", "a group-chat assistant"),
        ("什么是毛豆", "群聊助手"),
        ("毛豆是什么？", "群聊助手"),
        ("怎么添加文档", "maodou kb add"),
        ("怎么静音", "/mute"),
    ],
)
async def test_the_first_questions_are_answered(knowledge: GatedKnowledge, asked: str, answer: str) -> None:
    language = language_of(asked)
    judgement = await knowledge.judge(Question(asked, ("default",), Addressed.MENTION, language))
    assert judgement.verdict is Verdict.ANSWER
    first = [
        each.text for each in extract(asked, judgement.passages, language) if 1 in {c.number for c in each.citations}
    ]
    assert answer in "".join(first)


@pytest.mark.parametrize("asked", ["what is the capital of France?", "今天中午吃什么？"])
async def test_what_the_documents_do_not_hold_is_not_answered(knowledge: GatedKnowledge, asked: str) -> None:
    judgement = await knowledge.judge(Question(asked, ("default",), Addressed.MENTION, language_of(asked)))
    assert judgement.verdict is not Verdict.ANSWER


async def test_a_heading_does_not_make_it_speak_unasked(knowledge: GatedKnowledge) -> None:
    judgement = await knowledge.judge(Question("how do I install it?", ("default",), Addressed.NONE, "en"))
    assert judgement.verdict is Verdict.SILENT
