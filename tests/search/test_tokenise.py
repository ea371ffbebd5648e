"""The word index sees tokens: whatever a member may write must find what a document may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.tokenise import tokens


def shares(one: str, other: str) -> set[str]:
    return set(tokens(one)) & set(tokens(other))


def test_chinese_becomes_bigrams_without_the_words_of_asking() -> None:
    assert tokens("请问怎么安装推理后端？") == ["安装", "装推", "推理", "理后", "后端"]


def test_a_single_character_between_others_is_kept() -> None:
    assert tokens("GPU 和 CPU") == ["gpu", "和", "cpu"]


def test_english_words_meet_in_their_stem_and_function_words_are_gone() -> None:
    assert tokens("How can I convert the models?") == tokens("converting model")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("topdown_demo_with_mmdet.py", "python demo/topdown_demo_with_mmdet.py input.jpg"),
        ("topdown demo", "topdown_demo_with_mmdet.py"),
        ("get_started", "docs/en/get_started.md"),
        ("docs/en/get_started.md", "see docs/en/get_started.md."),
        ("RuntimeError", "RuntimeError: CUDA error"),
        ("runtime error", "RuntimeError"),
        ("torch 1.8.0", "torch==1.8.0+cu111"),
        ("v1.2.3", "release 1.2.3"),
        ("1.2", "version 1.2.3"),
        ("cuda 11.8", "cuda11.8"),
        ("mmcv._ext", r"No module named 'mmcv.\_ext'"),
        ("C++", "the C++ SDK"),
        ("backend-config-file", "--backend-config-file=x.json"),
        ("mmdeploy", "https://github.com/open-mmlab/mmdeploy/blob/main/README.md"),
        ("ＭＭＤｅｐｌｏｙ", "mmdeploy"),
        ("后\u200b端", "后端"),
        ("Überprüfung", "überprüfung"),
    ],
)
def test_what_is_said_finds_what_is_written(said: str, written: str) -> None:
    assert shares(said, written)


def test_an_identifier_is_found_whole_before_it_is_found_in_parts() -> None:
    assert tokens("topdown_demo_with_mmdet.py")[0] == "topdown_demo_with_mmdet.py"


def test_numbers_within_a_name_find_nothing_by_themselves() -> None:
    assert not shares("zzyzx42", "quant_policy=42")


def test_endless_runs_are_no_names() -> None:
    assert tokens("A1" * 5_000) == []


@given(st.text())
def test_any_text_gives_plain_tokens(text: str) -> None:
    for token in tokens(text):
        assert token
        assert "\n" not in token
        assert " " not in token


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_upper_case_finds_lower_case(text: str) -> None:
    if not any(char.isalpha() for char in text):
        assert tokens(text) == tokens(text.upper())
    for word in text.split():
        if word.isalpha():
            assert tokens(word.lower()) == tokens(word.upper())


@given(st.lists(st.sampled_from(["安装", "mmdeploy", "a_b.py", "1.2.3", "Error", "后端"]), min_size=1))
def test_words_with_spaces_between_give_the_tokens_of_each(words: list[str]) -> None:
    assert tokens(" ".join(words)) == [token for word in words for token in tokens(word)]
