"""Channels with scores of their own kind are joined by rank."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.fusion import fuse


def test_what_both_channels_like_comes_first() -> None:
    fused = fuse({"lexical": ["a", "b", "c"], "vector": ["d", "b", "e"]})
    assert fused[0][0] == "b"
    assert {candidate for candidate, _ in fused} == set("abcde")


def test_at_the_head_of_every_channel_is_one() -> None:
    assert fuse({"lexical": ["a"], "vector": ["a"]}) == [("a", 1.0)]


def test_a_channel_that_found_nothing_takes_nothing_away() -> None:
    assert fuse({"lexical": ["a", "b"], "vector": []}) == fuse({"lexical": ["a", "b"]})


def test_a_weight_of_nothing_only_breaks_ties() -> None:
    fused = fuse({"lexical": ["a", "b"], "vector": ["b", "c"]}, {"lexical": 1.0, "vector": 0.0})
    assert [candidate for candidate, _ in fused] == ["a", "b", "c"]


@given(
    st.lists(st.integers(0, 30), unique=True),
    st.lists(st.integers(0, 30), unique=True),
    st.integers(0, 10),
)
def test_asking_for_fewer_does_not_change_their_order(one: list[int], other: list[int], limit: int) -> None:
    fused = fuse({"one": one, "other": other})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    assert len(fused) == len({*one, *other})
    assert all(0 < score <= 1 + 1e-9 for _, score in fused)
