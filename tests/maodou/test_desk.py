"""What an operator does to the knowledge in the browser, from the other side of the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.errors import UsageError
from bot.store import Store
from bot.tables import audit
from maodou.desk import LibraryDesk
from rag.library import Library
from rag.settings import KnowledgeSettings
from tests.clock import ManualClock

Upload = Callable[[str, str], tuple[str, Path]]


@pytest.fixture
def desk(store: Store, clock: ManualClock, home: Path) -> LibraryDesk:
    return LibraryDesk(Library(store, KnowledgeSettings()), store, clock, home / "documents")


@pytest.fixture
def upload(home: Path) -> Upload:
    """A file as a browser leaves it: a name that it claims, and where it lies now."""

    def make(name: str, text: str) -> tuple[str, Path]:
        lies_at = home / f"upload-{len(list(home.iterdir()))}"
        lies_at.write_text(text)
        return name, lies_at

    return make


async def test_uploaded_files_become_documents_and_are_kept(desk: LibraryDesk, upload: Upload, home: Path) -> None:
    said = await desk.add("手册-one", [upload("guide.md", "# Guide\n\nText.\n"), upload("b.txt", "More.")], "web:anna")
    assert said == "手册-one：新增 2，更新 0，没有收下 0。 · 手册-one: 2 added, 0 changed, 0 not taken in."
    assert [(base.name, base.documents) for base in await desk.bases()] == [("手册-one", 2)]
    assert [(each.source, each.status) for each in await desk.documents("手册-one")] == [
        ("b.txt", "indexed"),
        ("guide.md", "indexed"),
    ]
    assert (home / "documents" / "手册-one" / "guide.md").exists()


async def test_a_file_of_the_same_name_takes_the_older_ones_place(desk: LibraryDesk, upload: Upload) -> None:
    await desk.add("a", [upload("guide.md", "# One\n\nText.\n")], "web:anna")
    assert "0 added, 1 changed" in await desk.add("a", [upload("guide.md", "# Two\n\nText.\n")], "web:anna")
    assert len(await desk.documents("a")) == 1


async def test_what_is_not_taken_in_says_why(desk: LibraryDesk, upload: Upload) -> None:
    said = await desk.add("a", [upload("empty.md", ""), upload("good.md", "# Good\n\nText.\n")], "web:anna")
    assert said.splitlines()[1] == "empty.md: 文件里没有文字 · there is no text in it"
    refused = [each for each in await desk.documents("a") if each.status == "skipped"]
    assert [(each.source, each.reason) for each in refused] == [("empty.md", "文件里没有文字 · there is no text in it")]


@pytest.mark.parametrize(
    "name", ["../../evil.md", "..", "/etc/evil.md", "a\\..\\evil.md", ".hidden.md", "\0.md", "长" * 300 + ".md"]
)
async def test_no_name_leads_out_of_the_folder(desk: LibraryDesk, upload: Upload, home: Path, name: str) -> None:
    uploaded = upload(name, "# Text\n\nText.\n")
    before = files(home)
    await desk.add("a", [uploaded], "web:anna")
    (kept,) = files(home) - before
    assert kept.parent == home / "documents" / "a"


def files(home: Path) -> set[Path]:
    return {path for path in home.rglob("*") if path.is_file() and "maodou.db" not in path.name}


async def test_a_document_that_is_taken_out_does_not_come_back(desk: LibraryDesk, upload: Upload) -> None:
    await desk.add("a", [upload("one.md", "# One\n\nText.\n"), upload("two.md", "# Two\n\nText.\n")], "web:anna")
    assert "1 documents taken out" in await desk.remove("a", "one.md", "web:anna")
    await desk.add("a", [upload("three.md", "# Three\n\nText.\n")], "web:anna")
    assert [each.source for each in await desk.documents("a")] == ["three.md", "two.md"]
    await desk.remove("a", None, "web:anna")
    assert await desk.bases() == []
    await desk.add("a", [upload("four.md", "# Four\n\nText.\n")], "web:anna")
    assert [each.source for each in await desk.documents("a")] == ["four.md"]


@pytest.mark.parametrize("name", ["", "  ", " a", "..", "../a", "a/b", "."])
async def test_a_base_needs_a_name_that_is_one(desk: LibraryDesk, upload: Upload, home: Path, name: str) -> None:
    uploaded = upload("a.md", "# A\n\nText.\n")
    before = files(home)
    with pytest.raises(UsageError, match="cannot name a knowledge base"):
        await desk.add(name, [uploaded], "web:anna")
    assert files(home) == before


async def test_every_change_is_on_record(desk: LibraryDesk, upload: Upload, store: Store) -> None:
    await desk.add("a", [upload("one.md", "# One\n\nText.\n")], "web:anna")
    await desk.remove("a", "one.md", "web:ben")
    rows = await store.read(lambda connection: connection.execute(select(audit).order_by(audit.c.id)).all())
    assert [(row.who, row.what, row.new) for row in rows] == [
        ("web:anna", "kb.add", {"base": "a", "files": ["one.md"]}),
        ("web:ben", "kb.remove", {"base": "a", "source": "one.md"}),
    ]
