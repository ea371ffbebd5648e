"""The vector index: cosines, ids of ours, removal, filters, and a cache without pickle."""

from __future__ import annotations

import numpy as np
import pytest

from search.vectors import VectorIndex, unit


@pytest.fixture
def vectors() -> np.ndarray:
    return unit(np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32))


@pytest.fixture
def index(vectors: np.ndarray) -> VectorIndex:
    made = VectorIndex(16)
    made.add(range(100, 150), vectors)
    return made


def test_a_vector_finds_itself_with_a_cosine_of_one(index: VectorIndex, vectors: np.ndarray) -> None:
    ids, cosines = index.search(vectors[7] * 3, 3)
    assert ids[0] == 107
    assert cosines[0] == pytest.approx(1.0, abs=1e-3)
    assert list(cosines) == sorted(cosines, reverse=True)


def test_neighbours_are_those_of_exact_search(index: VectorIndex, vectors: np.ndarray) -> None:
    query = vectors[3] + 0.1
    exact = np.argsort(-(vectors @ (query / np.linalg.norm(query))))[:10] + 100
    assert list(index.search(query, 10)[0]) == list(exact)


def test_what_is_removed_is_not_found_and_its_id_is_not_given_to_another(
    index: VectorIndex, vectors: np.ndarray
) -> None:
    assert index.remove([107, 999]) == 1
    index.add([200], vectors[8:9])
    assert 107 not in index.search(vectors[7], 50)[0]
    assert set(index.search(vectors[8], 2)[0]) == {108, 200}


def test_only_what_is_allowed_is_found(index: VectorIndex, vectors: np.ndarray) -> None:
    assert set(index.search(vectors[0], 10, allowed=[120, 130])[0]) == {120, 130}
    assert len(index.search(vectors[0], 10, allowed=[])[0]) == 0


def test_it_comes_back_from_bytes(index: VectorIndex, vectors: np.ndarray) -> None:
    again = VectorIndex.from_bytes(index.to_bytes())
    assert list(again.search(vectors[5], 5)[0]) == list(index.search(vectors[5], 5)[0])
    again.remove(again.ids())
    assert len(again) == 0
    assert len(index) == 50


def test_a_vector_of_another_shape_is_refused(index: VectorIndex) -> None:
    with pytest.raises(ValueError, match="shape"):
        index.search(np.zeros(8, np.float32), 1)
    with pytest.raises(ValueError, match="shape"):
        index.add([1], np.zeros((1, 8), np.float32))
