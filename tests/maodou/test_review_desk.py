"""What waits for a person, in the console: documents from members, answers called wrong, sources."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.errors import UsageError
from bot.event import Member, Room
from bot.store import Store
from bot.tables import audit
from maodou.desk import LibraryDesk
from maodou.review_desk import KnowledgeReview
from rag import cases
from rag.cases import Ruled, Wrong
from rag.library import Library
from rag.settings import KnowledgeSettings
from rag.sources import Sources
from rag.uploads import Uploads
from tests.clock import ManualClock

ROOM = Room("web", "garden")
BEN = Member("web", "ben", "Ben")


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store, KnowledgeSettings())


@pytest.fixture
def desk(library: Library, store: Store, clock: ManualClock) -> KnowledgeReview:
    return KnowledgeReview(Uploads(library), Sources(library, clock), store, clock)


async def give(desk: KnowledgeReview, name: str) -> int:
    text = b"# Frost\n\nBring the beans in.\n"
    offer = lambda: desk.kept_aside.offer("pods", name, text, room=ROOM, member=BEN, at=1.0)  # noqa: E731
    return await asyncio.to_thread(offer)


async def test_documents_from_members_are_taken_in_or_turned_down(
    desk: KnowledgeReview, library: Library, store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    first, second = await give(desk, "a.md"), await give(desk, "b.md")
    assert [row[1:4] for row in await desk.uploads()] == [("a.md", "pods", "Ben"), ("b.md", "pods", "Ben")]
    assert "taken in" in await desk.decide(first, take=True, who="web:op")
    assert "turned down" in await desk.decide(second, take=False, who="web:op")
    assert await desk.uploads() == []
    with pytest.raises(UsageError, match="does not wait"):
        await desk.decide(first, take=True, who="web:op")
    (shown,) = await LibraryDesk(library, store, clock, tmp_path / "documents").documents("pods")
    assert (shown.source, shown.reason) == ("a.md", "成员提交 · from a member: web:ben")
    whats = await store.read(lambda connection: connection.scalars(select(audit.c.what)).all())
    assert list(whats) == ["kb.approve", "kb.reject"]


async def test_cases_of_all_rooms_are_ruled_upon(desk: KnowledgeReview, store: Store) -> None:
    wrong = Wrong(
        "m1", "web:anna", "When?", (), True, "In **June**. [1]\n\n**Sources**\n\n- [1] beans.md", ("beans.md",)
    )
    number = await store.write(
        lambda connection: cases.report(
            connection, room=ROOM, wrong=wrong, bases=["pods"], note="May", by=BEN.key, at=1.0
        )
    )
    assert await desk.cases() == [(number, "When?", "In June. [1]", "beans.md", "May")]
    with pytest.raises(UsageError, match="which file"):
        await desk.rule(number, "answer", "", "web:op")
    with pytest.raises(UsageError, match="no case 99"):
        await desk.rule(99, "silent", "", "web:op")
    await desk.rule(number, "answer", "zh/beans.md, en/beans.md", "web:op")
    assert await desk.cases() == []
    (case,) = await store.read(cases.listed)
    assert (case.verdict, case.source) == (Ruled.ANSWER, ("zh/beans.md", "en/beans.md"))


async def test_sources_are_asked_for_and_ended(desk: KnowledgeReview, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    source = await asyncio.to_thread(desk.followed.add, "pods", str(tmp_path / "docs"), 3_600)
    await asyncio.to_thread(desk.followed.sync, source)
    assert await desk.sources() == [
        (source.id, "pods", str(tmp_path / "docs"), "ok (1 h)", "no document found; 0 passages.")
    ]
    await desk.sync(source.id, end=False)
    assert len(await asyncio.to_thread(desk.followed.due)) == 1
    assert "it will end" in await desk.sync(source.id, end=True)
    with pytest.raises(UsageError, match="no source 99"):
        await desk.sync(99, end=False)
