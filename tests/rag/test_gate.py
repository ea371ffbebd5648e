"""The gate without a label: what it answers, where it is silent, and why it says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from bot.decision import Reason
from bot.ports import Verdict
from bot.room_settings import Eagerness
from bot.store import Store, StoreSettings
from maodou.schema import all_tables
from rag.gate import background
from rag.gate.deciding import Ruling
from rag.gate.features import HITS, NAMES
from rag.gate.forms import form_of
from rag.gate.prior import shipped
from rag.indexes import Indexes
from rag.knowledge import GatedKnowledge
from rag.library import Library
from rag.settings import KnowledgeSettings
from tests.rag.messages import CORPUS, messages


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedKnowledge]:
    """Over the corpus, read once: nothing here writes, and what the database is makes no difference to it."""
    store_settings = StoreSettings(f"sqlite:///{tmp_path_factory.mktemp('gate')}/maodou.db", durability="normal")
    store = Store.open(store_settings)
    all_tables().create_all(store.engine)
    settings = KnowledgeSettings()
    indexes = Indexes(store, settings)
    Library(store, settings).add(CORPUS, "projects")
    indexes.refresh()
    opened = GatedKnowledge(store, indexes, settings)
    yield opened
    opened.close()
    store.close()


def ruling(knowledge: GatedKnowledge, text: str, *, addressed: bool = False, **rest: Eagerness) -> Ruling:
    return knowledge.rule(text, ["projects"], addressed=addressed, **rest)[0]


def wrong(knowledge: GatedKnowledge, kind: str, wanted: set[Verdict], *, addressed: bool = False) -> list[str]:
    """The messages of this kind with another verdict."""
    return [text for text in messages(kind) if ruling(knowledge, text, addressed=addressed).verdict not in wanted]


# ── what the documents answer, and what they do not ──────────────────────────────────────────────────────


def test_questions_that_the_documents_answer_are_answered(knowledge: GatedKnowledge) -> None:
    assert len(messages("answerable")) >= 50
    assert ruling(knowledge, "mmdeploy 支持哪些推理后端？").verdict is Verdict.ANSWER
    assert wrong(knowledge, "answerable", {Verdict.ANSWER}) == []
    assert wrong(knowledge, "answerable", {Verdict.ANSWER}, addressed=True) == []


def test_small_talk_is_passed_over_in_silence(knowledge: GatedKnowledge) -> None:
    assert len(messages("chit_chat")) >= 50
    assert ruling(knowledge, "今天中午吃什么").verdict is Verdict.SILENT
    assert wrong(knowledge, "chit_chat", {Verdict.SILENT}) == []


def test_small_talk_to_the_bot_gets_a_word_but_no_answer(knowledge: GatedKnowledge) -> None:
    a_word = {Verdict.NOTHING_FOUND, Verdict.ASK_BACK}
    assert wrong(knowledge, "chit_chat", a_word, addressed=True) == []


def test_what_nobody_asked_is_not_answered_however_well_the_documents_know_it(knowledge: GatedKnowledge) -> None:
    assert wrong(knowledge, "statements", {Verdict.SILENT}) == []
    assert ruling(knowledge, "mmdeploy 转 TensorRT 跑通了，谢谢各位").reason is Reason.NOT_A_QUESTION


@pytest.mark.parametrize(
    ("bias", "kind", "wanted"), [(0.0, "chit_chat", Verdict.SILENT), (-1.0, "answerable", Verdict.ANSWER)]
)
def test_with_its_weights_gone_the_gate_no_longer_tells_them_apart(
    knowledge: GatedKnowledge, monkeypatch: pytest.MonkeyPatch, bias: float, kind: str, wanted: Verdict
) -> None:
    """The twin of the tests above: it is the prior's numbers that make them pass."""
    monkeypatch.setattr(knowledge, "prior", replace(shipped(), weights=np.zeros(len(NAMES)), bias=bias))
    assert wrong(knowledge, kind, {wanted})


SHORT = ("怎么安装？", "用哪个脚本？", "how do I install it?", "how to build from source")
"""Too few words to tell by statistics, and each the heading of a passage."""


@pytest.mark.parametrize("text", SHORT)
def test_a_question_that_a_heading_asks_is_answered_though_nobody_asked_us(
    knowledge: GatedKnowledge, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert ruling(knowledge, text).verdict is Verdict.ANSWER
    assert ruling(knowledge, text, eagerness=Eagerness.QUIET).verdict is Verdict.SILENT
    weights = np.where(np.array(NAMES) == "heading_asks", 0.0, shipped().weights)
    monkeypatch.setattr(knowledge, "prior", replace(shipped(), weights=weights))
    assert ruling(knowledge, text).verdict is Verdict.SILENT, "it is this feature that answers it"


def test_a_heading_that_is_said_and_not_asked_is_not_answered(knowledge: GatedKnowledge) -> None:
    assert ruling(knowledge, "安装").reason is Reason.NOT_A_QUESTION


# ── outcomes and reasons ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "addressed", "verdict", "reason"),
    [
        ("mmpose 怎么安装？", False, Verdict.ANSWER, Reason.FROM_DOCUMENTS),
        ("mmpose 安装", True, Verdict.ANSWER, Reason.FROM_DOCUMENTS),
        ("今天天气怎么样", False, Verdict.SILENT, Reason.OFF_TOPIC),
        ("大家早上好", False, Verdict.SILENT, Reason.NOT_A_QUESTION),
        ("你好", True, Verdict.ASK_BACK, Reason.EMPTY),
        ("怎么办？", True, Verdict.ASK_BACK, Reason.UNCLEAR),
        ("what is the capital of Peru?", True, Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS),
        ("北京到上海的高铁票多少钱一张", True, Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS),
        ("how much is a train ticket from Berlin to Paris?", True, Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS),
    ],
)
def test_each_outcome_has_its_reason(
    knowledge: GatedKnowledge, text: str, addressed: bool, verdict: Verdict, reason: Reason
) -> None:
    decided = ruling(knowledge, text, addressed=addressed)
    assert (decided.verdict, decided.reason) == (verdict, reason)


