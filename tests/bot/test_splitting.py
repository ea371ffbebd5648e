"""Long answers become several messages, and nothing of them is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.splitting import split

MARKDOWN = st.lists(
    st.sampled_from(
        [
            "一句话。",
            "A sentence with some words in it. ",
            "Another! ",
            "\n",
            "\n\n",
            "x" * 37,
            "安装步骤如下：",
            "e\u0301",
            "👩\u200d💻",
            "- item\n",
            "# Heading\n",
        ]
    ),
    max_size=80,
).map("".join)


@given(MARKDOWN, st.integers(min_value=20, max_value=200))
def test_prose_is_cut_without_losing_a_character(text: str, max_chars: int) -> None:
    parts = split(text, max_chars)
    assert all(0 < len(part) <= max_chars and part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_short_text_stays_whole() -> None:
    assert split("hello\n\nworld", 100) == ["hello\n\nworld"]


def test_a_blank_text_is_no_message() -> None:
    assert split(" \n ", 10) == []


def test_cuts_fall_between_paragraphs() -> None:
    assert split("first paragraph\n\nsecond paragraph\n", 20) == ["first paragraph\n\n", "second paragraph\n"]


def test_cuts_fall_after_sentences_when_a_paragraph_is_too_long() -> None:
    assert split("第一句话到这里。第二句话到这里。第三句", 10) == ["第一句话到这里。", "第二句话到这里。", "第三句"]


def test_a_code_fence_stays_whole_when_it_fits() -> None:
    fence = "```python\nprint(1)\n\nprint(2)\n```\n"
    assert fence in split("word " * 8 + "\n\n" + fence + "tail " * 5, 50)


@pytest.mark.parametrize("mark", ["```", "~~~~"])
def test_a_long_code_fence_is_closed_and_opened_again(mark: str) -> None:
    lines = [f"line_{number} = {number}\n" for number in range(40)]
    text = f"{mark}python\n" + "".join(lines) + f"{mark}\n"
    parts = split(text, 120)
    assert len(parts) > 2
    for part in parts:
        assert len(part) <= 120
        assert part.startswith(f"{mark}python\n")
        assert part.rstrip("\n").endswith(mark)
    inner = [line for part in parts for line in part.splitlines(keepends=True) if not line.startswith(mark)]
    assert inner == lines


def test_a_long_table_repeats_its_header() -> None:
    rows = [f"| {number} | value {number} |\n" for number in range(30)]
    header = "| a | b |\n|---|---|\n"
    parts = split(header + "".join(rows), 150)
    assert all(part.startswith(header) and len(part) <= 150 for part in parts)
    assert [row for part in parts for row in part.splitlines(keepends=True)[2:]] == rows


def test_an_unclosed_fence_runs_to_the_end() -> None:
    parts = split("```\n" + "abc\n" * 50, 60)
    assert all(part.startswith("```\n") and len(part) <= 60 for part in parts)
    assert sum(part.count("abc") for part in parts) == 50


def test_a_composed_character_is_not_cut_in_two() -> None:
    parts = split("e\u0301" * 30, 11)
    assert all(not part.startswith("\u0301") for part in parts)


def test_a_limit_too_small_for_a_fence_is_said() -> None:
    with pytest.raises(ValueError, match="too few"):
        split("```python\n" + "x" * 50 + "\n```", 10)
