"""What the gate learns from examples: the numbers, the keeping, and the rooms that never wait for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from bot.errors import UsageError
from bot.ports import Verdict
from bot.room_settings import Eagerness
from rag.examples import Added, Counts, Example, Examples, read_examples, read_messages
from rag.gate import fitted as keeping
from rag.gate import learning, model, training
from rag.gate.lexicon import Lexicon, grams
from rag.gate.model import Rows
from rag.gate.prior import shipped
from rag.indexes import Indexes
from rag.knowledge import GatedKnowledge
from rag.library import Library
from rag.settings import KnowledgeSettings
from tests.rag.messages import CORPUS, messages

BASE = "projects"
HARDWARE = [
    f"{part}{asked}" for part in ("显卡", "内存", "电源", "机箱", "硬盘") for asked in ("多少钱", "哪家便宜", "好用吗")
]
"""Questions of a group that also talks about hardware, which its documents name but do not sell."""

COURSES = ("怎么报名", "讲模型部署吗", "支持退款吗", "有没有证书")


@pytest.fixture
def knowledge(library: Library, indexes: Indexes, settings: KnowledgeSettings) -> Iterator[GatedKnowledge]:
    library.add(CORPUS, BASE)
    indexes.refresh()
    opened = GatedKnowledge(library.store, indexes, settings)
    yield opened
    opened.close()


@pytest.fixture
def examples(library: Library) -> Examples:
    return Examples(library.store)


def some(good: Sequence[str] = (), bad: Sequence[str] = ()) -> list[Example]:
    return [Example(text, True) for text in good] + [Example(text, False) for text in bad]


def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.01)


# ── the numbers ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_fit_is_the_minimum_of_the_penalised_loss() -> None:
    random = np.random.default_rng(1)
    dense = random.normal(size=(60, 7))
    truth = (dense[:, 0] + 0.5 * random.normal(size=60) > 0).astype(float)
    offset = random.normal(size=60)
    rows = Rows.of([(np.arange(7), row) for row in dense], 7)
    weights = model.fit(rows, truth, offset)
    gradient = weights + dense.T @ (model.sigmoid(dense @ weights + offset) - truth)
    assert np.abs(gradient).max() < 1e-3
    assert np.allclose(rows.take(np.array([3, 3, 0])).times(weights), (dense @ weights)[[3, 3, 0]])


def test_terms_are_weighed_by_how_few_examples_have_them() -> None:
    lexicon = Lexicon.of([grams("模型训练"), grams("模型部署"), grams("模型")], at_least=1)
    assert lexicon.idf[lexicon.numbers["训练"]] > lexicon.idf[lexicon.numbers["模型"]]
    columns, values = lexicon.entries(grams("模型训练"))
    assert np.linalg.norm(values) == pytest.approx(1.0)
    assert len(columns) == len(set(columns.tolist())) == 7
    assert len(lexicon.entries(grams("xyz"))[0]) == 0


def test_thresholds_come_from_predictions_for_unseen_examples(knowledge: GatedKnowledge) -> None:
    texts = messages("answerable") + messages("chit_chat")
    labels = [True] * len(messages("answerable")) + [False] * len(messages("chit_chat"))
    random = np.random.default_rng(5)
    noise = [bool(label) for label in random.permutation(labels)]
    views = [knowledge.learner.view(text, [BASE]) for text in texts]
    learnt = training.train(views, labels, shipped())
    fooled = training.train(views, noise, shipped())
    assert learnt is not None
    assert fooled is not None
    assert learnt.helpful.f1 > 0.97
    assert learnt.quiet.precision >= training.QUIET_PRECISION
    # Labels drawn by lot cannot be foretold: a gate that had seen the answers would claim that it can.
    assert fooled.helpful.f1 < 0.75


def test_what_is_kept_is_what_was_fitted(knowledge: GatedKnowledge) -> None:
    views = [knowledge.learner.view(text, [BASE]) for text in messages("answerable")[:20] + messages("chit_chat")[:20]]
    prior = shipped()
    first = training.train(views, [True] * 20 + [False] * 20, prior)
    assert first is not None
    again = keeping.load(keeping.dump(first))
    for view in views:
        assert again.log_odds(view, prior) == pytest.approx(first.log_odds(view, prior), abs=1e-2)
    assert (again.helpful, again.quiet, again.good, again.bad) == (first.helpful, first.quiet, 20, 20)


def test_too_few_examples_teach_nothing(knowledge: GatedKnowledge, examples: Examples) -> None:
    examples.add(BASE, some(messages("answerable"), messages("chit_chat")[:4]))
    assert knowledge.learner.refit([BASE]) is None
    assert knowledge.rule("mmpose 怎么安装？", [BASE])[0].verdict is Verdict.ANSWER


def test_examples_change_what_is_answered(knowledge: GatedKnowledge, examples: Examples) -> None:
    """On topic by the documents, but the members say that they cannot answer it – and the other way round."""
    probe = "lmdeploy 培训班支持退款吗"
    before = knowledge.rule(probe, [BASE])[0]
    assert before.verdict is Verdict.ANSWER
    courses = [f"{tool} 培训班{what}" for tool in ("mmdeploy", "mmpose", "TensorRT", "xtuner") for what in COURSES]
    examples.add(BASE, some(messages("answerable"), courses + messages("chit_chat")))
    fitted = knowledge.learner.refit([BASE])
    assert fitted is not None
    after = knowledge.rule(probe, [BASE])[0]
    assert after.verdict is Verdict.SILENT
    assert after.score < before.score
    answered = [knowledge.rule(text, [BASE])[0].verdict is Verdict.ANSWER for text in messages("answerable")]
    assert sum(answered) >= 0.95 * len(answered)


def test_both_eagernesses_have_a_threshold_of_their_own(knowledge: GatedKnowledge, examples: Examples) -> None:
    examples.add(BASE, some(messages("answerable"), messages("chit_chat") + HARDWARE))
    fitted = knowledge.learner.refit([BASE])
    assert fitted is not None
    assert fitted.quiet.log_odds >= fitted.helpful.log_odds
    quiet = knowledge.rule("mmpose 怎么安装？", [BASE], eagerness=Eagerness.QUIET)[0]
    assert quiet.threshold == pytest.approx(1 / (1 + np.exp(-fitted.quiet.log_odds)))


# ── beside the rooms ─────────────────────────────────────────────────────────────────────────────────────


def test_a_question_finds_new_examples_by_itself_and_does_not_wait_for_the_fit(
    knowledge: GatedKnowledge, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "LOOK_EVERY_S", 0.0)
    allowed = threading.Event()
    train = training.train

    def slowly(*arguments: object, **rest: object) -> object:
        allowed.wait(20)
        return train(*arguments, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", slowly)
    examples.add(BASE, some(messages("answerable"), messages("chit_chat")))
    for _ in range(3):
        assert knowledge.rule("mmpose 怎么安装？", [BASE])[0].verdict is Verdict.ANSWER
        assert knowledge.learner.fitted([BASE]) is None  # the fit is being made, and nobody waits
    allowed.set()
    until(lambda: knowledge.learner.fitted([BASE]) is not None)
    fitted = knowledge.learner.fitted([BASE])
    assert fitted is not None
    assert fitted.good == len(messages("answerable"))


def test_a_fit_outlives_the_process_and_is_made_anew_when_the_examples_change(
    knowledge: GatedKnowledge, examples: Examples, indexes: Indexes, settings: KnowledgeSettings
) -> None:
    examples.add(BASE, some(messages("answerable"), messages("chit_chat")))
    first = knowledge.learner.refit([BASE])
    assert first is not None
    restarted = GatedKnowledge(examples.store, indexes, settings)
    loaded = restarted.learner.fitted([BASE])
    assert loaded is not None
    assert loaded.helpful == first.helpful
    examples.add(BASE, some(bad=HARDWARE))
    changed = GatedKnowledge(examples.store, indexes, settings)
    assert changed.learner.fitted([BASE]) is None
    until(lambda: changed.learner.fitted([BASE]) is not None)
    restarted.close()
    changed.close()


def test_a_fit_that_fails_leaves_the_gate_as_it_was(
    knowledge: GatedKnowledge, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "LOOK_EVERY_S", 0.0)
    examples.add(BASE, some(messages("answerable"), messages("chit_chat")))
    first = knowledge.learner.refit([BASE])
    failed = threading.Event()

    def fail(*arguments: object, **rest: object) -> None:
        failed.set()
        raise ValueError("no")

    monkeypatch.setattr(training, "train", fail)
    examples.add(BASE, some(bad=HARDWARE))
    assert knowledge.learner.fitted([BASE]) is first
    assert failed.wait(20)
    until(lambda: not knowledge.learner._work)
    assert knowledge.learner.fitted([BASE]) is first


def test_what_one_base_learnt_is_no_other_bases_business(
    knowledge: GatedKnowledge, examples: Examples, library: Library, indexes: Indexes
) -> None:
    library.add(CORPUS, "other")
    indexes.refresh()
    examples.add(BASE, some(messages("answerable"), messages("chit_chat")))
    assert knowledge.learner.refit([BASE]) is not None
    assert knowledge.learner.fitted(["other"]) is None
    assert examples.of(["other"]) == []


# ── the examples ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_one_example_however_it_is_spelt(knowledge: GatedKnowledge, examples: Examples) -> None:
    assert examples.add(BASE, some(["How to install MMPose?", "how to install ｍｍｐｏｓｅ?  "])) == Added(new=1)
    assert examples.add(BASE, some(["How to install mmpose?"])) == Added(known=1)
    assert examples.add(BASE, some(bad=["how to install mmpose?"])) == Added(changed=1)
    assert examples.counts(BASE) == Counts(good=0, bad=1)
    assert examples.remove(BASE, ["HOW TO INSTALL MMPOSE?"]) == 1
    assert examples.of([BASE]) == []


def test_examples_of_a_base_that_is_not_there_are_refused(knowledge: GatedKnowledge, examples: Examples) -> None:
    with pytest.raises(UsageError, match="no knowledge base named nowhere"):
        examples.add("nowhere", some(["a"]))


def test_files_hold_one_message_a_line_or_a_json_list(tmp_path: Path) -> None:
    lines, listed = tmp_path / "good.txt", tmp_path / "good_questions.json"
    lines.write_text("\ufeff怎么安装\r\n\n  [图片] 这个报错怎么办  \n", encoding="utf-8")
    listed.write_text(json.dumps(["怎么安装", " ", "[图片] 这个报错怎么办"], ensure_ascii=False), encoding="utf-8")
    assert read_messages(lines) == read_messages(listed) == ["怎么安装", "[图片] 这个报错怎么办"]
    stickers = tmp_path / "stickers.txt"
    stickers.write_text("[图片] 这个怎么弄\n在吗\n", encoding="utf-8")
    assert read_messages(stickers) == ["[图片] 这个怎么弄", "在吗"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'["a", 1]', "entry 2 is no string"), (b'["a",]', "is no JSON"), (b"\xff\xfe\x00", "is not UTF-8")],
)
def test_a_file_that_is_none_gets_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_messages(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_messages(tmp_path / "gone.txt")


def test_what_stands_in_both_files_is_left_out(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("a question\nundecided\n", encoding="utf-8")
    bad.write_text("small talk\nUndecided\n", encoding="utf-8")
    assert read_examples(good, bad) == (some(["a question"], ["small talk"]), 1)
