"""The benchmark ``retrieval``: the same corpus for every arm, the keys of its contract, and arms that really answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.retrieval.arms import arm_named, questions_of
from benchmarks.retrieval.command import ARMS, KEYS
from benchmarks.retrieval.corpus import CHUNK_CHARS, Corpus, made
from tests.blocking import ROOT

CHUNKS = 300


def test_a_seed_makes_the_same_corpus_everywhere() -> None:
    one, other = made(CHUNKS, 16, 5, seed=3), made(CHUNKS, 16, 5, seed=3)
    assert (one.texts, one.asked, one.meant) == (other.texts, other.asked, other.meant)
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert made(CHUNKS, 16, 5, seed=4).texts != one.texts


def test_the_corpus_is_as_it_is_described() -> None:
    corpus = made(CHUNKS, 64, 20)
    assert len(corpus.texts) == len(corpus.vectors) == CHUNKS
    np.testing.assert_allclose(np.linalg.norm(corpus.vectors, axis=1), 1, rtol=1e-5)
    assert np.mean([len(text) for text in corpus.texts]) == pytest.approx(CHUNK_CHARS, rel=0.2)
    assert 0.3 < np.mean(["一" <= text[0] <= "鿿" for text in corpus.texts]) < 0.7
    nearest = np.argmax(corpus.asked_vectors @ corpus.vectors.T, axis=1)
    assert nearest.tolist() == corpus.meant


def test_it_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    corpus = made(CHUNKS, 16, 5)
    corpus.save(tmp_path)
    loaded = Corpus.load(tmp_path)
    assert (loaded.texts, loaded.asked, loaded.meant) == (corpus.texts, corpus.asked, corpus.meant)
    np.testing.assert_array_equal(loaded.vectors, corpus.vectors)
    serving = questions_of(tmp_path)
    assert serving.texts == [corpus.texts[number] for number in corpus.meant]


@pytest.mark.parametrize("name", ["raw", "ours"])
def test_an_arm_finds_by_the_words_and_by_the_vector(name: str, tmp_path: Path) -> None:
    corpus = made(CHUNKS, 16, 5)
    arm = arm_named(name)
    folder = tmp_path / name
    folder.mkdir()
    arm.build(corpus, folder)
    wanted = corpus.texts[corpus.meant[0]]
    ask = arm.opened(folder, corpus)
    found = ask(corpus.asked[0], corpus.asked_vectors[0])
    assert len(found) == len(set(found)) == 10
    assert found[0] == wanted


def test_it_prints_the_keys_of_its_contract() -> None:
    command = [sys.executable, "-m", "benchmarks", "retrieval", "--chunks", str(CHUNKS), "--dim", "16"]
    command += ["--questions", "10", "--turns", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110)
    result = json.loads(run.stdout.splitlines()[-1])
    assert tuple(result) == ARMS
    for arm in ARMS:
        assert tuple(result[arm]) == KEYS
        assert all(figure > 0 for figure in result[arm].values())
    told = dict(
        line.split(": ", 1) for line in run.stderr.splitlines() if line.startswith(tuple(f"{a}: {{" for a in ARMS))
    )
    assert {name: json.loads(text)["found"] for name, text in told.items()} == dict.fromkeys(ARMS, 1.0)
