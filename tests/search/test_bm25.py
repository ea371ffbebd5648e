"""The word index: the right chunk first, the formula of the books, and nothing from where it is not allowed."""

from __future__ import annotations

import math

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.bm25 import Postings, WordIndex, shared_weights, top


def index_of(*texts: str, weights: list[list[float]] | None = None) -> WordIndex:
    vocabulary: dict[str, int] = {}
    ids = [[vocabulary.setdefault(word, len(vocabulary)) for word in text.split()] for text in texts]
    postings = Postings.of(
        np.array([number for chunk in ids for number in chunk], np.int32),
        np.repeat(np.arange(len(ids), dtype=np.int32), [len(chunk) for chunk in ids]),
        np.array(
            [weight for chunk in weights for weight in chunk] if weights else [1.0] * sum(map(len, ids)), np.float32
        ),
        len(ids),
        len(vocabulary),
    )
    return WordIndex(postings, vocabulary)


def test_the_chunk_with_the_rare_word_comes_first() -> None:
    index = index_of("install with pip", "install with conda", "install from source source")
    numbers, scores = index.best(["install", "source"], 3)
    assert numbers[0] == 2
    assert list(scores) == sorted(scores, reverse=True)


def test_scores_are_those_of_bm25s() -> None:
    texts = ["a b c a", "b c d", "d d d e f", "a f"]
    theirs = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    theirs.index([text.split() for text in texts], show_progress=False)
    for query in (["a"], ["d", "f"], ["a", "b", "e"]):
        np.testing.assert_allclose(index_of(*texts).scores(query), theirs.get_scores(query), rtol=1e-3)


def test_a_weighted_word_counts_more() -> None:
    plain = index_of("title text", "text title").scores(["title"])
    weighted = index_of("title text", "text title", weights=[[3.0, 1.0], [1.0, 1.0]]).scores(["title"])
    assert plain[0] == pytest.approx(plain[1])
    assert weighted[0] > weighted[1]


def test_words_that_nobody_wrote_score_nothing() -> None:
    index = index_of("a b", "c")
    numbers, scores = index.best(["zebra"], 5)
    assert len(numbers) == len(scores) == 0


def test_only_allowed_chunks_are_found() -> None:
    index = index_of("a b", "a c", "a d")
    numbers, _ = index.best(["a"], 5, np.array([False, True, False]))
    assert list(numbers) == [1]


def test_statistics_are_those_of_the_texts() -> None:
    index = index_of("a b a", "a c", "c")
    assert (index.document_frequency("a"), index.document_frequency("c"), index.document_frequency("x")) == (2, 2, 0)
    assert index.chunks == 3
    assert index.scores(["b"])[0] == pytest.approx(
        math.log(1 + 2.5 / 1.5) / (1 + 1.2 * (0.25 + 0.75 * 3 / 2)), rel=1e-3
    )


def test_two_indexes_score_as_one_when_they_share_their_weights() -> None:
    texts = ["a b c d", "a c c d", "b d d a", "e a d c"]
    whole, parts = index_of(*texts), (index_of(*texts[:3]), index_of(*texts[3:]))
    query = ["a", "e", "c", "unknown"]
    joined = [index.scores(weights) for index, weights in zip(parts, shared_weights(parts, query), strict=True)]
    np.testing.assert_allclose(np.concatenate(joined), whole.scores(query), rtol=1e-3)


def test_an_empty_index_answers_with_nothing() -> None:
    numbers, _ = index_of().best(["a"], 5)
    assert len(numbers) == 0


@given(st.lists(st.one_of(st.floats(0, 100, width=32), st.sampled_from([0.0, 1.0, 2.0]))), st.integers(1, 20))
def test_top_is_the_head_of_a_full_sort_with_ties_in_order_of_position(values: list[float], limit: int) -> None:
    scores = np.array(values, np.float32)
    numbers, best = top(scores, limit)
    by_hand = sorted((number for number, value in enumerate(scores.tolist()) if value > 0), key=lambda n: -scores[n])
    assert numbers.tolist() == by_hand[:limit]
    assert best.tolist() == scores[by_hand[:limit]].tolist()
