"""A vocabulary that stays as it lies in its file answers as the dictionary that it was made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.vocabulary import StoredVocabulary

TOKENS = st.lists(st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=8), unique=True, max_size=40)


@given(TOKENS, st.text(max_size=8))
def test_it_answers_as_the_dictionary_did(tokens: list[str], other: str) -> None:
    made_of = dict(zip(tokens, range(len(tokens)), strict=True))
    stored = StoredVocabulary.of(made_of)
    assert dict(stored) == made_of
    assert dict(stored.items()) == made_of
    assert list(stored) == tokens
    assert len(stored) == len(tokens)
    for token in [*tokens, other]:
        assert stored.get(token) == made_of.get(token)
        assert (token in stored) == (token in made_of)
    assert stored.get(other, -7) == made_of.get(other, -7)
    assert stored.get(other) is None or other in tokens


def test_a_token_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        StoredVocabulary.of({"bean": 0})["pea"]


def test_two_tokens_of_one_hash_are_told_apart() -> None:
    """The text has the last word: as if 64 bits had met."""
    stored = StoredVocabulary.of({"bean": 0, "pea": 1})
    both = StoredVocabulary(stored.text, stored.ends, np.repeat(stored.hashes[:1], 2), np.array([1, 0], np.int32))
    name = "bean" if stored.numbers[0] == 0 else "pea"
    assert both[name] == stored[name]


def test_a_line_feed_in_a_token_is_an_error_and_no_other_word() -> None:
    with pytest.raises(ValueError, match="line feed"):
        StoredVocabulary.of({"a\nb": 0})
