"""``/kb`` as members say it: what a room reads, what was not taken in, and who may change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from bot.audit import history
from bot.commands import Call, Commands
from bot.errors import MemberError, NotAllowed
from bot.event import Member, Role, Room
from bot.room_settings import CORE_SETTINGS, KNOWLEDGE
from bot.scopes import GLOBAL, Scopes, scope_of
from bot.store import Store
from rag.commands import KnowledgeCommands
from rag.library import Library
from rag.room_settings import KNOWLEDGE_SETTINGS
from rag.sources import Sources
from rag.upload_commands import UploadCommands
from tests.clock import ManualClock

pytestmark = pytest.mark.sqlite_alone

ROOM = Room("web", "garden")
ANNA = Member("web", "anna", "Anna")

Say = Callable[..., Coroutine[None, None, str]]


@pytest.fixture
def says(store: Store, library: Library, clock: ManualClock) -> Say:
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *KNOWLEDGE_SETTINGS))
    commands = Commands(
        (KnowledgeCommands(library, UploadCommands(store, library, {}), Sources(library, clock)).command,)
    )

    async def say(text: str, role: Role = Role.OPERATOR, reads: str = "pods", language: str = "en") -> str:
        await store.write(scopes.change(scope_of(ROOM), KNOWLEDGE.name, KNOWLEDGE.parse(reads), who="test"))
        invocation = commands.parse(text)
        assert invocation is not None
        call = Call(1, ROOM, ANNA, role, language, await scopes.of(ROOM, ANNA), clock.now())
        done = await commands.run(invocation, replace(call, arguments=invocation.arguments))
        if done.write is not None:
            await store.write(done.write)
        return done.text

    return say


async def test_the_operator_takes_in_a_folder_and_members_see_it(says: Say, folder: Path, store: Store) -> None:
    told = await says("/kb list", Role.MEMBER)
    assert "no knowledge base" in told
    for way in ("`/kb add <path>`", "the console", "`maodou kb add <path>`"):
        assert way in told
    assert await says(f"/kb add '{folder}'") == "`pods`: 5 added, 0 changed, 0 removed, 0 unchanged; 8 passages now."
    assert await says("/kb list", Role.MEMBER) == "- `pods`: 5 documents, 8 passages"
    assert await says("/知识库 列表", Role.MEMBER, language="zh") == "- `pods`：5 份文档，8 段"
    (change,) = [change for change in await store.read(lambda c: history(c, [GLOBAL])) if change.what == "kb.add"]
    assert (change.who, change.new) == (ANNA.key, {"base": "pods", "path": str(folder)})


async def test_a_room_is_told_only_of_the_bases_that_it_reads(says: Say, library: Library, folder: Path) -> None:
    await asyncio.to_thread(library.add, folder, "pods")
    await asyncio.to_thread(library.add, folder / "docs", "secret")
    assert "secret" not in await says("/kb list", Role.OWNER)
    with pytest.raises(MemberError, match="no base `secret`"):
        await says("/kb status secret", Role.OWNER)
    assert "`secret`: 2 documents, 4 passages (not read here)" in await says("/kb list")


async def test_files_that_were_not_taken_in_are_told_with_their_reasons(says: Say, folder: Path) -> None:
    for number in range(7):
        (folder / f"empty{number}.md").write_text("")
    (folder / "picture.md").write_bytes(b"\x89PNG\x00")
    told = await says(f"/kb add {folder}")
    assert "`picture.md`: it is binary, not text" in told
    assert "and 3 more" in told
    status = await says("/kb status", Role.MODERATOR, language="zh")
    assert "8 份没有收下" in status
    assert "`empty0.md`：文件里没有文字" in status


async def test_a_base_that_the_room_does_not_read_comes_with_the_way_to_it(says: Say, folder: Path) -> None:
    assert "`/settings knowledge pods, manual`" in await says(f"/kb add {folder}/docs manual")


async def test_documents_and_bases_are_taken_out(says: Say, library: Library, folder: Path) -> None:
    await asyncio.to_thread(library.add, folder, "pods")
    assert await says("/kb remove pods docs") == "`pods`: 2 documents taken out."
    assert await says("/kb remove pods") == "`pods`: 3 documents taken out."
    assert await asyncio.to_thread(library.bases) == []


async def test_only_the_operator_changes_bases(says: Say, folder: Path, library: Library) -> None:
    with pytest.raises(NotAllowed):
        await says("/kb remove pods", Role.OWNER)
    told = await says(f"/kb add {folder}/docs/en/install.md", Role.OWNER)
    assert "once a moderator says" in told, "to anybody else a path is a text like any other"
    assert await asyncio.to_thread(library.list, "pods") == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/kb add /nowhere/at/all", "no file or folder"),
        ("/kb add /tmp none", "is reserved and cannot name"),
        ("/kb add /tmp 无", "is reserved and cannot name"),
        ("/kb add /tmp a/b", "cannot name a knowledge base: letters"),
        ("/kb remove beans", "no knowledge base"),
    ],
)
async def test_what_cannot_be_done_is_said(says: Say, line: str, why: str) -> None:
    with pytest.raises(MemberError, match=why):
        await says(line)


async def test_a_repository_comes_beside_the_rooms_and_its_state_is_told(
    says: Say, store: Store, library: Library, clock: ManualClock, tmp_path: Path
) -> None:
    address = tmp_path / "docs.git"
    await asyncio.to_thread(address.mkdir)
    assert "follows" in await says(f"/kb add {address}")
    sources = Sources(library, clock)
    (source,) = await asyncio.to_thread(sources.due)
    await asyncio.to_thread(sources.sync, source)
    assert "failed: git: " in await says("/kb status", Role.MODERATOR)
    with pytest.raises(MemberError, match="over https"):
        await says("/kb add http://example.org/docs.git")
