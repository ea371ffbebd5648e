"""``maodou kb``: what an operator does with documents, good ones and bad ones."""

from __future__ import annotations

import ctypes
import json
import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.maodou.conftest import Child, Maodou

GUIDE = (
    "# Installing\n\nRun `make run` in the folder of the project.\n\n# Ports\n\nThe web room listens on port 7860.\n"
)


@pytest.fixture
def folder(home: Path) -> Path:
    docs = home / "docs"
    docs.mkdir()
    (docs / "guide.md").write_text(GUIDE)
    (docs / "faq.txt").write_text("How do I stop it? Press Ctrl-C.\n")
    return docs


def test_a_folder_becomes_a_base_and_is_kept_in_step(maodou: Maodou, folder: Path) -> None:
    assert maodou("kb", "add", folder, "--kb", "help").out.startswith("help: 2 added; ")
    assert maodou("kb", "add", folder, "--kb", "help").out.startswith("help: 2 unchanged; ")
    (folder / "faq.txt").unlink()
    (folder / "guide.md").write_text(GUIDE + "\n# More\n\nMore.\n")
    assert maodou("kb", "add", folder, "--kb", "help").out.startswith("help: 1 changed, 1 removed; ")


def test_it_says_which_installation_was_changed_and_elsewhere_it_is_the_projects(
    maodou: Maodou, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"Kept in {home / 'data'}." in maodou("kb", "add", folder, "--kb", "help").out
    (home / "project").mkdir()
    (home / "project" / "config.yaml").touch()
    monkeypatch.chdir(folder)
    told = json.loads(maodou("kb", "add", ".", "--kb", "help", "--json").out)
    assert (told["added"], told["data_dir"]) == (2, str(home / "project" / "data"))
    assert not (folder / "data").exists()


def test_bases_and_documents_are_listed(maodou: Maodou, folder: Path) -> None:
    assert "There is no knowledge base yet" in maodou("kb", "list").out
    maodou("kb", "add", folder, "--kb", "help")
    assert "help" in maodou("kb", "list").out
    listed = json.loads(maodou("kb", "list", "--kb", "help", "--json").out)
    assert [document["source"] for document in listed] == ["faq.txt", "guide.md"]


def test_documents_and_bases_are_taken_out_and_the_files_stay(maodou: Maodou, folder: Path) -> None:
    maodou("kb", "add", folder, "--kb", "help")
    assert maodou("kb", "remove", "guide.md", "--kb", "help").out == "help: 1 documents taken out.\n"
    assert json.loads(maodou("kb", "remove", "--kb", "help", "--json").out) == {"removed": 1}
    assert maodou("kb", "list", "--json").out == "[]\n"
    assert (folder / "guide.md").exists()


def test_what_is_not_there_is_said(maodou: Maodou, home: Path) -> None:
    for arguments, sentence in [
        (("kb", "add", home / "nowhere"), "There is no file or folder at "),
        (("kb", "list", "--kb", "nothing"), "There is no knowledge base named 'nothing'"),
        (("kb", "remove", "--kb", "nothing"), "There is no knowledge base named 'nothing'"),
        (("kb", "ask", "How?", "--kb", "nothing"), "There is no knowledge base named 'nothing'"),
        (("kb", "remove"), "Say which knowledge base"),
    ]:
        ended = maodou(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert sentence in ended.err


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.md", b"", "there is no text in it"),
        ("huge.md", b"# All work\n\nno play.\n" * 250_000, "it is too large"),
        ("program.md", b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 40, "it is binary, not text"),
        ("sheet.xls", b"1;2;3", "this kind of file is not supported"),
    ],
)
def test_a_bad_file_is_named_with_its_reason_and_the_others_go_in(
    maodou: Maodou, folder: Path, name: str, content: bytes, why: str
) -> None:
    (folder / name).write_bytes(content)
    alone = maodou("kb", "add", folder / name, "--kb", "alone")
    assert (alone.code, alone.err) == (1, f"Not taken in: {name}: {why}\n")
    if name.endswith(".md"):
        together = maodou("kb", "add", folder, "--kb", "help")
        assert (together.code, together.err) == (1, f"Not taken in: {name}: {why}\n")
        assert together.out.startswith("help: 2 added, 1 not taken in; ")


