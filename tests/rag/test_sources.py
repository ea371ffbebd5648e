"""Folders that are kept in step: on time, within bounds, ended when asked, resumed after the worst."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bot.errors import StoreError, UsageError
from bot.store import Store
from rag.embedding import Embedder
from rag.library import Library
from rag.settings import KnowledgeSettings
from rag.sources import STALE_S, Keeper, Source, Sources, delete_what_was_left
from tests.clock import ManualClock
from tests.rag.test_indexes import until

pytestmark = pytest.mark.sqlite_alone

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sources(library: Library, clock: ManualClock) -> Sources:
    return Sources(library, clock)


def the_one(sources: Sources) -> Source:
    (source,) = sources.all()
    return source


def listed(library: Library) -> dict[str, str]:
    return {document.source: document.root for document in library.list("pods")}


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_source_is_due_at_once_and_then_after_its_interval(
    store: Store, settings: KnowledgeSettings, folder: Path, clock: ManualClock
) -> None:
    import asyncio

    sources = Sources(Library(store, settings), clock)
    await asyncio.to_thread(sources.add, "pods", str(folder), 3_600)
    (due,) = await asyncio.to_thread(sources.due)
    await asyncio.to_thread(sources.sync, due)
    assert await asyncio.to_thread(sources.due) == []
    await clock.advance(3_599)
    assert await asyncio.to_thread(sources.due) == []
    await clock.advance(2)
    assert [each.address for each in await asyncio.to_thread(sources.due)] == [str(folder)]


def test_without_an_interval_it_is_looked_at_when_somebody_asks(sources: Sources, folder: Path) -> None:
    sources.sync(sources.add("pods", str(folder)))
    assert sources.due() == []
    sources.ask(the_one(sources).id)
    assert len(sources.due()) == 1


def test_a_folder_that_went_leaves_its_documents_and_a_reason(sources: Sources, library: Library, folder: Path) -> None:
    sources.sync(sources.add("pods", str(folder)))
    folder.rename(folder.parent / "elsewhere")
    assert sources.sync(the_one(sources)) is None
    assert the_one(sources).failed
    assert "no folder at" in the_one(sources).told
    assert len(library.list("pods")) == 5


@pytest.mark.parametrize("address", ["/nowhere", "https://example.org:25/x.git"])
def test_what_cannot_be_a_source_is_none(sources: Sources, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(UsageError):
        sources.add("pods", address)
    assert sources.all() == []


def test_a_source_that_is_taken_out_takes_its_documents_along(
    sources: Sources, library: Library, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "stays.md").write_text("# Stays\n\nText.\n")
    library.add(tmp_path / "other", "pods")
    sources.sync(sources.add("pods", str(folder)))
    assert sources.remove("pods", str(folder)) == 5
    assert list(listed(library)) == ["stays.md"]
    assert sources.remove("pods", str(folder)) is None


# ── its end ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sync_is_ended_by_whoever_asks_and_keeps_what_it_has(
    store: Store, clock: ManualClock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.sources.TELL_EVERY_S", 0.0)
    library = Library(store, KnowledgeSettings(batch_documents=1))
    sources = Sources(library, clock)
    source = sources.add("pods", str(folder), 3_600)
    read = library._read

    def and_then_cancel(*arguments: object) -> object:
        if len(library.list("pods")) == 2:
            sources.cancel(source.id)
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(library, "_read", and_then_cancel)
    report = sources.sync(source)
    assert report is not None
    assert report.cancelled
    assert 2 <= len(library.list("pods")) < 5
    assert the_one(sources).told == "It was ended before it was done."
    assert the_one(sources).due_at == clock.now() + 3_600
    assert the_one(sources).done >= 1


def test_a_source_that_is_removed_while_it_is_read_leaves_nothing(
    sources: Sources, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources.add("pods", str(folder), 3_600)
    read = library._read

    def and_then_remove(*arguments: object) -> object:
        if sources.all():
            sources.remove("pods", str(folder))
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(library, "_read", and_then_remove)
    sources.sync(source)
    assert sources.all() == []
    assert library.list("pods") == []


KILLED = """
import os, signal, sys
from pathlib import Path
from bot.ports import SystemClock
from bot.store import Store, StoreSettings
from rag import sources as module
from rag.library import Library
from rag.settings import KnowledgeSettings
library = Library(Store.open(StoreSettings(sys.argv[1])), KnowledgeSettings(batch_documents=1))
progress = module._Watch.progress
def killing(self, done, total, source):
    progress(self, done, total, source)
    if done == 20:
        os.kill(os.getpid(), signal.SIGKILL)
