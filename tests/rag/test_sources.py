"""Folders and repositories that are kept in step: on time, within bounds, ended when asked, resumed after the worst."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from bot.errors import StoreError, UsageError
from bot.store import Store
from rag.embedding import Embedder
from rag.git import Cancelled, checked_address, fetch, is_repository
from rag.library import Library
from rag.settings import GitSettings, KnowledgeSettings
from rag.sources import STALE_S, Keeper, Source, SourceKind, Sources, delete_what_was_left
from tests.clock import ManualClock
from tests.rag.test_indexes import until

PROJECT = Path(__file__).resolve().parents[2]
GIT = GitSettings()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: nothing here depends on the database."""
    return f"sqlite:///{tmp_path}/maodou.db"


@pytest.fixture
def sources(library: Library, clock: ManualClock) -> Sources:
    return Sources(library, clock)


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@localhost", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture
def repository(folder: Path) -> Path:
    """The community's documents as a repository, with what should not come along."""
    git(folder, "init", "--quiet", "-b", "main")
    (folder / "link.md").symlink_to("/etc/passwd")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".git" / "hooks").mkdir(exist_ok=True)
    hook = folder / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {folder.parent}/hooked\n")
    hook.chmod(0o755)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "documents")
    bare = folder.parent / "documents.git"
    git(folder, "clone", "--quiet", "--bare", str(folder), str(bare))
    return bare


def pushed(folder: Path, bare: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "more")
    git(folder, "push", "--quiet", str(bare), "main")


def the_one(sources: Sources) -> Source:
    (source,) = sources.all()
    return source


def listed(library: Library) -> dict[str, str]:
    return {document.source: document.root for document in library.list("pods")}


# ── repositories ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_repository_is_read_and_told_by_its_address(sources: Sources, library: Library, repository: Path) -> None:
    source = sources.add("pods", str(repository))
    assert (source.kind, source.every_s) == (SourceKind.GIT, GIT.every_s)
    report = sources.sync(source)
    assert report is not None
    assert len(report.added) == 5
    assert set(listed(library).values()) == {str(repository)}
    assert "link.md" not in listed(library)
    assert not (repository.parent / "hooked").exists()
    assert the_one(sources).told == "5 added; 8 passages."


def test_only_what_changed_comes_again_and_what_went_goes(
    sources: Sources, library: Library, repository: Path, folder: Path
) -> None:
    sources.sync(sources.add("pods", str(repository)))
    assert sources.sync(the_one(sources)) is None, "the newest commit is known"
    assert the_one(sources).told == "Nothing has changed."
    (folder / "notes.txt").unlink()
    (folder / "new.md").write_text("# New\n\nText.\n")
    pushed(folder, repository)
    report = sources.sync(the_one(sources))
    assert report is not None
    assert (report.added, report.removed, report.unchanged) == (["new.md"], ["notes.txt"], 4)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (GitSettings(max_files=3), "more than 3 documents"),
        (GitSettings(max_bytes=100), "more than 0 MiB"),
        (GitSettings(timeout_s=1e-9), "did not come within"),
    ],
)
def test_a_repository_that_is_too_much_says_so(
    repository: Path, tmp_path: Path, settings: GitSettings, why: str
) -> None:
    into = tmp_path / "into"
    into.mkdir()
    if "within" in why:
        slow = tmp_path / "bin"
        slow.mkdir()
        (slow / "git").write_text("#!/bin/sh\nexec sleep 60\n")
        (slow / "git").chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
            with pytest.raises(UsageError, match=why):
                fetch(str(repository), "", into, settings)
        return
    with pytest.raises(UsageError, match=why):
        fetch(str(repository), "", into, settings)


