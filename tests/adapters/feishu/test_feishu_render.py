"""Markdown as Feishu shows it, and what may never come out of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.feishu.reading import clean_name, read
from adapters.feishu.render import MAX_CHARS, as_card, as_post, as_type, gist, render
from bot.delivery import Button, Content
from tests.emulators.feishu.messages import tables_in

TABLE = "| a | b |\n| --- | --- |\n| 1 | 2 |"


def post_text(text: str) -> str:
    return str(json.loads(as_post(Content(text)).content)["zh_cn"]["content"][0][0]["text"])


def card_text(text: str) -> str:
    return str(json.loads(as_card(Content(text)).content)["body"]["elements"][0]["content"])


def test_a_plain_answer_is_a_post_and_what_needs_more_is_a_card() -> None:
    assert render(Content("**好**")).type == "post"
    assert render(Content(TABLE)).type == "interactive"
    assert render(Content("好", (Button("为什么", "/why 1", "b1"),))).type == "interactive"
    assert render(Content("好"), streaming=True).type == "interactive"


def test_an_edit_keeps_the_type() -> None:
    assert as_type(Content(TABLE), "post").type == "post"
    assert as_type(Content("好"), "interactive").type == "interactive"


def test_headings_become_bold_where_there_are_none() -> None:
    assert post_text("## 安装 **pip** ##\n正文") == "**安装 pip**\n正文"
    assert card_text("## 安装") == "## 安装"


def test_code_is_left_alone() -> None:
    code = "```python\n# 标题？\n| a | b |\n| --- | --- |\n![x](y)\n```"
    assert post_text(code) == card_text(code) == code


def test_tables_in_a_post_keep_every_cell_in_a_code_block() -> None:
    assert post_text(TABLE) == f"```\n{TABLE}\n```"


def test_a_card_has_at_most_three_tables() -> None:
    shown = as_card(Content("\n\n".join([TABLE] * 5)))
    card = json.loads(shown.content)
    text = card["body"]["elements"][0]["content"]
    assert text.count("| 1 | 2 |") == 5
    assert text.count("```") == 4
    assert tables_in(json.loads(as_card(Content("\n\n".join([TABLE] * 3))).content)) == 3


def test_pictures_from_elsewhere_become_links() -> None:
    assert post_text("![图](https://e.org/x.png)") == "[图](https://e.org/x.png)"


@pytest.mark.parametrize(
    "text",
    [
        '<at user_id="all"></at>',
        "<at id=all></at>",
        "<AT id=all>",
        "</at>",
        '<person id="ou_1"></person>',
        "`<at id=all></at>`",
        "```\n<at id=all></at>\n```",
        "<table columns={1} data={2}/>",
        "<font color='red'>x</font>",
    ],
)
def test_text_cannot_mention_anybody_or_run_anything(text: str) -> None:
    for shown in (post_text(text), card_text(text)):
        assert "<a" not in shown.lower()
        assert "<p" not in shown.lower()
        assert "<t" not in shown.lower()
        assert "<f" not in shown.lower()
        assert shown.replace("\u200b", "") == text


def test_an_honest_comparison_is_not_touched() -> None:
    assert post_text("a < b 且 vector<int> x; List<T>") == "a < b 且 vector<int> x; List<T>"


def test_buttons_carry_only_their_opaque_id() -> None:
    card = as_card(Content("好", (Button("为什么", "/why 42", "b7"),))).content
    assert "/why" not in card
    assert '{"id": "b7"}' in card


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=MAX_CHARS))
def test_any_message_stays_below_thirty_kilobytes(text: str) -> None:
    whole = text * (MAX_CHARS // len(text))
    for rendered in (as_post(Content(whole)), as_card(Content(whole))):
        body = json.dumps({"content": rendered.content, "msg_type": rendered.type}, ensure_ascii=False)
        assert len(rendered.content.encode()) <= 30 * 1024
        assert len(body.encode()) <= 45 * 1024


@pytest.mark.parametrize("char", ["😀", '"', "\\", "\n", "\u2028", "<at>", "|"])
def test_the_worst_characters_too(char: str) -> None:
    whole = (char * MAX_CHARS)[:MAX_CHARS]
    for rendered in (as_post(Content(whole)), as_card(Content(whole))):
        assert len(rendered.content.encode()) <= 30 * 1024


def test_the_gist_of_a_post_survives_the_way_there_and_back() -> None:
    text = "## 安装\n\n1. `pip install maodou` [1]\n2. 见[文档](https://e.org)\n\n```sh\nmaodou up\n```\n\n![图](x)"
    back = read("om_1", "post", as_post(Content(text)).content, {}).text
    assert gist(back) == gist(text)


def test_mentions_are_replaced_in_one_pass() -> None:
    names = {"@_user_1": "@@_user_2", "@_user_2": "@甲", "@_user_12": "@乙"}
    content = json.dumps({"text": "@_user_1 @_user_2 @_user_12 @_user_123"})
    assert read("om_1", "text", content, names).text == "@@_user_2 @甲 @乙 @_user_123"


@pytest.mark.parametrize("type_", ["text", "post", "image", "audio", "file", "interactive", "sticker", "system", ""])
@pytest.mark.parametrize("content", ["", "null", "[]", '"x"', '{"content": 5}', '{"content": [[5]]}', '{"text": {}}'])
def test_no_content_of_theirs_is_an_error(type_: str, content: str) -> None:
    assert read("om_1", type_, content, {"@_all": "@all"}).text == ""


def test_names_are_short_and_say_only_themselves() -> None:
    assert clean_name("a\u202eb\u200bc\n\td") == "abcd"
    assert clean_name("  毛  豆 ") == "毛 豆"
    assert len(clean_name("x" * 1000)) == 64
