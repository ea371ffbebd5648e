"""Repositories as sources: what comes along, within which bounds, and which addresses are asked at all."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from bot.errors import UsageError
from rag.git import Cancelled, checked_address, fetch, is_repository
from rag.library import Library
from rag.settings import GitSettings
from rag.sources import SourceKind, Sources
from tests.clock import ManualClock
from tests.rag.test_sources import listed, the_one

pytestmark = pytest.mark.sqlite_alone

GIT = GitSettings()


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


def empty(folder: Path) -> Path:
    into = folder / "into"
    into.mkdir()
    return into


def git_is(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """The git on the path does ``script`` alone."""
    (folder / "bin").mkdir()
    stand_in = folder / "bin" / "git"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")


def names_lead_to(monkeypatch: pytest.MonkeyPatch, *numbers: str, port: int = 443) -> None:
    """Every name has these numbers."""

    def found(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def pushed(folder: Path, bare: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "more")
    git(folder, "push", "--quiet", str(bare), "main")


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
    ],
)
def test_a_repository_that_is_too_much_says_so(
    repository: Path, tmp_path: Path, settings: GitSettings, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        fetch(str(repository), "", empty(tmp_path), settings)


def test_a_repository_that_does_not_come_says_so(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_is(monkeypatch, tmp_path, "exec sleep 60")
    with pytest.raises(UsageError, match="did not come within"):
        fetch(str(repository), "", empty(tmp_path), GitSettings(timeout_s=1e-9))


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
    into = empty(tmp_path)
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
    git_is(monkeypatch, tmp_path, "exec sleep 60")
    asked = threading.Event()
    asked.set()
    with pytest.raises(Cancelled):
        fetch(str(repository), "", empty(tmp_path), GIT, asked)


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
    names_lead_to(monkeypatch, *numbers)
    with pytest.raises(UsageError, match=why):
        checked_address(address, GIT)


def test_the_number_that_was_checked_is_the_one_that_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, "93.184.215.14")
    _, options = checked_address("https://example.org/docs.git", GIT)
    assert options == ["-c", "http.curloptResolve=example.org:443:93.184.215.14"]


def test_git_dials_where_it_was_told_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name exists nowhere: whoever answers was reached by the number alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        reached = threading.Event()

        def answer() -> None:
            connection, _ = server.accept()
            reached.set()
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        names_lead_to(monkeypatch, "127.0.0.1", port=port)
        address = f"https://nowhere.invalid:{port}/docs.git"
        with pytest.raises(UsageError, match="git: "):
            fetch(address, "", empty(tmp_path), GIT, may_dial=lambda number: True)
        assert reached.wait(5)


def test_a_git_that_cannot_be_told_what_to_dial_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, "93.184.215.14")
    git_is(monkeypatch, tmp_path, "echo git version 2.30.2")
    with pytest.raises(UsageError, match=r"git 2\.37 or newer; here: git version 2\.30\.2"):
        fetch("https://example.org/docs.git", "", empty(tmp_path), GIT)


def test_an_address_is_told_from_a_folder() -> None:
    assert is_repository("https://example.org/docs")
    assert is_repository("/srv/docs.git")
    assert not is_repository("/srv/docs")