def _as_others() -> None:
    """Give up root's right to read and write everything (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH); harmless
    for anybody else."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_folder_without_rights_is_named_and_what_was_in_it_stays(maodou: Maodou, child: Child, folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir()
    (closed / "secret.md").write_text("# Secret\n\nStill known.\n")
    maodou("kb", "add", folder, "--kb", "help")
    closed.chmod(0)
    try:
        process = child("kb", "add", folder, "--kb", "help", before=_as_others)
        out, err = process.communicate(timeout=60)
    finally:
        closed.chmod(0o700)
    assert (process.returncode, err) == (1, "Not taken in: closed: it cannot be read (rights, or a read error)\n")
    assert "removed" not in out
    assert "secret.md" in maodou("kb", "list", "--kb", "help").out


def _small_files(max_bytes: int) -> Callable[[], None]:
    """A disk that is full for this process: no file of it grows beyond ``max_bytes``."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))


def test_a_full_disk_is_said_and_what_was_kept_before_is_kept(maodou: Maodou, child: Child, folder: Path) -> None:
    maodou("kb", "add", folder, "--kb", "help")
    more = folder.parent / "more"
    more.mkdir()
    for number in range(300):
        (more / f"{number}.md").write_text(f"# Page {number}\n\n" + f"Sentence {number} of many. " * 100)
    size = (folder.parent / "data" / "maodou.db").stat().st_size
    process = child("kb", "add", more, "--kb", "more", before=_small_files(size + 100_000))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith("The database took no write: ")
    assert "Traceback" not in err
    assert [document["source"] for document in json.loads(maodou("kb", "list", "--kb", "help", "--json").out)] == [
        "faq.txt",
        "guide.md",
    ]
    assert maodou("kb", "add", more, "--kb", "more").code == 0
    assert json.loads(maodou("kb", "list", "--json").out)[1]["documents"] == 300


def test_a_locked_database_is_said(maodou: Maodou, folder: Path, home: Path) -> None:
    maodou("kb", "add", folder, "--kb", "help")
    other = sqlite3.connect(home / "data" / "maodou.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (folder / "new.md").write_text("# New\n\nNew.\n")
    ended = maodou("kb", "add", folder, "--kb", "help")
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "The database took no write: database is locked"
    other.execute("ROLLBACK")
    other.close()
    assert maodou("kb", "add", folder, "--kb", "help").out.startswith("help: 1 added, 2 unchanged; ")


# ── examples ─────────────────────────────────────────────────────────────────────────────────────────────


def test_examples_are_imported_listed_and_taken_out(maodou: Maodou, folder: Path, home: Path) -> None:
    maodou("kb", "add", folder, "--kb", "help")
    (home / "good.txt").write_text("How do I install it?\nWhich port does the room listen on?\nBoth\n")
    (home / "bad.json").write_text(json.dumps(["lunch?", "hahaha", "Both"]))
    told = json.loads(maodou("kb", "examples", "import", "good.txt", "bad.json", "--kb", "help", "--json").out)
    assert (told["new"], told["good"], told["bad"], told["in_both"]) == (4, 2, 2, 1)
    assert "helpful" not in told  # too few of each to learn from
    again = maodou("kb", "examples", "import", "good.txt", "bad.json", "--kb", "help").out
    assert "0 new, 0 changed, 4 known, 1 in both" in again
    assert "Too few of each to learn from" in again
    listed = maodou("kb", "examples", "list", "--kb", "help").out.splitlines()
    assert sorted(listed) == [
        "+ How do I install it?", "+ Which port does the room listen on?", "- hahaha", "- lunch?",
    ]  # fmt: skip
    assert maodou("kb", "examples", "remove", "lunch?", "--kb", "help").out == "help: 1 examples taken out.\n"
    assert json.loads(maodou("kb", "examples", "remove", "--kb", "help", "--json").out) == {"removed": 3}


def test_enough_examples_teach_the_gate_and_say_how_well(maodou: Maodou, folder: Path, home: Path) -> None:
    maodou("kb", "add", folder, "--kb", "help")
    (home / "good.txt").write_text("".join(f"How do I install version {number} of it?\n" for number in range(12)))
    (home / "bad.txt").write_text("".join(f"haha see you at lunch {number}\n" for number in range(12)))
    told = json.loads(maodou("kb", "examples", "import", "good.txt", "bad.txt", "--kb", "help", "--json").out)
    assert set(told["helpful"]) == {"precision", "recall", "f1"}
    assert 0 < told["helpful"]["f1"] <= 1


def test_examples_that_cannot_be_read_are_said(maodou: Maodou, folder: Path, home: Path) -> None:
    maodou("kb", "add", folder, "--kb", "help")
    (home / "good.txt").write_text("A question\n")
    (home / "bad.json").write_text('[{"no": "string"}]')
    for bad, sentence in (("bad.json", "entry 1 is no string"), ("nowhere.txt", "cannot be read: No such file")):
        ended = maodou("kb", "examples", "import", "good.txt", bad, "--kb", "help")
        assert (ended.code, ended.out) == (2, "")
        assert sentence in ended.err
