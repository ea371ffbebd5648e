"""What is read aloud of an answer, and what is left to the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_tts.spoken import MORE, spoken


@pytest.mark.parametrize(
    ("written", "language", "said"),
    [
        ("运行 `pip install maodou`[1]，就好了 🎉", "zh", "运行 pip install maodou，就好了。"),
        ("## 安装\n\n**先**装 _Python_ ~~2~~ ≥ 3.11", "zh", "安装。\n先装 Python 2 大于等于 3.11。"),
        ("见[使用说明](https://example.com/a/b?c=1#d)。", "zh", "见使用说明。"),
        ("见 https://www.example.com/a/b?c=1 。", "zh", "见 链接 example.com。"),
        ("Read <https://docs.example.org/x>, then ask.", "en", "Read a link to docs.example.org, then ask."),
        ("![一张图](https://e.com/x.png)", "zh", "一张图。"),
        ("1. 下载 [2]\n2. 打开 `my_file`\n", "zh", "第一，下载。\n第二，打开 my file。"),
        ("3. three\n4. four", "en", "Third, three.\nFourth, four."),
        ("- one\n- two & three", "en", "one.\ntwo and three."),
        ("```sh\n$ maodou up --port 80\n```", "zh", "maodou up port 80。"),
        ("这样：\n\n```python\ndef f():\n    return 1\n```", "zh", "这样：\n这里有一段代码，请看文字。"),
        (
            "| 命令 | 作用 |\n|---|---|\n| `/help` | 列出命令 [1] |\n| `/why` | 说原因 |",
            "zh",
            "help，作用：列出命令。\nwhy，作用：说原因。",
        ),
        ("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 9, "en", "There is a table of 9 rows here; please see the text."),
        ("It takes 3-5 days → done. :smile: <b>Bold</b>", "en", "It takes 3 to 5 days to done.\nBold."),
        ("答案。[1][2]\n\n**来源**\n\n- [1] guide/start.md › 安装\n- [2] b.md", "zh", "答案。"),
        ("An answer. [1]\n\n**Sources**\n\n- [1] guide/start.md › Install", "en", "An answer."),
        ("Use e.g. version 2.1.3 here.", "en", "Use e.g. version 2.1.3 here."),
        ("> 引用的话\n\n---\n\n完。", "zh", "引用的话。\n完。"),
        ("😀🎉", "zh", ""),
        ("", "en", ""),
    ],
)
def test_it_is_read_as_a_person_would(written: str, language: str, said: str) -> None:
    assert spoken(written, language) == said


def test_a_list_that_is_no_list_of_sources_is_read() -> None:
    assert spoken("**来源**\n\n- 官网\n- 文档", "zh") == "来源。\n官网。\n文档。"


def test_a_long_answer_is_read_to_the_end_of_a_sentence() -> None:
    said = spoken("这一句有十个字左右吧。" * 30, "zh", max_chars=100)
    *sentences, last = said.split("\n")
    assert set(sentences) == {"这一句有十个字左右吧。"}
    assert len("".join(sentences)) <= 100
    assert last == MORE.zh


@given(st.text(alphabet=st.sampled_from("ab 中文，。.!|`*_#[]()<>-\n1🎉&$\u200d\x00\x0b\ud7ff~>+"), max_size=300))
def test_whatever_is_written_no_mark_is_read(written: str) -> None:
    said = spoken(written, "zh")
    assert not set("*`|#_<>🎉\x00\x0b\u200d") & set(said)
    assert all(any(char.isalnum() for char in line) for line in said.split("\n") if said)
