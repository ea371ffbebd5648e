"""The splitter: along headings, fences whole, within bounds, and not a character lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.split import split, title_of


def pieces(text: str, target: int = 200, maximum: int = 400) -> list[tuple[str, str]]:
    return [
        (piece.heading, text[piece.start : piece.end]) for piece in split(text, target_chars=target, max_chars=maximum)
    ]


def test_each_section_is_a_piece_under_the_path_of_its_headings() -> None:
    text = "# Guide\n\nHello.\n\n## Install\n\nUse pip.\n\n### Windows\n\nUse conda.\n\n## Run\n\nGo.\n"
    assert [heading for heading, _ in pieces(text)] == [
        "Guide",
        "Guide › Install",
        "Guide › Install › Windows",
        "Guide › Run",
    ]


def test_headings_without_a_text_go_with_what_follows() -> None:
    assert pieces("# Guide\n\n## Install\n\nUse pip.\n") == [("Guide › Install", "# Guide\n\n## Install\n\nUse pip.\n")]


def test_underlined_headings_count_and_rules_do_not() -> None:
    text = "Guide\n=====\n\nHello.\n\n---\n\nStill there.\n\nInstall\n-------\n\nUse pip.\n"
    assert [heading for heading, _ in pieces(text)] == ["Guide", "Guide › Install"]


def test_headings_are_shown_without_markup() -> None:
    assert pieces("## **The** [`kb`](x.md) <a name=x></a>command {#kb}\n\ntext")[0][0] == "The kb command"


@pytest.mark.parametrize("fence", ["```", "~~~", "`````"])
def test_what_looks_like_a_heading_in_a_fence_is_code(fence: str) -> None:
    text = f"# Build\n\nRun:\n\n{fence}bash\n# not a heading\nmake\n\n# nor this\nmake test\n{fence}\n\nDone.\n"
    assert [heading for heading, _ in pieces(text)] == ["Build"]


def test_a_fence_within_a_longer_fence_does_not_close_it() -> None:
    text = "````\n```\n# no heading\n```\n# nor this\n````\n\n# Real\n\ntext\n"
    assert [heading for heading, _ in pieces(text)] == ["", "Real"]


def test_a_fence_that_never_closes_hides_no_headings() -> None:
    assert [heading for heading, _ in pieces("# One\n\n```\ncode\n\n# Two\n\ntext\n")] == ["One", "Two"]


def test_a_fence_that_fits_is_never_cut() -> None:
    code = "```\n" + "\n\n".join(f"line {n}" for n in range(25)) + "\n```\n"
    text = "# Title\n\n" + "Some words before. " * 9 + "\n\n" + code + "\n" + "And after. " * 20
    assert sum(code in body for _, body in pieces(text)) == 1


def test_a_fence_that_is_too_long_is_cut_between_lines() -> None:
    text = "```\n" + "".join(f"this is line number {n}\n" for n in range(100)) + "```\n"
    bodies = [body for _, body in pieces(text)]
    assert len(bodies) > 5
    assert all(body.endswith("\n") and len(body) <= 400 for body in bodies)


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    text = "这是一个用来测试切分的句子。" * 60
    assert all(body.endswith("。") for _, body in pieces(text))


def test_text_without_any_break_is_cut_all_the_same() -> None:
    assert all(len(body) <= 400 for _, body in pieces("x" * 5_000))


def test_the_title_is_the_first_heading() -> None:
    assert title_of("words\n\n## Second\n\n# First\n") == "Second"
    assert title_of("no headings") == ""


HEADINGS = ("# One\n", "## Two\n", "Title\n", "===\n", "---\n", "\t# tab\n", "#\n")
FENCES = ("```\n", "~~~py\n", "````\n")
OTHERS = (
    "\n",
    "  \n",
    "- item\n",
    "| a | b |\n",
    "text. More text! 句子。\n",
    "x" * 90 + "\n",
    "no newline",
    "    code\n",
)
LINES = st.sampled_from((*HEADINGS, *FENCES, *OTHERS))


@given(st.lists(LINES, max_size=60).map("".join), st.integers(100, 300), st.integers(0, 300))
def test_no_character_is_lost_and_no_piece_too_long(text: str, target: int, more: int) -> None:
    found = split(text, target_chars=target, max_chars=target + more)
    assert "".join(text[piece.start : piece.end] for piece in found) == text
    assert all(piece.end - piece.start <= target + more for piece in found)
    assert all(piece.end > piece.start for piece in found) or not text


@given(st.text(max_size=3_000))
def test_any_text_can_be_split(text: str) -> None:
    found = split(text, target_chars=100, max_chars=200)
    assert "".join(text[piece.start : piece.end] for piece in found) == text


@given(st.integers(1, 12), st.sampled_from(["```", "~~~"]), st.integers(1, 8))
def test_fences_stay_whole_wherever_they_stand(before: int, fence: str, lines: int) -> None:
    code = f"{fence}\n" + "# comment\n" * lines + f"{fence}\n"
    text = "# A\n\n" + "Some words in a row. " * before + "\n\n" + code + "\n" + "And more words.\n\n" * before
    assert any(code in body for _, body in pieces(text))
    assert not any(re.search("comment", heading) for heading, _ in pieces(text))
