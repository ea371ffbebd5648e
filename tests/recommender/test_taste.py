"""Taste by itself: what its scores mean, what few and many likes do, and what entries are about beside their words."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.features import Item, cosines, vectors_of
from recommender.meanings import LEAST_ENTRIES, Meanings
from recommender.taste import SVM_FROM_LIKES, Rated, Taste


def a_library(subjects: int = 6, each: int = 60, words: int = 12) -> tuple[list[Item], np.ndarray]:
    """Entries of a few subjects with some words each, of which an entry has five; and their subjects."""
    random = np.random.default_rng(0)
    subject_of = np.repeat(np.arange(subjects), each)
    items = [
        Item(" ".join(f"w{subject}x{word}y" for word in random.choice(words, 5, replace=False)) + f" z{number % 17}q")
        for number, subject in enumerate(subject_of)
    ]
    return items, subject_of


@pytest.mark.parametrize("count", [1, SVM_FROM_LIKES - 1, SVM_FROM_LIKES, 10])
def test_an_ordinary_entry_scores_zero_and_what_is_like_the_likes_far_above(count: int) -> None:
    items, _ = a_library()
    vectors = vectors_of(items)
    likes = Rated(vectors[:count], np.ones(count))
    scores = Taste.of(likes, Rated(vectors[:0], np.ones(0)), vectors[60:]).scores(vectors)
    assert abs(scores[60:].mean()) < 0.1
    assert scores[20:60].mean() > 2


def test_nothing_rated_is_no_taste() -> None:
    vectors = vectors_of([Item("a"), Item("b")])
    none = Rated(vectors[:0], np.ones(0))
    assert Taste.of(none, none, vectors).scores(vectors).tolist() == [0, 0]


def test_half_a_like_is_a_like_of_half_the_weight() -> None:
    vectors = vectors_of([Item("bread dough"), Item("planet star")])
    whole, half = (Rated(vectors[:1], np.array([weight])).mean() for weight in (1.0, 0.5))
    np.testing.assert_allclose(half, whole / 2)


def test_entries_that_share_no_word_can_be_about_the_same() -> None:
    items, subject_of = a_library(subjects=10, each=40, words=40)
    vectors = vectors_of(items)
    meanings = Meanings.of(vectors)
    assert meanings is not None
    projected = meanings.vectors(vectors)
    about, words = projected @ projected.T, cosines(vectors, vectors)
    same = subject_of[:, None] == subject_of[None, :]
    apart = words == 0
    assert about[apart & same].mean() > 0.05 > 0.02 > abs(about[apart & ~same].mean())


def test_too_few_entries_have_no_meanings() -> None:
    items, _ = a_library()
    vectors = vectors_of(items[: LEAST_ENTRIES - 1])
    assert Meanings.of(vectors) is None


@pytest.mark.parametrize(
    ("tags", "title"),
    [(("machine-learning",), "Learning to cook"), (("机器学习",), "机器学习入门"), (("machine_learning",), "machine")],
)
def test_a_tag_is_near_a_title_that_says_one_of_its_words(tags: tuple[str, ...], title: str) -> None:
    vectors = vectors_of([Item(tags=tags), Item(title), Item("something else entirely")])
    near, far = cosines(vectors[:1], vectors[1:])[0]
    assert near > 0.1
    assert far == 0


def test_an_empty_entry_is_like_nothing() -> None:
    vectors = vectors_of([Item(), Item("bread")])
    assert cosines(vectors, vectors)[0].tolist() == [0, 0]
