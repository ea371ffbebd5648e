"""The index is a cache of SQL: fresh within a poll, saved for the next start, and never the truth."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.store import Store
from rag import index, index_file
from rag.indexes import Indexes
from rag.library import Library
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings
from search.vocabulary import StoredVocabulary

PROJECT = Path(__file__).resolve().parents[2]

ADD = """
import sys
from pathlib import Path
from bot.store import Store, StoreSettings
from rag.library import Library
from rag.settings import KnowledgeSettings
store = Store.open(StoreSettings(sys.argv[1]))
Library(store, KnowledgeSettings()).add(Path(sys.argv[2]), "pods")
store.close()
"""


def add_in_another_process(store: Store, folder: Path) -> None:
    url = store.settings.url
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", ADD, url, str(folder)], check=True, env=environment, timeout=60)


def until(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def found(retriever: Retriever, question: str) -> list[str]:
    return [hit.passage.source for hit in retriever.search(question, ["pods"], 5)]


def test_a_running_process_sees_what_another_one_adds(
    indexes: Indexes, retriever: Retriever, store: Store, folder: Path
) -> None:
    indexes.open()
    indexes.start()
    assert found(retriever, "mmdet video") == []
    add_in_another_process(store, folder)
    assert until(lambda: found(retriever, "mmdet video") == ["notes.txt"], within_s=5)
    (folder / "notes.txt").unlink()
    add_in_another_process(store, folder)
    assert until(lambda: found(retriever, "mmdet video") == [], within_s=5)


def test_without_the_poll_it_would_not(indexes: Indexes, retriever: Retriever, library: Library, folder: Path) -> None:
    indexes.open()
    library.add(folder, "pods")
    assert not until(lambda: found(retriever, "mmdet video") != [], within_s=0.3)


def test_queries_are_answered_from_the_old_index_while_the_new_one_is_made(
    indexes: Indexes, retriever: Retriever, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(folder, "pods")
    indexes.open()
    refreshing, go_on = threading.Event(), threading.Event()
    refreshed = index.refreshed

    def slow(*arguments: object) -> object:
        refreshing.set()
        assert go_on.wait(10)
        return refreshed(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "refreshed", slow)
    (folder / "new.md").write_text("# Axolotl\n\nIt swims.")
    library.add(folder, "pods")
    indexes.start()
    assert refreshing.wait(5)
    assert found(retriever, "mmdet video") == ["notes.txt"]
    assert found(retriever, "axolotl") == []
    go_on.set()
    assert until(lambda: found(retriever, "axolotl") == ["new.md"], within_s=5)


def test_a_base_that_is_removed_is_gone_from_a_running_process(
    indexes: Indexes, retriever: Retriever, library: Library, folder: Path
) -> None:
    library.add(folder, "pods")
    indexes.open()
    indexes.start()
    library.remove("pods")
    assert until(lambda: "pods" not in indexes.current, within_s=5)
    assert found(retriever, "mmdet video") == []


def test_a_database_that_is_away_for_a_moment_does_not_end_the_poll(
    indexes: Indexes, retriever: Retriever, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexes.open()
    with monkeypatch.context() as patch:
        failed = threading.Event()

        def away(*arguments: object) -> None:
            failed.set()
            raise OSError("the database is away")

        patch.setattr(index, "base_rows", away)
        indexes.start()
        assert failed.wait(5)
    library.add(folder, "pods")
    assert until(lambda: found(retriever, "mmdet video") == ["notes.txt"], within_s=5)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def saved(indexes: Indexes, library: Library, folder: Path, tmp_path: Path) -> Path:
    library.add(folder, "pods")
    indexes.open()
    (path,) = (tmp_path / "index").iterdir()
    return path


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each refresh read from SQL."""
    counts: list[int] = []
    read = index._read_chunks

    def counting(connection: object, document_ids: list[int]) -> object:
        counts.append(len(document_ids))
        return read(connection, document_ids)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "_read_chunks", counting)
    return counts


def reopened(store: Store, settings: KnowledgeSettings, folder: Path) -> Retriever:
    again = Indexes(store, settings, folder)
    again.open()
    return Retriever(store, again, settings)


def test_the_next_start_reads_no_document_again(
    saved: Path, store: Store, settings: KnowledgeSettings, read_again: list[int]
) -> None:
    assert found(reopened(store, settings, saved.parent), "mmdet video") == ["notes.txt"]
    assert sum(read_again) == 0


def test_the_next_start_reads_only_what_changed(
    saved: Path, store: Store, library: Library, folder: Path, settings: KnowledgeSettings, read_again: list[int]
) -> None:
    (folder / "notes.txt").write_text("Moved to quokka.py.")
    library.add(folder, "pods")
    assert found(reopened(store, settings, saved.parent), "quokka") == ["notes.txt"]
    assert read_again == [1]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"\x80\x04pickle", b"maodou index\n" + b"\xff" * 40])
