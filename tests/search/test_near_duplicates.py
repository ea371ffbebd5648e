"""Texts that say the same are told by their fingerprints."""

from __future__ import annotations

from search.near_duplicates import fingerprint, near

TEXT = [f"word{number % 37}" for number in range(40)]


def test_a_copy_with_one_word_changed_is_near() -> None:
    changed = [*TEXT * 3]
    changed[40] = "computer"
    assert near(fingerprint(TEXT * 3), fingerprint(changed))


def test_another_text_is_not() -> None:
    assert not near(fingerprint(TEXT), fingerprint([f"other {word}" for word in TEXT]))


def test_short_texts_are_only_near_when_they_are_equal() -> None:
    assert near(fingerprint(["see", "above"]), fingerprint(["see", "above"]))
    assert not near(fingerprint(["see", "above"]), fingerprint(["see", "below"]))


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    assert fingerprint(["maodou"]) == 2_806_378_242_810_944_558
