"""A stream to units: the same ones, however it is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.units import Unit, UnitKind, Units

ANSWER = """Use pip, e.g. in a venv [1]. It needs Python 3.9. [1][2] 然后重启。[2]“好了。” Done

## More

- one [1]
- two, see `a. b` [2]

```bash
# a comment
pip install x
```
| a | b |
|---|---|
| 1 | 2 |
最后一句 [3]"""


def cut(text: str, at: Sequence[int]) -> list[Unit]:
    units, last = Units(), 0
    found: list[Unit] = []
    for end in [*sorted(at), len(text)]:
        found += units.feed(text[last:end])
        last = end
    return [*found, *units.end()]


def test_an_answer_falls_into_its_units() -> None:
    assert [(unit.kind.value, unit.text) for unit in cut(ANSWER, [])] == [
        ("sentence", "Use pip, e.g. in a venv [1]."),
        ("sentence", "It needs Python 3.9. [1][2]"),
        ("sentence", "然后重启。[2]"),
        ("sentence", "“好了。”"),
        ("sentence", "Done"),
        ("heading", "## More"),
        ("item", "- one [1]"),
        ("item", "- two, see `a. b` [2]"),
        ("code", "```bash\n# a comment\npip install x\n```"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("sentence", "最后一句 [3]"),
    ]


@given(st.lists(st.integers(0, len(ANSWER)), max_size=40))
def test_however_it_is_cut_into_pieces(at: list[int]) -> None:
    assert cut(ANSWER, at) == cut(ANSWER, [])


PARTS = st.sampled_from(
    ["a", "。", ".", " ", "\n", "[1]", "[", "]", "【1】", "```", "`", "|", "- ", "# ", "1. ", "\r\n", "!", "”", "字"]
)


@given(st.lists(PARTS, max_size=30).map("".join), st.lists(st.integers(0, 60), max_size=20))
def test_whatever_it_is(text: str, at: list[int]) -> None:
    whole = [unit.text for unit in cut(text, [])]
    assert [unit.text for unit in cut(text, [min(each, len(text)) for each in at])] == whole


@given(st.lists(PARTS, max_size=30).map("".join))
def test_no_letter_is_lost_or_made_up_outside_open_code(text: str) -> None:
    if "```" not in text:
        assert "".join("".join(unit.text for unit in cut(text, [])).split()) == "".join(text.split())


def test_code_that_does_not_end_is_no_unit() -> None:
    assert cut("```\nrm -rf x", []) == []


def test_a_sentence_is_given_out_when_the_next_one_begins() -> None:
    units = Units()
    assert list(units.feed("It is so. [1]")) == []
    assert [unit.text for unit in units.feed(" And")] == ["It is so. [1]"]


@pytest.mark.parametrize("text", ["word " * 2_000, "字" * 10_000])
def test_what_never_ends_is_left_out(text: str) -> None:
    units = Units()
    found = [unit for at in range(0, len(text), 50) for unit in units.feed(text[at : at + 50])]
    assert found == []
    assert len(units._rest) < 5_000


def test_kinds_are_told_apart() -> None:
    assert cut("1. one\n", [])[0].kind is UnitKind.ITEM
    assert cut("1.5 is a number.\n", [])[0].kind is UnitKind.SENTENCE
