"""A data set: nothing twice, nothing personal, and nothing of what is held out in what is learnt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finetune_xtuner.conversation import Conversation
from finetune_xtuner.dataset import Leak, bare, build, leaks
from finetune_xtuner.form import conversations_of, in_surroundings, phrasings, read_form
from finetune_xtuner.personal import findings
from finetune_xtuner.report import report
from finetune_xtuner.sampling import FORM, sample_data


def pair(question: str, answer: str = "答。", **more: object) -> Conversation:
    row = Conversation(((question, answer),), f"pair:{question}", "pair", "zh", "faq.csv, line 2")
    return replace(row, **more)  # type: ignore[arg-type]


def test_the_sample_holds_phrasings_out_of_everything_and_leaks_none() -> None:
    data = sample_data()
    assert leaks(data.train, data.held_out) == []
    for counts in data.counts().values():
        learnt, held_out = counts
        assert 0 < held_out < learnt


def test_a_question_with_a_please_around_it_is_on_the_same_side() -> None:
    data = sample_data()
    learnt = {bare(row.question) for row in data.train}
    held_out = {bare(row.question) for row in data.held_out}
    assert learnt & held_out == set()


def test_what_nearly_everybody_asks_is_always_learnt() -> None:
    for seed in range(5):
        rows = [around for row in conversations_of(read_form(FORM)) for around in in_surroundings(row)]
        learnt = {row.question for row in build(rows, seed=seed).train}
        assert {"你是谁", "who are you", "谁做的你", "who made you"} <= learnt


def test_the_same_seed_holds_the_same_out_and_another_seed_others() -> None:
    rows = [pair(f"问题{number}") for number in range(40)]
    first, again, other = (build(rows, seed=seed).held_out for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_leak_between_the_splits_is_seen() -> None:
    assert leaks([pair("怎么安装")], [pair("请问怎么安装呢？")]) == ["请问怎么安装呢？"]
    assert leaks([pair("怎么安装")], [pair("怎么卸载")]) == []


def test_one_phrasing_in_two_files_comes_into_one_group() -> None:
    """Without grouping by words, the hash would hold one of the two out and leak the other."""
    rows = [pair(f"怎么装第{number}个") for number in range(30)]
    rows += [replace(row, exchanges=((f"请问{row.question}？", row.answer),), group=f"b{row.question}") for row in rows]
    data = build(rows)
    assert data.held_out
    assert len(data.held_out) % 2 == 0


def test_without_the_grouping_the_split_refuses_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune_xtuner.dataset._grouped", list)
    rows = [pair(f"怎么装第{number}个") for number in range(30)]
    rows += [replace(row, exchanges=((f"请问{row.question}？", row.answer),), group=f"b{row.question}") for row in rows]
    with pytest.raises(Leak, match="both learnt and held out"):
        build(rows)


def test_repetitions_and_contradictions_are_left_out_and_told_apart() -> None:
    data = build([pair("怎么装"), pair("怎么装"), pair("怎么装", "另一个答案。")])
    assert [(each.why, each.shown) for each in data.removed] == [("repeated", "怎么装"), ("contradicts", "怎么装")]
    assert len(data.train) == 1
    assert "which one is right" in report(data)


def test_personal_data_goes_unless_it_is_kept_on_purpose() -> None:
    rows = [pair("怎么找他", "打 13800138000。"), pair("怎么装", "用 make。")]
    cleaned = build(rows)
    assert [row.question for row in cleaned.train] == ["怎么装"]
    assert cleaned.removed[0].why == "personal"
    assert "13800138000" not in report(cleaned)
    kept = build(rows, keep_personal=True)
    assert (len(kept.train), kept.kept_personal) == (2, 1)
    assert "1 rows with personal data or keys are in it" in report(kept)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("写信给 lin.xia@example.org 吧", "e-mail"),
        ("手机 138 0013 8000", "telephone"),
        ("+44 20 7946 0958", "telephone"),
        ("座机 010-62345678", "telephone"),
        ("身份证 11010519491231002X", "identity number"),
        ("卡号 4111 1111 1111 1111", "card number"),
        ("用 sk-abcdefghijklmnop1234 调用", "key"),
        ("AKIAABCDEFGHIJKLMNOP", "key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "key"),
        ("密码是 hunter2secret", "password"),
        ("api_key = 123456abcdef", "password"),
    ],
)
def test_personal_data_is_found_by_its_form(text: str, kind: str) -> None:
    found = list(findings(text))
    assert [each.kind for each in found] == [kind]
    assert found[0].shown not in text


@pytest.mark.parametrize(
    "text",
    [
        "版本 3.11.7，端口 7860，2026-11-22",
        "身份证 110105194912310021",  # its check digit is wrong
        "commit 3664f79a8b1c, 1234567890123456",  # no card: Luhn says so
        "@毛豆 怎么装",
        "密码放在 .env 里",
        "pip install torch==2.13.0",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert list(findings(text)) == []


def test_every_phrasing_is_asked_once_and_each_intent_in_both_languages() -> None:
    for by_language in phrasings().values():
        assert set(by_language) == {"zh", "en"}
        for groups in by_language.values():
            assert len(groups) >= 10
            assert all(groups)


def test_what_people_put_around_a_question_changes_none_of_its_words() -> None:
    for row in conversations_of(read_form(FORM)):
        assert {bare(around.question) for around in in_surroundings(row)} == {bare(row.question)}
