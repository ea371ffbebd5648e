"""The benchmark of the order: its files in both layouts, its figures by hand, and that it is the product it asks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rank import files, made, main
from benchmarks.rank.command import area, measure, ndcg, tasks

SMALL = made.Shape(users=160, items=2_500, fields=8, subjects=80, subject_words=40, own_words=500, mean_library=60.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rank")
    made.make(0, SMALL).write(path)
    return path


def _read(folder: Path) -> files.Data:
    return files.read(folder / "users.dat", folder / "item-tag.dat", folder / "tags.dat")


def test_the_count_before_a_line_is_seen_and_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "users.dat"
    file.write_text("2 5 7\n0\n1 3\n")
    counted = files.read_lists(file)
    assert counted.counted
    assert [line.tolist() for line in counted.lines] == [[5, 7], [], [3]]
    file.write_text("5 7\n\n3\n")
    bare = files.read_lists(file)
    assert not bare.counted
    assert [line.tolist() for line in bare.lines] == [[5, 7], [], [3]]


def test_one_odd_line_does_not_turn_the_counts_into_items(tmp_path: Path) -> None:
    file = tmp_path / "users.dat"
    file.write_bytes(b"2 5 7\r\n" * 30 + b"9 5 7\n")
    read = files.read_lists(file)
    assert read.counted
    assert [line.tolist() for line in read.lines] == [[5, 7]] * 31


def test_bare_lists_stay_bare_though_some_begin_with_their_length(tmp_path: Path) -> None:
    file = tmp_path / "users.dat"
    file.write_text("1 7\n" + "6 7\n" * 3 + "2 8 9\n")
    read = files.read_lists(file)
    assert not read.counted
    assert [line.tolist() for line in read.lines] == [[1, 7], *[[6, 7]] * 3, [2, 8, 9]]


def test_what_is_no_such_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "users.dat"
    file.write_text("1 2\nhello\n")
    with pytest.raises(ValueError, match=r"users\.dat:2: not a list of numbers"):
        files.read_lists(file)


def test_figures_are_those_of_the_books() -> None:
    perfect = np.r_[np.full(20, 1.0), np.zeros(80)] + np.linspace(0, 1e-3, 100)
    assert ndcg(perfect) == pytest.approx(1.0)
    assert area(perfect) == pytest.approx(1.0)
    assert ndcg(-perfect) == pytest.approx(0.0)
    assert area(-perfect) == pytest.approx(0.0)
    nobody_knows = np.zeros(100)
    assert ndcg(nobody_knows) == pytest.approx(0.2)
    assert area(nobody_knows) == pytest.approx(0.5)


def test_a_task_shows_nothing_of_what_is_wanted(folder: Path) -> None:
    for task in tasks(_read(folder), 5, 0, 20):
        assert not set(task.likes) & set(task.wanted)
        assert not set(task.others) & (set(task.likes) | set(task.wanted))
        assert not set(task.unrated) & set(task.likes)


def test_likes_find_more_than_popularity_and_more_likes_more(folder: Path) -> None:
    found = measure(_read(folder), 0, 40)
    ours = found["ndcg@10"]
    assert list(ours) == ["1", "3", "5", "10", "20"]
    assert ours["20"] > ours["5"] > ours["1"] > 0.1
    assert ours["20"] > found["popularity"]["ndcg@10"]["20"]
    assert ours["20"] > found["knn"]["ndcg@10"]["20"]
    assert found["auc"]["20"] > 0.7


def test_the_last_line_is_the_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = {"--users": "users.dat", "--item-tags": "item-tag.dat", "--tags": "tags.dat"}
    arguments = [part for option, name in named.items() for part in (option, str(folder / name))]
    assert main([*arguments, "--users-per-count", "3"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(printed) == {"ndcg@10", "auc", "ms_per_profile", "popularity", "knn", "centroid"}
    assert set(printed["centroid"]) == {"ndcg@10", "auc"}
