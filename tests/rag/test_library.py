"""The shelf keeps step with a folder: what is new, changed, gone, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.errors import UsageError
from bot.store import Store
from rag.library import Library
from rag.settings import KnowledgeSettings
from rag.tables import chunks, documents
from rag.writing import Status

Find = Callable[..., list[str]]


def chunk_ids(store: Store, source: str) -> set[int]:
    query = select(chunks.c.id).join(documents).where(documents.c.source == source)
    return set(store.read_now(lambda connection: connection.scalars(query).all()))


def test_a_folder_becomes_documents_that_can_be_found(library: Library, folder: Path, sources: Find) -> None:
    report = library.add(folder, "pods")
    assert sorted(report.added) == ["README.md", "docs/en/install.md", "docs/zh/faq.md", "notes.txt", "page.html"]
    assert (report.changed, report.removed, report.refused, report.unchanged) == ([], [], [], 0)
    assert sources("豆荚支持哪些推理后端？")[0] == "README.md"
    assert sources("how do I install it with pip")[0] == "docs/en/install.md"
    assert sources("topdown_demo_with_mmdet.py")[0] == "notes.txt"
    assert sources("No module named doujia._ext")[0] == "docs/zh/faq.md"
    assert sources("what is new in 1.2.3")[0] == "page.html"


def test_adding_it_again_changes_nothing(library: Library, folder: Path) -> None:
    library.add(folder, "pods")
    before = library.base("pods")
    report = library.add(folder, "pods")
    assert report.unchanged == 5
    assert report.added == report.changed == report.removed == report.refused == []
    assert library.base("pods") == before


def test_a_changed_file_is_read_again_and_no_other(library: Library, folder: Path, sources: Find) -> None:
    library.add(folder, "pods")
    assert sources("quokka") == []
    (folder / "notes.txt").write_text("The demo was moved to quokka.py.")
    report = library.add(folder, "pods")
    assert (report.changed, report.unchanged) == (["notes.txt"], 4)
    assert sources("quokka") == ["notes.txt"]
    assert "notes.txt" not in sources("mmdet video")


def test_chunks_that_did_not_change_keep_their_ids(library: Library, folder: Path, store: Store) -> None:
    library.add(folder, "pods")
    before = chunk_ids(store, "docs/zh/faq.md")
    faq = folder / "docs/zh/faq.md"
    faq.write_text(
        faq.read_text().replace("# 常见问题\n", "# 常见问题\n\n先看这里。\n", 1) + "\n## 新问题\n\n新答案。\n"
    )
    library.add(folder, "pods")
    after = chunk_ids(store, "docs/zh/faq.md")
    assert len(after) == len(before) + 2
    assert len(after & before) >= 1


def test_a_file_that_is_gone_from_the_folder_is_gone_from_the_base(
    library: Library, folder: Path, sources: Find
) -> None:
    library.add(folder, "pods")
    (folder / "notes.txt").unlink()
    assert library.add(folder, "pods").removed == ["notes.txt"]
    assert sources("topdown_demo_with_mmdet.py") == []


def test_another_folder_in_the_same_base_is_left_alone(library: Library, folder: Path, tmp_path: Path) -> None:
    library.add(folder, "pods")
    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").write_text("# Another readme\n\nwith a text.")
    report = library.add(other, "pods")
    assert (report.added, report.removed) == (["README.md"], [])
    assert sum(document.source == "README.md" for document in library.list("pods")) == 2


def test_a_single_file_is_named_by_its_name(library: Library, folder: Path) -> None:
    assert library.add(folder / "docs/zh/faq.md", "pods").added == ["faq.md"]
    assert library.add(folder / "docs/zh/faq.md", "pods").unchanged == 1
    assert library.add(folder / "docs/zh", "pods").removed == []


def test_a_relative_path_is_the_same_as_its_absolute_one(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(folder, "pods")
    monkeypatch.chdir(folder.parent)
    assert library.add(Path("documents"), "pods").unchanged == 5


def test_another_chunk_size_reads_everything_again(library: Library, folder: Path, store: Store) -> None:
    library.add(folder, "pods")
    coarse = Library(store, KnowledgeSettings(chunk_chars=500))
    assert len(coarse.add(folder, "pods").changed) == 5


def test_progress_is_told_and_a_cancelled_sync_keeps_what_it_has(store: Store, folder: Path) -> None:
    library = Library(store, KnowledgeSettings(batch_documents=1))
    cancel, seen = threading.Event(), []

    def progress(done: int, total: int, source: str) -> None:
        seen.append((done, total))
        if done == 2:
            cancel.set()

    report = library.add(folder, "pods", progress, cancel)
    assert seen == [(1, 5), (2, 5)]
    assert report.cancelled
    assert library.base("pods").documents == 2
    assert len(library.add(folder, "pods").added) == 3


def test_bases_and_documents_are_listed(library: Library, folder: Path) -> None:
    assert library.bases() == []
    (folder / "empty.md").write_text("")
    library.add(folder, "pods")
    library.add(folder / "docs", "manual")
    manual, pods = library.bases()
    assert (manual.name, manual.documents) == ("manual", 2)
    assert (pods.name, pods.documents, pods.refused) == ("pods", 5, 1)
    assert pods.chunks == sum(document.chunks for document in library.list("pods"))
    (readme,) = [document for document in library.list("pods") if document.source == "README.md"]
    assert (readme.title, readme.status, readme.root) == ("豆荚", Status.READ, str(folder))


def test_documents_folders_and_bases_can_be_taken_out(library: Library, folder: Path, sources: Find) -> None:
    library.add(folder, "pods")
    library.add(folder, "spare")
    assert library.remove("pods", "notes.txt") == 1
    assert library.remove("pods", "docs/") == 2
    assert sources("pip install doujia") == []
    assert library.remove("pods") == 2
    assert [base.name for base in library.bases()] == ["spare"]
    assert library.base("spare").documents == 5


def test_what_is_not_there_is_said_to_be_not_there(library: Library, folder: Path) -> None:
    library.add(folder, "pods")
    with pytest.raises(UsageError, match="no file or folder"):
        library.add(folder / "nowhere", "pods")
    with pytest.raises(UsageError, match="There are: pods"):
        library.list("beans")
    with pytest.raises(UsageError, match="beans"):
        library.remove("beans")
    with pytest.raises(UsageError, match=r"nothing\.md"):
        library.remove("pods", "nothing.md")
    with pytest.raises(UsageError, match="name"):
        library.add(folder, "")
    with pytest.raises(UsageError, match="name"):
        library.add(folder, "a\nb")


def test_two_at_once_add_each_document_once(store: Store, folder: Path, settings: KnowledgeSettings) -> None:
    reports: list[object] = []

    def add() -> None:
        reports.append(Library(store, settings).add(folder, "pods"))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 2
    assert len(Library(store, settings).list("pods")) == 5
