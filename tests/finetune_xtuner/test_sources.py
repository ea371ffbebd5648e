"""Files become teaching material whole, or are refused with each broken row named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import UsageError
from finetune_xtuner.conversation import BrokenRow, as_messages, as_xtuner, messages_of
from finetune_xtuner.form import read_form
from finetune_xtuner.sampling import FORM
from finetune_xtuner.sources import read_document, read_pairs, read_script


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_only_approved_pairs_are_learnt_where_a_column_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "faq.csv", "问题,答案,批准\n怎么装,用 make,是\n怎么删,不知道,\n谁写的,我们,yes\n")
    assert [row.question for row in read_pairs(path)] == ["怎么装", "谁写的"]


@pytest.mark.parametrize(
    "text",
    [
        '[{"question": "怎么装", "answer": "用 make"}]',
        '{"怎么装": "用 make"}',
        '[{"conversation": [{"system": "", "input": "怎么装", "output": "用 make"}]}]',
        '[{"messages": [{"role": "user", "content": "怎么装"}, {"role": "assistant", "content": "用 make"}]}]',
    ],
)
def test_pairs_come_in_every_layout(tmp_path: Path, text: str) -> None:
    (row,) = read_pairs(written(tmp_path, "faq.json", text))
    assert row.exchanges == (("怎么装", "用 make"),)


def test_one_broken_row_refuses_the_file_and_names_the_row(tmp_path: Path) -> None:
    path = written(tmp_path, "faq.csv", "question,answer\na,b\nc\nd,\n")
    with pytest.raises(BrokenRow) as caught:
        read_pairs(path)
    assert "line 3: 1 columns, and the first row has 2" in str(caught.value)
    assert "line 4: it has no answer" in str(caught.value)
    assert "Nothing was written" in str(caught.value)


def test_a_broken_line_of_json_is_named(tmp_path: Path) -> None:
    good = json.dumps({"question": "a", "answer": "b"})
    with pytest.raises(BrokenRow, match=r"line 2: not JSON"):
        read_pairs(written(tmp_path, "faq.jsonl", f"{good}\n{{broken\n"))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": []}, "is empty"),
        ({"messages": [{"role": "user", "content": "a"}]}, "must be the assistant's"),
        ({"messages": [{"role": "bot", "content": "a"}]}, "none of system, user, assistant"),
        ({"conversation": [{"input": "a"}]}, "needs `input` and `output`"),
        ([], "an object"),
    ],
)
def test_rows_that_teach_nothing_are_refused(row: object, why: str) -> None:
    with pytest.raises(BrokenRow, match=why):
        messages_of(row, "x, line 1")


SCRIPT = (
    "# 第一场\n阿黄：「你在做什么？」\n豆豆：「等雨停。」\n阿黄: 「还要多久」\n豆豆:「快了。」\n\n路人：「让一让。」\n"
)


def test_a_roles_lines_are_learnt_with_what_was_said_to_it(tmp_path: Path) -> None:
    (row,) = read_script(written(tmp_path, "play.txt", SCRIPT), "豆豆")
    assert row.exchanges == (("你在做什么？", "等雨停。"), ("还要多久", "快了。"))
    assert row.system == ""


def test_without_a_role_each_reply_says_whose_it_is(tmp_path: Path) -> None:
    rows = read_script(written(tmp_path, "play.txt", SCRIPT))
    assert {row.system for row in rows} == {"你是豆豆。", "你是阿黄。"}


def test_a_line_that_is_no_line_is_named_and_so_is_a_role_without_words(tmp_path: Path) -> None:
    with pytest.raises(BrokenRow, match="line 2: not in the form"):
        read_script(written(tmp_path, "play.txt", "阿黄：「好」\n他走了。\n"))
    with pytest.raises(UsageError, match="黑猫 says nothing in it; there are 豆豆, 路人, 阿黄"):
        read_script(written(tmp_path, "play.txt", SCRIPT), "黑猫")


def test_a_document_is_asked_for_by_its_headings(tmp_path: Path) -> None:
    rows = read_document(written(tmp_path, "guide.md", "前言\n\n# 怎么安装\n用 make。\n\n## 怎么删\n删掉文件夹。\n"))
    assert [(row.question, row.answer) for row in rows] == [
        ("guide", "前言"),
        ("怎么安装", "用 make。"),
        ("怎么删", "删掉文件夹。"),
    ]


def test_both_layouts_say_the_same(tmp_path: Path) -> None:
    (row,) = read_script(written(tmp_path, "play.txt", SCRIPT), "豆豆")
    assert messages_of(as_messages(row), "x") == messages_of(as_xtuner(row), "x")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: {zh: 豆}", r"name\.en: Field required"),
        ("name: [", "is not YAML"),
        ("- a", "valid dictionary"),
    ],
)
def test_a_form_that_lacks_something_says_what(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_form(written(tmp_path, "form.yaml", text))


def test_the_sample_form_says_who_made_it() -> None:
    form = read_form(FORM)
    assert form.says("maker", "en") == "I was made by the Maodou community."
