"""The evaluation counts what it says: on a knowledge of four sentences whose every answer is known."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from bot.decision import Reason
from bot.errors import UsageError
from bot.event import Addressed
from bot.ports import Citation, Judgement, Question, Sentence, Verdict
from bot.room_settings import Eagerness
from rag.evaluate import Case, Fault, Figures, Kind, by_kind, evaluate, figures, read_cases


class Parrot:
    """A knowledge and an answerer that speak to what begins with ``!``, and cite the file named after it."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.earlier: list[str] = []

    async def judge(self, question: Question) -> Judgement:
        self.questions.append(question)
        self.earlier = [utterance.text for utterance in await question.earlier()]
        speaks = question.text.startswith("!")
        return Judgement(
            Verdict.ANSWER if speaks else Verdict.SILENT,
            Reason.FROM_DOCUMENTS if speaks else Reason.NOT_IN_DOCUMENTS,
            0.9 if speaks else 0.1,
        )

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        file, _, said = question.text.removeprefix("!").partition(" ")
        if said:
            yield Sentence(f"{said} [1]", (Citation(1, file, "", said),))


async def counted(*cases: Case) -> tuple[Figures, list[Fault | None]]:
    outcomes = await evaluate(cases, parrot := Parrot(), parrot, ("pods",))
    return figures(outcomes), [outcome.fault for outcome in outcomes]


async def test_precision_recall_and_right_source_are_counted() -> None:
    counts, faults = await counted(
        Case(text="!zh/a.md yes", expect="answer", source=("docs/zh/a.md", "docs/en/a.md")),
        Case(text="!b.md yes", expect="answer", source=("a.md",)),
        Case(text="!b.md no", expect="silent"),
        Case(text="hm", expect="answer", source=("a.md",)),
        Case(text="hm", expect="silent"),
        Case(text="!any.md yes", expect="answer"),
    )
    assert faults == [None, Fault.OTHER_SOURCE, Fault.SPOKE, Fault.SILENT, None, None]
    assert (counts.messages, counts.expected, counts.answered, counts.right) == (6, 4, 4, 3)
    assert (counts.precision, counts.recall, counts.f1, counts.right_source) == (0.75, 0.75, 0.75, 0.5)


async def test_shares_of_nothing_are_not_zero() -> None:
    counts, _ = await counted(Case(text="hm", expect="silent"))
    assert (counts.precision, counts.recall, counts.f1, counts.right_source) == (None, None, None, None)


async def test_a_verdict_to_answer_of_which_nothing_comes_is_silence() -> None:
    counts, faults = await counted(Case(text="!a.md", expect="answer"), Case(text="!a.md", expect="silent"))
    assert faults == [Fault.SILENT, None]
    assert counts.answered == 0


async def test_a_forbidden_text_is_a_fault_even_in_the_right_answer() -> None:
    counts, faults = await counted(Case(text="!a.md the token", expect="answer", source=("a.md",), forbid=("token",)))
    assert faults == [Fault.FORBIDDEN]
    assert counts.forbidden == 1


async def test_a_file_of_a_similar_name_is_another_file() -> None:
    _, faults = await counted(Case(text="!notes/aa.md yes", expect="answer", source=("a.md",)))
    assert faults == [Fault.OTHER_SOURCE]


async def test_a_message_is_put_as_its_room_would_put_it() -> None:
    parrot = Parrot()
    case = Case(text="那 Windows 呢？", expect="silent", earlier=("怎么装？", "试试"), addressed=True)
    await evaluate([case], parrot, parrot, ("pods",), eagerness=Eagerness.QUIET)
    (question,) = parrot.questions
    assert parrot.earlier == ["怎么装？", "试试"]
    assert question.bases == ("pods",)
    assert question.addressed is Addressed.MENTION
    assert (question.language, question.eagerness) == ("zh", Eagerness.QUIET)


async def test_the_table_has_a_row_for_each_kind_and_one_for_all() -> None:
    parrot = Parrot()
    cases = [
        Case(text="hm", expect="silent", kind=Kind.POISONED),
        Case(text="!a yes", expect="answer"),
        Case(text="!a yes", expect="answer", earlier=("hm",)),
    ]
    table = by_kind(await evaluate(cases, parrot, parrot, ("pods",)))
    assert {kind: row.messages for kind, row in table.items()} == {
        "answerable": 1,
        "multi-turn": 1,
        "poisoned": 1,
        "all": 3,
    }


def test_a_source_may_be_one_or_many() -> None:
    one, many = read_cases(
        [
            json.dumps({"text": "a", "expect": "answer", "source": "a.md"}),
            "",
            json.dumps({"text": "a", "expect": "answer", "source": ["a.md", "b.md"]}),
        ]
    )
    assert (one.source, many.source) == (("a.md",), ("a.md", "b.md"))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["", "{"], "Line 2: "),
        (['{"text": "a"}'], "Line 1: expect: "),
        (['{"text": "a", "expect": "perhaps"}'], "Line 1: expect: "),
        (['{"text": "a", "expect": "answer", "sauce": 1}'], "Line 1: sauce: "),
        ([], "no message"),
    ],
)
def test_a_line_that_is_no_case_is_named(lines: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_cases(lines)
    assert said in str(error.value)
