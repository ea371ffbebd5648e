"""The count of the chaos benchmark sees what it claims to see, from the platform's log alone."""

from __future__ import annotations

from benchmarks.chaos.count import Entry, count
from benchmarks.chaos.script import MAX_CHARS, Style, paragraphs, style_of
from bot.splitting import split

SHORT, LONG = 5, 6
assert style_of(SHORT) is Style.SHORT
assert style_of(LONG) is Style.LONG


def asked(*numbers: int, room: str = "r") -> list[Entry]:
    return [Entry(0, "said", room, f"m{number}", f"q{number} ?", addressed=True) for number in numbers]


def answered(number: int, *, life: int = 1, room: str = "r", prefix: str = "b") -> list[Entry]:
    parts = split("".join(paragraphs(number, life)), MAX_CHARS)
    return [
        Entry(0, "shown", room, f"{prefix}{number}.{part}", text, reply_to=f"m{number}")
        for part, text in enumerate(parts)
    ]


def test_a_clean_log_counts_nothing() -> None:
    counted = count([*asked(SHORT, LONG), *answered(SHORT), *answered(LONG)])
    assert (counted.messages, counted.answers_expected) == (2, 2)
    assert counted.lost == counted.duplicated == counted.out_of_order == ()
    assert len(answered(LONG)) >= 3, "it does split"


def test_a_question_without_an_answer_is_lost() -> None:
    assert count([*asked(SHORT, LONG), *answered(LONG)]).lost == (SHORT,)


def test_chatter_expects_no_answer_and_an_answer_to_it_is_one_too_many() -> None:
    chatter = Entry(0, "said", "r", "m9", "哈哈 c9")
    assert count([chatter]).answers_expected == 0
    assert count([chatter, Entry(0, "shown", "r", "b9", "Hello!", reply_to="m9")]).duplicated == (0,)


def test_an_apology_is_no_answer() -> None:
    apology = Entry(0, "shown", "r", "b1", "Something went wrong.", reply_to=f"m{SHORT}")
    counted = count([*asked(SHORT), apology])
    assert counted.lost == (SHORT,)


def test_a_missing_part_is_a_loss() -> None:
    parts = answered(LONG)
    for missing in parts:
        assert count([*asked(LONG), *(part for part in parts if part is not missing)]).lost == (LONG,)


def test_parts_of_two_attempts_are_a_loss() -> None:
    first, second = answered(LONG, life=1), answered(LONG, life=2)
    assert count([*asked(LONG), first[0], *second[1:]]).lost == (LONG,)


def test_an_uncertain_delivery_is_not_counted_lost() -> None:
    assert count(asked(SHORT), uncertain={f"m{SHORT}"}).lost == ()


def test_a_part_shown_twice_is_a_duplicate() -> None:
    parts = answered(LONG)
    again = answered(LONG, prefix="again")
    assert count([*asked(LONG), *parts, again[1]]).duplicated == (LONG,)
    assert count([*asked(LONG), *parts, *again]).duplicated == (LONG,) * len(parts)


def test_a_stream_left_behind_is_a_duplicate() -> None:
    whole = paragraphs(SHORT, 1)[0]
    begun = Entry(0, "shown", "r", "b1", "…", reply_to=f"m{SHORT}")
    assert count([*asked(SHORT), begun, *answered(SHORT)]).duplicated == (SHORT,)
    completed = Entry(0, "edited", "r", "b1", whole)
    assert count([*asked(SHORT), begun, completed]) == count([*asked(SHORT), *answered(SHORT)])
    assert count([*asked(SHORT), begun, Entry(0, "recalled", "r", "b1"), *answered(SHORT)]).duplicated == ()


def test_an_answer_that_overtakes_is_out_of_order_in_its_room_only() -> None:
    swapped = [*answered(LONG), *answered(SHORT)]
    assert count([*asked(SHORT, LONG), *swapped]).out_of_order == (SHORT,)
    two_rooms = [*asked(SHORT), *asked(LONG, room="other"), *answered(LONG, room="other"), *answered(SHORT)]
    assert count(two_rooms).out_of_order == ()


def test_parts_the_wrong_way_round_are_out_of_order() -> None:
    first, second, *rest = answered(LONG)
    assert count([*asked(LONG), second, first, *rest]).out_of_order == (LONG,)