module._Watch.progress = killing
kept = module.Sources(library, SystemClock())
kept.sync(kept.add("pods", sys.argv[2]))
"""


def test_a_sync_whose_process_was_killed_is_taken_up_where_it_stopped(
    store: Store, sources: Sources, library: Library, tmp_path: Path
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(50):
        (many / f"{number:02}.md").write_text(f"# Page {number}\n\nText {number}.\n")
    command = [sys.executable, "-c", KILLED, store.settings.url, str(many)]
    run = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL
    began_at = the_one(sources).began_at
    assert began_at is not None
    assert Sources(library, ManualClock(began_at + 60)).due() == [], "it is believed to be at work"
    assert Sources(library, ManualClock(began_at + STALE_S)).due() != [], "nobody is at work that long"
    before = len(library.list("pods"))
    assert 0 < before < 50
    assert sources.resume() == 1
    (again,) = sources.due()
    report = sources.sync(again)
    assert report is not None
    assert (len(report.added), report.unchanged) == (50 - before, before)
    assert the_one(sources).began_at is None


class Even:
    """An embedding whose vectors are all alike."""

    key = "even"
    batch_texts = 8

    def passages(self, texts: list[str]) -> object:
        import numpy as np

        return np.ones((len(texts), 4), np.float32)

    def query(self, text: str) -> object:
        return self.passages([text])


def test_at_a_start_what_is_due_is_synced_and_missing_vectors_are_made(
    store: Store, settings: KnowledgeSettings, sources: Sources, library: Library, folder: Path, tmp_path: Path
) -> None:
    library.add(folder / "docs", "old")
    embedder: Embedder = Even()  # type: ignore[assignment]
    now = Library(store, settings.model_copy(update={"sync_poll_s": 0.02}), embedder)
    sources.add("pods", str(folder))
    keeper = Keeper(sources, now)
    keeper.start()
    try:
        assert until(lambda: bool(the_one(sources).ended_at), within_s=20)
    finally:
        keeper.close()
    assert len(library.list("pods")) == 5
    count = store.read_now(lambda connection: connection.exec_driver_sql("select count(*) from kb_vectors").scalar())
    assert count == library.base("old").chunks, "the base that was there before has its vectors"


def test_a_source_that_fails_over_a_defect_is_told_and_tried_again(
    sources: Sources, library: Library, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    source = sources.add("pods", str(folder), 3_600)
    with monkeypatch.context() as patch:
        patch.setattr(library, "_read", fails)
        assert sources.sync(source) is None
    assert the_one(sources).failed
    assert "ZeroDivisionError" in the_one(sources).told
    assert the_one(sources).began_at is None
    assert the_one(sources).due_at == clock.now() + 3_600
    assert sources.sync(the_one(sources)) is not None


def test_a_sync_whose_end_could_not_be_written_down_is_taken_up_again(
    store: Store, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.sources.RETRY_S", 0.0)
    library = Library(store, KnowledgeSettings(sync_poll_s=0.01))
    sources = Sources(library, clock)
    sources.add("pods", str(folder))
    change, failures = sources._change, [StoreError("the database is away")]

    def failing(number: int, **values: object) -> None:
        if "told" in values and failures:
            raise failures.pop()
        change(number, **values)

    monkeypatch.setattr(sources, "_change", failing)
    keeper = Keeper(sources, library)
    keeper.start()
    try:
        assert until(lambda: bool(the_one(sources).told), 20)
    finally:
        keeper.close()
    assert not failures
    assert not the_one(sources).failed


def test_what_a_killed_process_fetched_is_deleted_a_day_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("maodou-git-old", "maodou-git-new", "other"):
        (tmp_path / name / "files").mkdir(parents=True)
        if name != "maodou-git-new":
            os.utime(tmp_path / name, (0, 0))
    delete_what_was_left()
    assert {path.name for path in tmp_path.iterdir()} == {"maodou-git-new", "other"}


# ── a folder that was moved ──────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_was_moved_does_not_come_in_twice(library: Library, folder: Path) -> None:
    library.add(folder, "pods")
    moved = folder.rename(folder.parent / "elsewhere")
    report = library.add(moved, "pods")
    assert (len(report.added), report.unchanged) == (0, 5)
    assert set(listed(library).values()) == {str(moved)}


def test_a_second_folder_and_a_copy_are_folders_of_their_own(library: Library, folder: Path, tmp_path: Path) -> None:
    library.add(folder, "pods")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("Others' notes about beans.")
    assert library.add(other, "pods").added == ["notes.txt"]
    assert len(library.list("pods")) == 6, "the first is still where it was"
    folder.rename(tmp_path / "away")
    third = tmp_path / "third"
    third.mkdir()
    (third / "quite-other.md").write_text("# Quite other\n\nText.\n")
    library.add(third, "pods")
    assert len(library.list("pods")) == 7, "a folder with other files is no folder that was moved"