def test_a_damaged_file_is_made_again(
    saved: Path, store: Store, settings: KnowledgeSettings, damage: bytes, read_again: list[int]
) -> None:
    saved.write_bytes(damage)
    assert found(reopened(store, settings, saved.parent), "mmdet video") == ["notes.txt"]
    assert sum(read_again) == 5


def test_an_index_that_was_loaded_outlives_its_file(
    saved: Path, store: Store, library: Library, folder: Path, settings: KnowledgeSettings
) -> None:
    retriever = reopened(store, settings, saved.parent)
    (folder / "new.md").write_text("# Axolotl\n\nIt swims.")
    library.add(folder, "pods")
    assert found(reopened(store, settings, saved.parent), "axolotl") == ["new.md"], "another process writes a new one"
    saved.unlink()
    assert found(retriever, "mmdet video") == ["notes.txt"]


def test_a_removed_base_leaves_no_file_and_a_crash_none_that_is_half_written(
    saved: Path, store: Store, settings: KnowledgeSettings, library: Library
) -> None:
    (left,), folder = list(saved.parent.glob("*.index")), saved.parent
    dead, alive = folder / f"{left.name}abc.new", folder / f"{left.name}def.new"
    for path in (dead, alive):
        path.write_bytes(b"half")
    os.utime(dead, (0, 0))
    indexes = Indexes(store, settings, folder)
    indexes.open()
    assert (left.exists(), dead.exists(), alive.exists()) == (True, False, True)
    library.remove("pods")
    assert indexes.refresh()
    assert not left.exists()
    indexes.close()


def test_a_torn_file_is_made_again(saved: Path, store: Store, settings: KnowledgeSettings) -> None:
    saved.write_bytes(saved.read_bytes()[:-200])
    assert found(reopened(store, settings, saved.parent), "mmdet video") == ["notes.txt"]


def test_a_file_of_another_recipe_is_made_again(
    saved: Path, store: Store, settings: KnowledgeSettings, monkeypatch: pytest.MonkeyPatch, read_again: list[int]
) -> None:
    monkeypatch.setattr(index, "HEADING_WEIGHT", 9.0)
    reopened(store, settings, saved.parent)
    assert sum(read_again) == 5


def test_the_file_holds_plain_arrays_and_whoever_says_otherwise_is_not_believed(saved: Path) -> None:
    head, arrays = index_file.read(saved)
    assert head["name"] == "pods"
    assert all(not array.dtype.hasobject for array in arrays.values())
    data = saved.read_bytes()
    saved.write_bytes(data.replace(b'"<i8"', b'"|O8"'))
    with pytest.raises(ValueError, match="holds objects"):
        index_file.read(saved)


def test_an_index_that_was_loaded_grows_as_one_that_was_made(
    saved: Path, store: Store, library: Library, folder: Path, settings: KnowledgeSettings
) -> None:
    again = Indexes(store, settings, saved.parent)
    again.open()
    loaded = again.current["pods"]
    assert isinstance(loaded.words.vocabulary, StoredVocabulary)
    (folder / "new.md").write_text("# Axolotl\n\nIt swims with the beans.")
    library.add(folder, "pods")
    again.refresh()
    grown = again.current["pods"].words
    assert grown.document_frequency("axolotl") == 1
    assert list(grown.vocabulary)[: len(loaded.words.vocabulary)] == list(loaded.words.vocabulary)
    assert all(grown.vocabulary[token] == number for token, number in loaded.words.vocabulary.items())


def test_a_folder_that_cannot_be_written_costs_only_the_cache(
    store: Store, library: Library, folder: Path, settings: KnowledgeSettings, tmp_path: Path
) -> None:
    library.add(folder, "pods")
    (tmp_path / "index").write_text("a file stands where the folder should be")
    assert found(reopened(store, settings, tmp_path / "index"), "mmdet video") == ["notes.txt"]


def test_an_index_that_followed_many_changes_equals_one_made_anew(
    store: Store, library: Library, indexes: Indexes, folder: Path, settings: KnowledgeSettings
) -> None:
    for turn in range(4):
        (folder / f"turn{turn}.md").write_text(f"# Turn {turn}\n\nThe wheel turned to number{turn}.\n" * (turn + 1))
        (folder / "notes.txt").write_text(f"notes of turn number{turn}")
        if turn == 2:
            (folder / "turn0.md").unlink()
        library.add(folder, "pods")
        indexes.refresh()
    anew = Indexes(store, settings)
    anew.open()
    followed, made = indexes.current["pods"], anew.current["pods"]
    assert set(followed.chunk_ids) == set(made.chunk_ids)
    for word in ("turn", "wheel", "number0", "number3", "doujia", "后端"):
        assert followed.words.document_frequency(word) == made.words.document_frequency(word)
        mine = dict(zip(followed.chunk_ids.tolist(), followed.words.scores([word]).tolist(), strict=True))
        theirs = dict(zip(made.chunk_ids.tolist(), made.words.scores([word]).tolist(), strict=True))
        assert mine == pytest.approx(theirs, rel=1e-3)
