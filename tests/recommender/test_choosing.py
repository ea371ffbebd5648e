"""Which entries are chosen, and why: no database, no clock but the one that is given."""

from __future__ import annotations

import pytest

from recommender.choosing import MAX_A_SOURCE, Candidate, Order, Pick, Wanted, Why
from recommender.features import Item
from recommender.opinions import WEIGHTS, Kind, Opinion
from search.near_duplicates import fingerprint
from search.tokenise import tokens
from tests.recommender.shelves import CHINESE, HOUR_S, SUBJECTS

NOW = 1_800_000_000.0
ALL = {**SUBJECTS, **CHINESE}


def candidates(*subjects: str, hours_ago: float = 1.0, a_source_each: bool = True) -> list[Candidate]:
    found: list[Candidate] = []
    for subject in subjects:
        for number, (title, text) in enumerate(ALL[subject]):
            source = f"{subject} {number}" if a_source_each else subject
            item = Item(title, text)
            found.append(
                Candidate(
                    len(found) + 1, f"https://x.example/{len(found)}", item, source, source, NOW - hours_ago * HOUR_S
                )
            )
    return found


def opinion(title: str, text: str = "", kind: Kind = Kind.LIKE, *, days_ago: float = 0.0) -> Opinion:
    return Opinion(f"test:{title}", Item(title, text), kind, WEIGHTS[kind], NOW - days_ago * 86_400)


def chosen(found: list[Candidate], *opinions: Opinion, count: int = 4, **wanted: object) -> list[Pick]:
    return Order.of(found, opinions, (), Wanted(count, NOW, **{"explore": False, **wanted})).picks()  # type: ignore[arg-type]


def subjects_of(picks: list[Pick]) -> list[str]:
    return [pick.candidate.source.partition(" ")[0] for pick in picks]


@pytest.mark.parametrize(
    ("liked", "subject"),
    [
        (opinion("Telescope maps a galaxy", "Astronomers see a planet."), "telescopes"),
        (opinion("How bakers fold dough", "Bread and flour."), "bread"),
        (opinion("天文学家的新望远镜", "它要找行星。"), "天文"),
        (opinion("面包师教你揉面团", "面粉和水。"), "烘焙"),
    ],
)
def test_one_like_brings_similar_ones_up(liked: Opinion, subject: str) -> None:
    picks = chosen(candidates(*ALL), liked)
    assert subjects_of(picks) == [subject] * 4
    assert {(pick.why, pick.because) for pick in picks} == {(Why.LIKED, liked.item.title)}


def test_many_likes_of_two_subjects_bring_both() -> None:
    likes = [opinion(*text) for subject in ("bread", "天文") for text in ALL[subject][:3]]
    left = [each for each in candidates(*ALL) if each.item.title not in {like.item.title for like in likes}]
    assert set(subjects_of(chosen(left, *likes))) == {"bread", "天文"}


def test_without_any_like_the_newest_come_first_and_say_so() -> None:
    older, newer = candidates("bread", hours_ago=40), candidates("football", hours_ago=1)
    picks = chosen([*older, *newer])
    assert subjects_of(picks) == ["football"] * 4
    assert {pick.why for pick in picks} == {Why.NEW}


def test_less_like_this_sends_its_kind_to_the_end() -> None:
    found = candidates("bread", "football")
    tomorrow = chosen(found, opinion("Bread in a pot", "Dough and flour, says the baker.", Kind.LESS), count=6)
    assert subjects_of(tomorrow) == ["football"] * 6


def test_a_dislike_takes_its_kind_down_below_another_like() -> None:
    found = candidates("telescopes", "bread")
    likes = (opinion("Planets and galaxies", "Telescope."), opinion("Bread dough", "Flour and bakers."))
    before = subjects_of(chosen(found, *likes))
    after = subjects_of(chosen(found, *likes, opinion("Bread flour dough", "Bakers and bread.", Kind.DISLIKE)))
    assert after.count("bread") < before.count("bread")


