"""Question–answer pairs: each question becomes a heading, and other CSV and JSON files of a folder stay out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.library import Library
from rag.readers import Refusal, Refused, text_of, walk
from rag.split import split

READ = "# How do I water?\n\nDaily.\n\n# 什么时候收？\n\n八十天以后。\n"


def reason(name: str, text: str) -> Refusal:
    with pytest.raises(Refused) as refused:
        text_of(name, text.encode())
    return refused.value.reason


@pytest.mark.parametrize(
    "value",
    [
        [{"question": "How do I water?", "answer": "Daily."}, {"question": "什么时候收？", "answer": "八十天以后。"}],
        [{"Q": "How do I water?", "A": "Daily.", "tags": ["x"]}, {"Q": "什么时候收？", "A": "八十天以后。"}],
        [{"问题": "How do I water?", "答案": "Daily."}, {"问题": "什么时候收？", "答案": "八十天以后。"}],
        [{"key": "How do I water?", "value": "Daily."}, {"key": "什么时候收？", "value": "八十天以后。"}],
        {"How do I water?": "Daily.", "什么时候收？": "八十天以后。"},
    ],
)
def test_pairs_in_json_are_read_in_their_usual_forms(value: object) -> None:
    assert text_of("qa.json", json.dumps(value).encode()) == READ


@pytest.mark.parametrize(
    "text",
    [
        "question,answer\nHow do I water?,Daily.\n什么时候收？,八十天以后。\n",
        "id;答案;问题\n1;Daily.;How do I water?\n\n2;八十天以后。;什么时候收？\n",
        "How do I water?\tDaily.\r\n什么时候收？\t八十天以后。\r\n",
    ],
)
def test_pairs_in_csv_are_read_by_name_or_as_two_columns(text: str) -> None:
    assert text_of("qa.csv", text.encode()) == READ
    assert text_of("qa.csv", text.encode("gb18030")) == READ


def test_an_answer_cannot_reach_into_the_next_one() -> None:
    rows = [
        {"question": "one?", "answer": "# loud\n\n```\nnever closed"},
        {"question": "two\n# three?", "answer": "ok <!-- hidden"},
        {"question": "four?", "answer": "```\n# code\n```"},
    ]
    text = text_of("qa.json", json.dumps(rows).encode())
    headings = [piece.heading for piece in split(text, target_chars=100, max_chars=200)]
    assert headings == ["one?", "two # three?", "four?"]
    assert "hidden" not in text
    assert "```\n# code\n```" in text


def test_a_long_question_also_stands_whole_in_the_text() -> None:
    question = "What do I do when " + "the beans are ill and " * 10 + "it rains?"
    assert question in text_of("qa.json", json.dumps({question: "Wait."}).encode()).split("\n")


def test_files_without_pairs_have_their_reason() -> None:
    assert reason("a.json", '{"name": "beans", "tags": []}') is Refusal.NO_PAIRS
    assert reason("a.json", "[1, 2]") is Refusal.NO_PAIRS
    assert reason("a.json", "[]") is Refusal.NO_PAIRS
    assert reason("a.json", '"text"') is Refusal.NO_PAIRS
    assert reason("a.json", '[{"question": "half') is Refusal.DAMAGED
    assert reason("a.json", "[" * 100_000) is Refusal.TANGLED
    assert reason("a.csv", "a,b,c\n1,2,3\n") is Refusal.NO_PAIRS
    assert reason("a.csv", "question,answer\n") is Refusal.NO_PAIRS
    assert reason("a.csv", 'question,answer\n"never closed, x\n') is Refusal.DAMAGED


def test_what_an_escape_hides_in_json_is_taken_out() -> None:
    text = text_of("qa.json", rb'{"q\u200b?": "a\u0000\u202e\ud800b"}')
    assert text == "# q?\n\nab\n"


def test_of_a_folders_csv_and_json_only_pairs_are_documents(tmp_path: Path) -> None:
    files = {
        "package.json": '{"name": "beans", "license": "MIT"}',
        "table.csv": "date,price\n1,2\n",
        "answers.json": '[{"question": "q?", "answer": "a"}]',
        "export.csv": "id,question,answer\n1,q?,a\n",
        "faq.json": '{"q?": "a"}',
        "qa_pairs.csv": "a,b,c\n",
        "常见问题.csv": "怎么装？,看文档\n",
        "squad.json": '{"question": 1}',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = {entry.source for entry in walk(tmp_path)}
    assert found == {"answers.json", "export.csv", "faq.json", "qa_pairs.csv", "常见问题.csv"}


def test_a_pair_is_found_by_its_question(library: Library, folder: Path, sources: Callable[..., list[str]]) -> None:
    (folder / "faq.csv").write_text("question,answer\nHow do I water edamame?,Daily.\n", encoding="utf-8")
    library.add(folder, "pods")
    assert sources("water edamame")[0] == "faq.csv"
