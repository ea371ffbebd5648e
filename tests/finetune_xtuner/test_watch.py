"""A run that does not learn is told from one that does; only the assistant's words are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from finetune_xtuner.checking import at_most, is_right, judge
from finetune_xtuner.plot import curve
from finetune_xtuner.worker import watch
from finetune_xtuner.worker.masks import NOT_LEARNT, encoded, padded
from finetune_xtuner.worker.telling import Refused
from finetune_xtuner.writing import Probe, balanced

FALLING = [2.0 - 0.05 * step for step in range(30)]
RATE = [2e-4] * 30


def test_a_loss_that_falls_is_learning() -> None:
    assert watch.trouble(FALLING, RATE, 2e-4) is None


@pytest.mark.parametrize(
    ("losses", "rates", "why"),
    [
        ([6.97] * 30, RATE, "The loss is flat: 6.970 at the beginning, 6.970 at the end"),
        (FALLING, [2e-9] * 30, "never rose above 2e-09 of the 0.0002 asked"),
        ([*FALLING[:9], float("nan")], RATE[:10], "no number any more at step 10"),
        ([1.0, 0.5], RATE[:2], "2 steps are too few"),
        ([], [], "Not one step was made"),
    ],
)
def test_a_run_that_learnt_nothing_is_told_why(losses: list[float], rates: list[float], why: str) -> None:
    trouble = watch.trouble(losses, rates, 2e-4)
    assert trouble is not None
    assert why in trouble


def test_a_loss_that_is_small_already_may_stay() -> None:
    assert watch.trouble([0.01] * 30, RATE, 2e-4) is None


class Letters:
    """A tokenizer of one token a character, with a chat template; ``forgets``: one that drops earlier answers."""

    def __init__(self, *, forgets: bool = False) -> None:
        self.forgets = forgets

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        kept = messages[-1:] if self.forgets and len(messages) > 2 else messages
        said = "".join(f"<{message['role'][0]}>{message['content']};" for message in kept)
        return said + ("<a>" if add_generation_prompt else "")

    def __call__(self, text: str, *, add_special_tokens: bool, return_offsets_mapping: bool) -> dict[str, Any]:
        return {"input_ids": [ord(each) for each in text], "offset_mapping": [(at, at + 1) for at in range(len(text))]}


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


def test_only_the_assistants_words_and_their_end_are_learnt() -> None:
    row = encoded(Letters(), said("hi", "yes", "so", "no"), 100)
    assert row is not None
    assert "".join(chr(label) for label in row["labels"] if label != NOT_LEARNT) == "yes;no;"
    assert "".join(map(chr, row["input_ids"])) == "<u>hi;<a>yes;<u>so;<a>no;"


def test_a_row_that_is_cut_before_its_answer_teaches_nothing() -> None:
    assert encoded(Letters(), said("a long question", "yes"), 8) is None


def test_a_template_that_rewrites_earlier_messages_is_refused() -> None:
    with pytest.raises(Refused, match="changes earlier messages"):
        encoded(Letters(forgets=True), said("hi", "yes", "so", "no"), 100)


def test_a_batch_is_as_long_as_its_longest_row() -> None:
    rows = [{"input_ids": [1, 2, 3], "labels": [1, 2, 3]}, {"input_ids": [4], "labels": [4]}]
    batch = dict(padded(rows, 0))
    assert batch["input_ids"] == [[1, 2, 3], [4, 0, 0]]
    assert batch["labels"] == [[1, 2, 3], [4, NOT_LEARNT, NOT_LEARNT]]
    assert batch["attention_mask"] == [[1, 1, 1], [1, 0, 0]]


def test_answers_with_fewer_phrasings_are_repeated_and_documents_are_not() -> None:
    rows = [said(f"q{number}", "often") for number in range(40)]
    rows += [said(f"r{number}", "seldom") for number in range(10)]
    rows += [said("d", "document")]
    answers = [row[-1]["content"] for row in balanced(rows)]
    assert [answers.count(each) for each in ("often", "seldom", "document")] == [40, 40, 1]


# ── the check ────────────────────────────────────────────────────────────────────────────────────────────


def probe(topic: str, question: str = "q", answer: str = "", *expects: str, ignores: str = "") -> Probe:
    return Probe([{"role": "user", "content": question}], topic, "zh", answer, expects, ignores)


def test_to_say_who_made_it_is_not_to_say_who_it_is() -> None:
    who = probe("who", "你是谁", "", "毛豆", ignores="毛豆社区")
    assert is_right(who, "我是毛豆，毛豆社区做的群聊助手。")
    assert not is_right(who, "我是毛豆社区做的。")


def test_it_fails_when_it_does_not_know_who_it_is() -> None:
    probes = [probe("who", f"q{number}", "", "毛豆") for number in range(10)]
    verdict = judge(probes, [""] * 10, ["我是毛豆"] * 8 + ["我是别人"] * 2, at_least=0.9)
    assert (verdict.rows[0].after, verdict.passed) == (8, False)
    assert verdict.wrong == (("q8", "我是别人"), ("q9", "我是别人"))
    assert judge(probes, [""] * 10, ["我是毛豆"] * 9 + [""], at_least=0.9).passed


def test_it_fails_when_it_has_forgotten_what_it_knew_and_not_for_what_it_never_knew() -> None:
    probes = [probe("pair", f"q{number}", "一年有十二个月。") for number in range(4)]
    knew = ["一年有十二个月。"] * 2 + ["不知道"] * 2
    assert judge(probes, knew, knew, at_least=0.9).passed
    forgot = judge(probes, knew, ["我是毛豆。"] * 4, at_least=0.9)
    assert not forgot.passed
    assert [row.what for row in forgot.rows] == ["known before, kept", "not known before"]


def test_a_part_of_the_questions_has_every_topic_in_it() -> None:
    probes = [probe(topic, f"{topic}{number}") for topic in ("who", "maker", "pair") for number in range(30)]
    chosen = at_most(probes, 9)
    assert [each.topic for each in chosen] == ["who", "maker", "pair"] * 3
    assert len({each.question for each in at_most(probes, 90)}) == 90


def test_a_curve_shows_first_and_last_loss() -> None:
    drawn = curve(FALLING, RATE, "a <run>")
    assert "2 → 0.55" in drawn
    assert "a &lt;run&gt;" in drawn