def test_no_more_than_two_of_a_source() -> None:
    picks = chosen(candidates("bread", "football", a_source_each=False), count=6)
    counts = [subjects_of(picks).count(subject) for subject in ("bread", "football")]
    assert counts == [MAX_A_SOURCE, MAX_A_SOURCE]


def test_an_old_like_tells_less_than_a_new_one() -> None:
    found = candidates("telescopes", "bread")
    old = opinion("Bread dough", "Flour and bakers.", days_ago=720)
    new = opinion("Planets and galaxies", "Telescope and astronomers.")
    assert subjects_of(chosen(found, new, old)) == ["telescopes"] * 4


def test_of_two_alike_the_fresher_comes_first() -> None:
    old, new = candidates("bread", hours_ago=90)[:1], candidates("bread", hours_ago=2)[1:2]
    picks = chosen([*old, *new], opinion("Bread", "Dough and flour."), count=2)
    assert [pick.candidate for pick in picks] == [*new, *old]


def test_the_same_story_of_two_papers_is_one_pick_that_names_both() -> None:
    text = " ".join(f"{title}. {text}" for title, text in SUBJECTS["football"])
    stories = [
        Candidate(
            number,
            f"https://{paper}/x",
            Item("The cup", f"{text}{end}"),
            paper,
            paper,
            NOW,
            fingerprint(tokens(text + end)),
        )
        for number, (paper, end) in enumerate((("Morning", ""), ("Evening", " More follows.")), start=1)
    ]
    (pick,) = chosen(stories)
    assert pick.also == ("Evening",)
    assert pick.folded == ("entry:2",)


def test_one_place_is_for_something_else_with_its_chance() -> None:
    found = candidates("telescopes", "bread", "football")
    likes = [opinion(*text) for text in CHINESE["天文"][:1]] + [opinion("Telescope", "Planets, galaxies, astronomers.")]
    *picks, other = chosen(found, *likes, explore=True, seed="monday")
    assert subjects_of(picks) == ["telescopes"] * 3
    assert other.why is Why.OTHER
    assert other.chance is not None
    assert 0 < other.chance < 1
    assert other.candidate not in [pick.candidate for pick in picks]


def test_something_else_is_the_same_for_a_slot_and_changes_with_it() -> None:
    found = candidates("telescopes", "bread", "football")
    drawn = {seed: chosen(found, explore=True, seed=seed)[-1].candidate.id for seed in map(str, range(12))}
    assert drawn == {seed: chosen(found, explore=True, seed=seed)[-1].candidate.id for seed in drawn}
    assert len(set(drawn.values())) > 3


def test_something_else_is_never_what_members_said_no_to() -> None:
    found = candidates("telescopes", "bread")
    no = [opinion(*text, Kind.LESS) for text in SUBJECTS["bread"]]
    likes = [opinion("Telescope", "Planets and galaxies.")]
    for seed in map(str, range(20)):
        picks = chosen(found, *likes, *no, explore=True, seed=seed)
        assert "bread" not in subjects_of(picks)


def test_a_topic_brings_only_what_is_about_it() -> None:
    picks = chosen(candidates(*ALL), topic=Item("sourdough bread"), count=8)
    assert set(subjects_of(picks)) == {"bread"}
    assert {pick.why for pick in picks} == {Why.TOPIC}
    assert chosen(candidates(*ALL), topic=Item("量子计算机")) == []


def test_an_entry_that_is_stuffed_with_a_word_does_not_come_before_one_that_is_about_it() -> None:
    honest = candidates("telescopes")[0]
    title, text = SUBJECTS["bread"][0]
    stuffed = Candidate(
        99, "https://x.example/spam", Item(title, f"{text} " + "telescope " * 2_000), "spam", "spam", NOW
    )
    picks = chosen([stuffed, honest], opinion("Telescope sees a planet", "Water on an exoplanet, astronomers say."))
    assert picks[0].candidate == honest


def test_nothing_to_choose_from_is_nothing() -> None:
    assert chosen([]) == []
    assert chosen(candidates("bread"), count=0) == []
