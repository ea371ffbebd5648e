"""Files that cannot be read cost a reason each, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.store import Store
from rag import readers
from rag.library import Library
from rag.readers import Refusal
from rag.settings import KnowledgeSettings
from rag.writing import Status

pytestmark = pytest.mark.sqlite_alone

Find = Callable[..., list[str]]


@pytest.fixture
def zoo(folder: Path, tmp_path: Path) -> Path:
    (folder / "empty.md").write_bytes(b"")
    (folder / "blank.txt").write_bytes(b" \n\n")
    (folder / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (folder / "huge.md").write_bytes(b"word " * 3_000)
    (folder / "scripts.html").write_bytes(b"<script>while(1);</script>")
    (folder / "half.md").write_bytes(b"\xff\xfeh\x00a\x00l")
    (folder / "legacy.txt").write_bytes("旧的国标编码也能读，豆荚的旧说明书。".encode("gbk") * 4)
    outside = tmp_path / "outside.md"
    outside.write_text("secret recipe")
    (folder / "link.md").symlink_to(outside)
    os.mkfifo(folder / "pipe.txt")
    return folder


@pytest.fixture
def small(store: Store) -> Library:
    return Library(store, KnowledgeSettings(max_file_bytes=10_000))


def test_each_bad_file_has_its_reason_and_the_others_are_in(small: Library, zoo: Path, sources: Find) -> None:
    report = small.add(zoo, "pods")
    assert dict(report.refused) == {
        "empty.md": Refusal.EMPTY,
        "blank.txt": Refusal.EMPTY,
        "picture.md": Refusal.BINARY,
        "huge.md": Refusal.TOO_LARGE,
        "scripts.html": Refusal.EMPTY,
        "half.md": Refusal.ENCODING,
        "link.md": Refusal.OUTSIDE,
        "pipe.txt": Refusal.UNSUPPORTED,
    }
    assert len(report.added) == 6
    listed = {document.source: document.reason for document in small.list("pods")}
    assert {source: reason for source, reason in listed.items() if reason} == dict(report.refused)
    assert sources("旧的国标编码") == ["legacy.txt"]
    assert sources("secret recipe") == []


def test_the_reasons_are_told_again_but_nothing_is_written_again(small: Library, zoo: Path) -> None:
    first = small.add(zoo, "pods")
    before = small.base("pods")
    assert sorted(small.add(zoo, "pods").refused) == sorted(first.refused)
    assert small.base("pods") == before


def test_a_file_that_is_mended_comes_in(small: Library, zoo: Path, sources: Find) -> None:
    small.add(zoo, "pods")
    (zoo / "empty.md").write_text("# Axolotl\n\nNo longer empty.")
    report = small.add(zoo, "pods")
    assert report.changed == ["empty.md"]
    assert sources("axolotl") == ["empty.md"]


def test_a_file_that_turns_bad_goes_out(small: Library, folder: Path, sources: Find) -> None:
    small.add(folder, "pods")
    (folder / "notes.txt").write_bytes(b"\x00\x01\x02")
    assert small.add(folder, "pods").refused == [("notes.txt", Refusal.BINARY)]
    assert sources("topdown_demo_with_mmdet.py") == []


def test_a_file_that_vanishes_while_it_is_read_costs_a_reason(
    small: Library, folder: Path, sources: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.add(folder, "pods")
    load = readers.load

    def vanishing(path: Path, root: Path, max_bytes: int) -> bytes:
        if path.name == "notes.txt":
            path.unlink()
        return load(path, root, max_bytes)

    monkeypatch.setattr(readers, "load", vanishing)
    report = small.add(folder, "pods")
    assert report.refused == [("notes.txt", Refusal.VANISHED)]
    assert report.unchanged == 4
    assert sources("topdown_demo_with_mmdet.py") == ["notes.txt"], "what was read of it before stays until it is gone"
    monkeypatch.undo()
    assert small.add(folder, "pods").removed == ["notes.txt"]
    assert sources("topdown_demo_with_mmdet.py") == []


def closed_to_us(path: Path) -> bool:
    path.chmod(0)
    return not os.access(path, os.R_OK)


@pytest.fixture
def without_rights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder ``docs`` may not be listed: by its mode, or, for a user who may do all, by the system's answer."""
    docs = folder / "docs"
    if not closed_to_us(docs):
        scandir = os.scandir

        def refusing(path: str | Path) -> object:
            if Path(path) == docs:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)
    yield docs
    docs.chmod(0o755)


def test_a_folder_without_rights_costs_a_reason_and_keeps_what_was_read_before(
    small: Library, folder: Path, sources: Find, request: pytest.FixtureRequest
) -> None:
    small.add(folder, "pods")
    request.getfixturevalue("without_rights")
    report = small.add(folder, "pods")
    assert report.refused == [("docs", Refusal.UNREADABLE)]
    assert (report.removed, report.unchanged) == ([], 3)
    assert sources("pip install doujia")[0] == "docs/en/install.md"


def test_a_file_without_rights_keeps_its_text_and_says_why(
    small: Library, folder: Path, sources: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.add(folder, "pods")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", _refuse)
        report = small.add(folder, "pods")
    assert len(report.refused) == 5
    assert {reason for _, reason in report.refused} == {Refusal.UNREADABLE}
    assert all(document.status is Status.KEPT for document in small.list("pods"))
    assert sources("pip install doujia")[0] == "docs/en/install.md"
    assert len(small.add(folder, "pods").changed) == 5
    assert all(document.status is Status.READ for document in small.list("pods"))


def _refuse(path: Path, mode: str = "r") -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_more_files_than_allowed_are_refused_before_anything_is_written(store: Store, folder: Path) -> None:
    library = Library(store, KnowledgeSettings(max_files=3))
    with pytest.raises(UsageError, match="max_files"):
        library.add(folder, "pods")
    assert library.bases() == []