def test_a_few_trees_that_list_a_billion_paths_are_not_listed(repository: Path, folder: Path, tmp_path: Path) -> None:
    """Ten trees of ten names each, one in the other: a pack of some kilobytes, and 10^9 paths of it."""

    def made(kind: str, content: str) -> str:
        command = ("mktree",) if kind == "tree" else ("hash-object", "-w", "--stdin")
        told = subprocess.run(
            ["git", "-C", str(folder), *command], input=content, check=True, capture_output=True, text=True, timeout=30
        )
        return told.stdout.strip()

    blob = made("blob", "# Beans\n")
    tree = made("tree", "".join(f"100644 blob {blob}\t{number}-{'x' * 200}.md\n" for number in range(10)))
    for _ in range(8):
        tree = made("tree", "".join(f"040000 tree {tree}\t{number}-{'x' * 200}\n" for number in range(10)))
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@localhost")
    told = subprocess.run(
        ["git", *identity, "-C", str(folder), "commit-tree", tree, "-m", "more"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    git(folder, "push", "--quiet", "--force", str(repository), f"{told.stdout.strip()}:refs/heads/main")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(UsageError, match="more paths than"):
        fetch(str(repository), "", into, GIT)
    assert sum(file.stat().st_size for file in into.rglob("*") if file.is_file()) < 1_000_000


def test_names_in_another_encoding_stay_apart(
    sources: Sources, library: Library, repository: Path, folder: Path
) -> None:
    for name, text in (("安装", "Install it.\n"), ("配置", "Configure it.\n"), ("长" * 100, "Long.\n")):
        (folder / os.fsdecode(name.encode("gbk") + b".md")).write_text(text)
    pushed(folder, repository)
    report = sources.sync(sources.add("pods", str(repository)))
    assert report is not None
    assert len(report.added) == 5 + 3
    assert report.refused == []


def test_a_fetch_is_ended_when_somebody_asks(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    asked = threading.Event()
    asked.set()
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(Cancelled):
        fetch(str(repository), "", into, GIT, asked)


@pytest.mark.parametrize(
    ("address", "numbers", "why"),
    [
        ("http://example.org/a.git", ("93.184.215.14",), "over https"),
        ("file:///etc", (), "over https"),
        ("ssh://git@example.org/a.git", (), "over https"),
        ("ext::sh -c id://x", (), "over https"),
        ("https://ann:secret@example.org/a.git", ("93.184.215.14",), "not kept"),
        ("https://example.org:22/a.git", ("93.184.215.14",), "Port 22"),
        ("https://intern.example.org/a.git", ("10.0.0.7",), "inside a network"),
        ("https://two.example.org/a.git", ("93.184.215.14", "127.0.0.1"), "inside a network"),
        ("https://[::1]/a.git", ("::1",), "inside a network"),
        ("/nowhere/at/all.git", (), "no repository"),
    ],
)
def test_addresses_that_are_not_asked(
    monkeypatch: pytest.MonkeyPatch, address: str, numbers: tuple[str, ...], why: str
) -> None:
    def found(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 443)) for number in numbers]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with pytest.raises(UsageError, match=why):
        checked_address(address, GIT)


def test_the_number_that_was_checked_is_the_one_that_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    _, options = checked_address("https://example.org/docs.git", GIT)
    assert options == ["-c", "http.curloptResolve=example.org:443:93.184.215.14"]


def test_git_dials_where_it_was_told_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name exists nowhere: whoever answers was reached by the number alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def found(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        reached = threading.Event()

        def answer() -> None:
            connection, _ = server.accept()
            reached.set()
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setattr(socket, "getaddrinfo", found)
        into = tmp_path / "into"
        into.mkdir()
        address = f"https://nowhere.invalid:{port}/docs.git"
        with pytest.raises(UsageError, match="git: "):
            fetch(address, "", into, GIT, may_dial=lambda number: True)
        assert reached.wait(5)


def test_a_git_that_cannot_be_told_what_to_dial_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]

    (tmp_path / "bin").mkdir()
    old = tmp_path / "bin" / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(socket, "getaddrinfo", found)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(UsageError, match=r"git 2\.37 or newer; here: git version 2\.30\.2"):
        fetch("https://example.org/docs.git", "", into, GIT)


def test_an_address_is_told_from_a_folder() -> None:
    assert is_repository("https://example.org/docs")
    assert is_repository("/srv/docs.git")
    assert not is_repository("/srv/docs")


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
