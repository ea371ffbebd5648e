"""Texts that say the same are told by their fingerprints."""

from __future__ import annotations

import numpy as np

from search.near_duplicates import MIN_TOKENS, fingerprint, fingerprints_of, near, near_any, token_hashes

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


def test_a_bit_is_that_of_most_of_the_tokens() -> None:
    random = np.random.default_rng(2)
    texts = [random.integers(0, 2**64, MIN_TOKENS + length, dtype=np.uint64) for length in (0, 1, 40, 999)]
    by_hand = [
        sum(1 << bit for bit in range(64) if 2 * sum(number >> bit & 1 for number in text.tolist()) > len(text))
        for text in texts
    ]
    assert fingerprints_of(texts).tolist() == by_hand


def test_many_are_compared_as_two_are() -> None:
    one, other = token_hashes(["maodou", "other"]).tolist()
    others = [one, one ^ 0b111, one ^ 0b1111, other]
    assert near_any(np.uint64(one), np.array(others, np.uint64)).tolist() == [near(one, other) for other in others]
    assert near(one, others[1])
    assert not near(one, others[2])
