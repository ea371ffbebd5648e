"""Which language a member reads, by what they wrote."""

from __future__ import annotations

import pytest

from bot.texts import language_of


@pytest.mark.parametrize(
    "text",
    [
        "怎么安装？",
        "pip install 报错",
        "mmdeploy 报错 RuntimeError: CUDA out of memory",
        "CUDA error: device-side assert triggered 怎么办",
        "这个怎么解决 ValueError: the shape (3, 640, 640) is not what was expected by the model",
        "ok, I see, 那我再试试",
        "TypeError: __init__() got an unexpected keyword argument 'num_classes' 有人遇到过吗",
    ],
)
def test_a_few_characters_of_ones_own_outweigh_names_and_errors(text: str) -> None:
    assert language_of(text) == "zh"


@pytest.mark.parametrize(
    "text",
    [
        "how do I install it?",
        "what does 毛豆 mean",
        "How do I set 中文 as the language in the config file?",
        "I use 飞书 and it fails",
        "Is 毛豆 free?",
        "is it 5 元 or not, and where can I see that",
        "Press the 口 key",
    ],
)
def test_a_chinese_name_in_an_english_sentence_leaves_it_english(text: str) -> None:
    assert language_of(text) == "en"


@pytest.mark.parametrize("text", ["", "123", "👍 ...", "？"])
def test_without_letters_it_is_not_known(text: str) -> None:
    assert language_of(text) == "zh"
    assert language_of(text, "") == ""