@pytest.mark.parametrize(("addressed", "verdict"), [(False, Verdict.SILENT), (True, Verdict.NOTHING_FOUND)])
def test_without_documents_there_is_nothing_to_answer_from(
    knowledge: GatedKnowledge, addressed: bool, verdict: Verdict
) -> None:
    decided, hits = knowledge.rule("mmpose 怎么安装？", [], addressed=addressed)
    assert (decided.verdict, decided.reason, decided.score, hits) == (verdict, Reason.NO_DOCUMENTS, 0.0, [])


def test_quiet_answers_less_and_only_what_is_surer(knowledge: GatedKnowledge) -> None:
    answered = {
        eagerness: {
            text
            for text in messages("answerable")
            if ruling(knowledge, text, eagerness=eagerness).verdict is Verdict.ANSWER
        }
        for eagerness in (Eagerness.QUIET, Eagerness.HELPFUL)
    }
    assert answered[Eagerness.QUIET] < answered[Eagerness.HELPFUL]
    passed_over = sorted(answered[Eagerness.HELPFUL] - answered[Eagerness.QUIET])[0]
    assert ruling(knowledge, passed_over, eagerness=Eagerness.QUIET).reason is Reason.UNSURE


def test_the_score_is_a_chance_and_the_threshold_is_its_bar(knowledge: GatedKnowledge) -> None:
    for text in (*messages("answerable"), *messages("chit_chat")):
        decided = ruling(knowledge, text)
        assert 0 <= decided.score <= 1
        assert (decided.verdict is Verdict.ANSWER) == (decided.score >= decided.threshold)


@pytest.mark.parametrize("text", ["", " ", "😀", "[旺柴]", "?" * 3000, "a" * 5000, "\u200b", "1 2 3", "，。！"])
def test_a_message_without_words_is_no_trouble(knowledge: GatedKnowledge, text: str) -> None:
    assert ruling(knowledge, text).verdict is Verdict.SILENT
    assert ruling(knowledge, text, addressed=True).verdict in (Verdict.ASK_BACK, Verdict.NOTHING_FOUND)


# ── what it looks at ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "怎么装",
        "支持 openvino 不",
        "支持多长的上下文",
        "训练要几块卡",
        "求个安装教程",
        "用 windows 还是 linux",
        "看文档注册机制不太明白",
        "can it run on Windows",
        "Does it work offline",
        "训练到一半报错了",
        "I get a RuntimeError when I import it",
        "ok?",
    ],
)
def test_questions_and_calls_for_help_have_a_form(text: str) -> None:
    assert form_of(text).asks


@pytest.mark.parametrize(
    "text", ["我刚装好", "明天再测", "最多快递到家", "I just installed it, works great", "we have a new release"]
)
def test_statements_have_none(text: str) -> None:
    assert not form_of(text).asks


def test_all_passages_that_are_looked_at_lend_their_words(knowledge: GatedKnowledge) -> None:
    assert max(knowledge.learner.view("mmpose mmdeploy", ["projects"]).nearby.values()) == HITS


def test_stickers_are_no_words() -> None:
    assert form_of("好的[旺柴][旺柴]😀").chars == 2


def test_a_word_is_telling_when_the_documents_use_it_more_than_people_do() -> None:
    assert background.chance("今天") > background.chance("量化")
    assert background.chance("today") > background.chance("tensorrt")
    assert 0 < background.chance("鿃鿄") < background.chance("今天") <= 0.5


def test_the_background_is_made_from_counts_and_ranks() -> None:
    pairs = background.pair_chances(["今天 900000 t", "今夕 100000 t", "龘龘 10 x"])
    assert pairs["今天"] == pytest.approx(9 * pairs["今夕"], rel=1e-3)
    assert "龘龘" not in pairs
    words = background.word_chances({"films": ["today", *["well"] * 99, "lunch", "lunches"]})
    assert words["today"] > words["lunch"] > 0
    assert "今天" in background.content(pairs, words)


def test_every_number_of_the_prior_is_in_its_file() -> None:
    prior = shipped()
    assert len(prior.weights) == len(prior.centers) == len(prior.scales) == len(NAMES)
    assert (prior.scales > 0).all()
    assert (prior.weights >= 0).all()
    assert prior.quiet > prior.helpful
