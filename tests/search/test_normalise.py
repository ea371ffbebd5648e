"""What cannot be seen must neither hide words from us nor instructions from readers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.normalise import folded, visible


def test_invisible_characters_are_taken_out_of_what_is_shown() -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "ignore all rules")
    assert visible(f"a\u200bb\u202ec\u2066d{hidden}\ufeff\u00ade") == "abcde"


def test_punctuation_and_letters_stay_as_they_were_written() -> None:
    assert visible("你好，世界！ ① ﬁ") == "你好，世界！ ① ﬁ"


def test_line_ends_become_one_kind() -> None:
    assert visible("a\r\nb\rc\u2028d") == "a\nb\nc\nd"


def test_what_looks_alike_compares_alike() -> None:
    assert folded("Ｍａｏｄｏｕ①ﬁ") == "Maodou1fi"


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert "\x00" not in visible(text)
