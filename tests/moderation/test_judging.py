"""What the lists and the weights make of a text."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from moderation.categories import SWITCHED, Category
from moderation.judging import Filter
from moderation.lexicon import Term, Use, read, shipped
from moderation.matching import Matcher
from moderation.unmasking import Reading, Unmasker

HERE = Path(__file__).parent


def evasions() -> list[tuple[str, str, str]]:
    """Kind, disguised text and plain text of each line; escapes stand for what nobody would see."""
    lines = (HERE / "evasions.tsv").read_text(encoding="utf-8").splitlines()
    unescape = re.compile(r"\\u([0-9a-f]{4})")
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            readable = unescape.sub(lambda each: chr(int(each[1], 16)), line).replace("\\n", "\n")
            kind, disguised, plain = readable.split("\t")
            found.append((kind, disguised, plain))
    return found


class Blind(Unmasker):
    """Reads texts as they stand: what the filter would be without the unmasking."""

    def plain(self, text: str) -> str:
        return text

    def hidden(self, plain: str) -> list[Reading]:  # type: ignore[override]
        return []


# ── disguises ────────────────────────────────────────────────────────────────────────────────────────────


def test_no_disguise_of_the_table_hides_a_word(words: Filter) -> None:
    through = [(kind, disguised) for kind, disguised, _ in evasions() if not words.judge(disguised).hides]
    assert through == []
    assert all(words.judge(plain).hides for _, _, plain in evasions())


LISTED = ("pinyin", "mixed scripts", "homophone", "respelled")
"""Kinds of disguise that no rule undoes: such words stand in the lists."""


def test_without_unmasking_most_disguises_would_work(words: Filter, monkeypatch: pytest.MonkeyPatch) -> None:
    disguised = [disguised for kind, disguised, plain in evasions() if disguised != plain and kind not in LISTED]
    monkeypatch.setattr(words, "_unmasker", blind := Blind())
    monkeypatch.setattr(words, "_matcher", Matcher(blind, shipped()))
    assert sum(words.judge(each).hides for each in disguised) < len(disguised) * 0.2


def test_spaces_are_taken_out_of_single_characters_alone(words: Filter) -> None:
    assert words.judge("p o r n").hides
    assert not words.judge("stop or nothing").hides
    assert not words.judge("角色 情节 都不错").hides


@pytest.mark.parametrize(
    "text",
    [
        "Ship it 🚀 hot🔥fix is out",
        "I❤️NY and hot❌dogs❌rock is a slogan",
        "角\n色\n情\n感",
        "本店供应黄骨鱼 片好的 150 一份",
        "Wuma Street in Wenzhou, Papa John's, Xi'an and Huangshan",
        "他的微信是 jiba88 吗？不，是 jibao",
        "A model of 800B parameters on 6008 cards",
    ],
)
def test_what_only_looks_like_a_disguise_is_none(words: Filter, text: str) -> None:
    assert not words.judge(text).hides


# ── words within words ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Essex and Sussex play at Scunthorpe.",
        "The assassin passed the assessment in Middlesex.",
        "Cockpit, peacock, Hancock and cocktail.",
        "cumulative documents, cucumbers, circumference",
        "男性交往与理性交流",
        "港口交通和出口交易",
        "国内射击队在比赛中出现",
        "角色情节和感情色彩",
        "微信群交流，接口交互",
        "彩色图像、黑色图标",
        "属性关系和一次性行为",
        "汽车文化，今日逼近新高",
        "水乳交融",
        "C:\\Users\\xxx\\porna.txt",
    ],
)
def test_a_word_within_another_is_none(words: Filter, text: str) -> None:
    assert not words.judge(text).hides
    assert words.judge(text).score == 0


def test_no_list_has_a_word_of_one_character() -> None:
    assert min(len(term.text) for term in shipped()) >= 2
    with pytest.raises(ValueError, match="too short"):
        list(read(["[explicit certain]", "性"]))


def test_no_word_is_evidence_of_two_strengths() -> None:
    unmasker, strengths = Unmasker(), dict[tuple[str, Category], set[str]]()
    for term in shipped():
        if term.use is Use.EVIDENCE and term.category in SWITCHED and term.text == term.lemma:
            strengths.setdefault((unmasker.plain(term.text), term.category), set()).add(term.strength)
    assert {word for word, found in strengths.items() if len(found) > 1} == set()


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("alone", "together"),
    [("That is a sexy car.", "Sexy girls, naked."), ("她在床上看书。", "她脱光衣服躺在床上，百般挑逗。")],
)
def test_an_ambiguous_word_needs_a_second(words: Filter, alone: str, together: str) -> None:
    finding = words.judge(alone)
    assert 0 < finding.score < 1
    assert not finding.hides
    assert words.judge(together).hides


@pytest.mark.parametrize(
    ("bare", "news"),
    [
        ("pornography", "Police arrested a man over pornography; he was charged in court."),
        ("色情", "警方打击网络色情，抓获多名嫌疑人。"),
        ("裸聊", "法院判处组织裸聊的被告人有期徒刑。"),
    ],
)
def test_crime_news_is_news(words: Filter, bare: str, news: str) -> None:
    assert words.judge(bare).hides
    finding = words.judge(news)
    assert not finding.hides
    assert finding.score > 0
    assert len(finding.context) >= 2


def test_a_strong_word_counts_more_where_somebody_is_addressed(words: Filter) -> None:
    assert not words.judge("The statue is naked.").hides
    assert words.judge("Come and see my naked statue, I am naked too.").hides
    assert words.judge("I moved your table to the kitchen.").score == 0


def test_curses_and_crimes_alone_are_neither(words: Filter) -> None:
    for text in (
        "Fuck you, you stupid bitch, you dumb ass.",
        "The rapist raped again, the whore said; what a dick.",
        "强奸犯和嫖客都该死，这个贱人出轨了。",
    ):
        assert 0 < words.judge(text).score < 1, text


def test_a_scene_made_of_hints_alone_is_one(words: Filter) -> None:
    hints = (
        "Her lips, the lace at her thighs, the silk sheets: he whispered, teased, and she gasped with pleasure in bed."
    )
    assert words.judge(hints).hides
    assert not words.judge("He whispered that the bed was wet.").hides


def test_context_takes_off_no_more_than_so_much(words: Filter) -> None:
    story = "The doctor, the patient and the nurse of the clinic: "
    acts = "sex, orgasm, erotic, intercourse, panties, kinky, threesome, clitoris"
    assert words.judge(story + acts).hides
    assert not words.judge(story + "sex, intercourse").hides


def test_context_does_not_excuse_what_is_certain(words: Filter) -> None:
    assert words.judge("The judge and the police in court: porn video, free.").hides


def test_what_stands_far_apart_is_not_added_up(words: Filter) -> None:
    assert words.judge("sexy, naked").hides
    assert not words.judge("sexy " + "and so on " * 60 + "naked").hides


def test_a_word_that_two_entries_give_is_one_word() -> None:
    entries = read(["[explicit ambiguous]", "tickle~, tickled"])
    assert Filter(entries).judge("tickled").score == 0.6


def test_a_word_repeated_is_one_word(words: Filter) -> None:
    assert words.judge("sexy " * 20).score == words.judge("sexy").score


def test_minors_are_protected_whatever_is_set(words: Filter) -> None:
    text = "sexual, underage"
    assert words.judge(text, nsfw=False).hides
    assert words.judge(text, nsfw=False).category is Category.MINORS
    assert not words.judge("Police: a man was charged with sexual assault of a child.").hides
    assert not words.judge("porn", nsfw=False).hides


def test_optional_categories_count_where_they_are_wanted(words: Filter) -> None:
    assert not words.judge("宅舞合集").hides
    assert words.judge("宅舞合集", extra=(Category.DANCE,)).category is Category.DANCE
    assert not words.judge("what a shitty day").hides
    assert words.judge("what a shitty day", extra=(Category.PROFANITY,)).hides


# ── a room's own ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_room_s_words_are_found_in_disguise_too(words: Filter) -> None:
    room = words.room_words(["durian", "榴莲"], [])
    for text in ["a durian", "ＤＵＲＩＡＮ", "d u r i a n", "dur1an", "吃榴蓮吗", "榴 莲"]:
        assert words.judge(text, room=room).category is Category.OWN, text
        assert words.judge(text, nsfw=False, room=room).hides
    assert not words.judge("durians2go.example", room=room).hides


def test_an_exception_frees_what_is_doubtful_and_nothing_else(words: Filter) -> None:
    room = words.room_words([], ["sexy naked chef", "porn"])
    assert words.judge("sexy naked").hides
    assert not words.judge("The sexy naked chef is on at eight.", room=room).hides
    assert words.judge("porn", room=room).hides
    assert words.may_except("sexy naked chef")
    assert not words.may_except("p0rn evening")


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "piece",
    ["sexy naked porn ", "a ", "a1", "a*", "色 ", "色*", "e" * 50 + " ", "p.o.r.n.", "\u0336o", "police child sex "],
)
def test_the_time_for_a_hostile_text_grows_with_its_length(words: Filter, piece: str) -> None:
    def seconds(chars: int) -> float:
        text = piece * (chars // len(piece))
        began = time.thread_time()
        words.judge(text)
        return time.thread_time() - began

    seconds(2_000)
    long, short = (min(seconds(chars) for _ in range(3)) for chars in (80_000, 4_000))
    assert long < max(0.1, 100 * short)  # a quadratic cost: 400 times


def test_matches_come_with_their_place(words: Filter) -> None:
    unmasker = Unmasker()
    matcher = Matcher(unmasker, [Term("durian", "durian", Use.EVIDENCE)])
    plain = unmasker.plain("the: d u r i a n and a durian")
    assert [(match.start, match.hidden) for match in matcher.find(plain)] == [(5, True), (23, False)]
