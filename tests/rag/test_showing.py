"""What of a document's markup a room is shown: links within the folder become words, others and code stay."""

from __future__ import annotations

import pytest

from bot.decision import Reason
from bot.ports import Judgement, Passage, Question, Verdict
from rag.extractive import ExtractiveAnswerer
from rag.showing import without_half_marks, without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("请参考[这里](docs/zh/benchmark.md)。", "请参考这里。"),
        ("see [models](../user_guides/models.md#api) and [below](#usage)", "see models and below"),
        ("see [it](<a b.md> 'title')", "see it"),
        ("![the room](images/room.png)", "the room"),
        ("![](images/room.png)", ""),
        ("[`one.py`](one_(2).py)", "`one.py`"),
        ("[site](https://example.org/a_(b))", "[site](https://example.org/a_(b))"),
        ("[mail](mailto:a@example.org) [s](//example.org/x)", "[mail](mailto:a@example.org) [s](//example.org/x)"),
        ("`[link](a.md)` is how a link is written", "`[link](a.md)` is how a link is written"),
        ("an array[0](call) and [no link]", "an array0 and [no link]"),
        ("[" * 2_000 + "](" * 2_000, "[" * 2_000 + "](" * 2_000),
    ],
)
def test_a_link_within_the_folder_becomes_its_words(text: str, shown: str) -> None:
    assert without_paths(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**毛豆规定 `x=4` 表示四位。 [1]\n\n", "毛豆规定 `x=4` 表示四位。 [1]\n\n"),
        ("- **first, it is read [1]", "- first, it is read [1]"),
        ("and it is kept.** [1]", "and it is kept. [1]"),
        ("**whole** words [1]", "**whole** words [1]"),
        ("f(**options) and 2**3 [1]", "f(**options) and 2**3 [1]"),
        ("call f(**options) [1]", "call f(**options) [1]"),
        ("`**` begins bold words [1]", "`**` begins bold words [1]"),
    ],
)
def test_half_of_a_mark_is_not_shown(text: str, shown: str) -> None:
    assert without_half_marks(text) == shown


async def test_an_answer_leads_to_no_file_of_the_folder() -> None:
    passage = Passage("kb", "backends.md", "Backends", "The backends are listed in [the table](backends.md#all).", 0.9)
    judgement = Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, (passage,))
    question = Question("where are the backends listed?", ("kb",), language="en")
    said = "".join([each.text async for each in ExtractiveAnswerer().answer(question, judgement)])
    assert "listed in the table. [1]" in said
