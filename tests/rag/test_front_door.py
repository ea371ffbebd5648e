"""What everybody asks first, over the sample knowledge base: the READMEs' own questions are answered, and rightly."""

from __future__ import annotations

import pytest

from bot.event import Addressed
from bot.ports import Question, Verdict
from bot.room_settings import Eagerness
from bot.texts import language_of
from rag.extractive import extract
from rag.knowledge import GatedKnowledge

pytestmark = pytest.mark.sqlite_alone


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
async def test_the_first_questions_are_answered(sample_knowledge: GatedKnowledge, asked: str, answer: str) -> None:
    language = language_of(asked)
    judgement = await sample_knowledge.judge(Question(asked, ("default",), Addressed.MENTION, language))
    assert judgement.verdict is Verdict.ANSWER
    first = [
        each.text for each in extract(asked, judgement.passages, language) if 1 in {c.number for c in each.citations}
    ]
    assert answer in "".join(first)


@pytest.mark.parametrize("asked", ["what is the capital of France?", "今天中午吃什么？"])
async def test_what_the_documents_do_not_hold_is_not_answered(sample_knowledge: GatedKnowledge, asked: str) -> None:
    judgement = await sample_knowledge.judge(Question(asked, ("default",), Addressed.MENTION, language_of(asked)))
    assert judgement.verdict is not Verdict.ANSWER


@pytest.mark.parametrize(
    ("asked", "eagerness", "verdict"),
    [
        ("how do I install it?", Eagerness.HELPFUL, Verdict.ANSWER),
        ("how do I install it?", Eagerness.QUIET, Verdict.SILENT),
        ("how do I upgrade?", Eagerness.HELPFUL, Verdict.SILENT),
    ],
)
async def test_unasked_a_heading_counts_where_it_asks_the_same_and_the_room_wants_help(
    sample_knowledge: GatedKnowledge, asked: str, eagerness: Eagerness, verdict: Verdict
) -> None:
    question = Question(asked, ("default",), Addressed.NONE, "en", eagerness=eagerness)
    assert (await sample_knowledge.judge(question)).verdict is verdict
