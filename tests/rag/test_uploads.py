"""Documents from members: kept aside, approved by somebody else, and never in the way of what operators gave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.commands import Commands
from bot.errors import PlatformError, UsageError
from bot.event import Attachment, AttachmentKind, Member, Role, Room, RoomKind
from bot.retention import Retention
from bot.room_settings import CORE_SETTINGS, KNOWLEDGE
from bot.scopes import Scopes, scope_of
from bot.store import Store, StoreSettings, make_engine, metadata
from bot.testing import Bot, PaperPlatform
from rag.commands import KnowledgeCommands
from rag.indexes import Indexes
from rag.library import Library
from rag.room_settings import KNOWLEDGE_SETTINGS, UPLOADS
from rag.settings import KnowledgeSettings
from rag.sources import Sources
from rag.upload_commands import UploadCommands
from rag.uploads import UPLOADS as ERASER
from rag.uploads import Uploads, named_after, plain_name
from tests.clock import ManualClock

GARDEN = "# Frost\n\nBring the beans in when the ground freezes, or cover them with straw.\n"
ROOM = Room("paper", "r1")


@dataclass(slots=True)
class WithFiles(PaperPlatform):
    """A platform whose attachments lie in memory, by their ``ref``."""

    files: dict[str, bytes] = field(default_factory=dict)

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        if attachment.ref not in self.files:
            raise PlatformError("gone")
        path = into / "fetched"
        await asyncio.to_thread(path.write_bytes, self.files[attachment.ref])
        return path


@pytest.fixture
def settings() -> KnowledgeSettings:
    return KnowledgeSettings(uploads_pending_per_member=2, uploads_pending=3, max_upload_bytes=10_000)


@pytest.fixture
def platform() -> WithFiles:
    roles = {"mia": Role.MODERATOR, "max": Role.MODERATOR, "ada": Role.ADMIN}
    return WithFiles(roles=roles, files={"a": GARDEN.encode(), "broken": b"%PDF-1.7 nothing", "big": b"x" * 20_000})


@pytest.fixture
async def bot(store: Store, clock: ManualClock, library: Library, platform: WithFiles) -> AsyncIterator[Bot]:
    scopes = Scopes(store, clock, (*CORE_SETTINGS, *KNOWLEDGE_SETTINGS))
    uploads = UploadCommands(store, library, {platform.name: platform})
    commands = Commands((KnowledgeCommands(library, uploads, Sources(library, clock)).command,))
    async with Bot(store, clock, platform=platform, commands=commands, scopes=scopes) as opened:
        yield opened


def attached(ref: str, name: str) -> tuple[Attachment, ...]:
    return (Attachment(AttachmentKind.FILE, ref, name),)


async def documents(library: Library) -> list[tuple[str, str, str]]:
    found = await asyncio.to_thread(library.bases)
    each = [await asyncio.to_thread(library.list, base.name) for base in found]
    return [(document.source, document.added_by, document.trust) for some in each for document in some]


async def test_an_attached_file_waits_until_a_moderator_approves_it(bot: Bot, library: Library) -> None:
    room = bot.room()
    await room.says("/kb add", by="ben", attachments=attached("a", "frost.md"))
    room.heard("Received `frost.md` (number 1)")
    assert await documents(library) == [], "nothing of it is found before"
    await room.says("/kb pending", by="ben")
    room.heard("is for")
    await room.says("/kb pending", by="mia")
    assert "Bring the beans in" in room.heard("**1** `frost.md`")
    await room.says("/kb approve 1", by="mia")
    room.heard("took in `frost.md`")
    assert await documents(library) == [("frost.md", "paper:ben", "member")]
    await room.says("/kb approve 1", by="mia")
    room.heard("No document 1")


async def test_a_reply_to_a_file_and_a_typed_text_are_documents_too(bot: Bot, library: Library) -> None:
    room = bot.room()
    sent = await room.says("看看这个", by="cleo", attachments=attached("a", "frost.md"))
    await room.says("/kb add", by="ben", reply_to=sent)
    room.heard("frost.md")
    await room.says("/kb add 浇水时间\n\n豆子每天早上浇一次水，下雨天不用浇，盆栽两天一次。", by="ben")
    room.heard("浇水时间.md")
    await room.says("/kb approve 2", by="mia")
    assert await documents(library) == [("浇水时间.md", "paper:ben", "member")]


async def test_what_is_turned_down_is_gone(bot: Bot, library: Library) -> None:
    room = bot.room()
    await room.says("/kb add", by="ben", attachments=attached("a", "frost.md"))
    await room.says("/kb reject 1", by="mia")
    room.heard("turned down")
    await room.says("/kb pending", by="mia")
    room.heard("No document is waiting")
    assert await documents(library) == []


def test_nothing_of_what_is_turned_down_is_left_in_the_file(tmp_path: Path) -> None:
    settings = StoreSettings(f"sqlite:///{tmp_path}/maodou.db")
    engine = make_engine(settings)
    metadata.create_all(engine)
    engine.dispose()
    told = b"Bring the beans in. " * 400
    store = Store.open(settings)
    uploads = Uploads(Library(store, KnowledgeSettings()))
    uploads.reject(uploads.offer("pods", "a.md", told, room=ROOM, member=Member("paper", "ben", "Ben"), at=1.0))
    store.close()
    assert told[:20] not in (tmp_path / "maodou.db").read_bytes()


async def test_nobody_approves_a_document_of_their_own(bot: Bot, library: Library) -> None:
    room = bot.room()
    await room.says("/kb add", by="mia", attachments=attached("a", "frost.md"))
    await room.says("/kb approve 1", by="mia")
    room.heard("another moderator")
    await room.says("/kb approve 1", by="max")
    room.heard("took in")


async def test_in_a_direct_room_nobody_but_the_operator_decides(bot: Bot, library: Library) -> None:
    room = bot.room("dm", kind=RoomKind.DIRECT)
    await room.says("/kb add", by="ben", attachments=attached("a", "frost.md"))
    await room.says("/kb approve 1", by="max")
    room.heard("operator")
    assert await documents(library) == []


async def test_another_rooms_moderators_see_nothing_of_it(bot: Bot, library: Library) -> None:
    room, other = bot.room(), bot.room("r2")
    await room.says("/kb add", by="ben", attachments=attached("a", "frost.md"))
    await other.says("/kb pending", by="mia")
    other.heard("No document is waiting")
    await other.says("/kb approve 1", by="mia")
    other.heard("No document 1")


async def test_who_may_give_is_a_setting(bot: Bot, store: Store) -> None:
    room = bot.room()
    for givers, by, heard in (
        ("moderators", "ben", "is for"),
        ("moderators", "mia", "Received"),
        ("nobody", "ada", "is for"),
    ):
        await store.write(bot.core.scopes.change(scope_of(ROOM), UPLOADS.name, givers, who="test"))
        await room.says("/kb add", by=by, attachments=attached("a", f"{givers}.md"))
        room.heard(heard)


@pytest.mark.parametrize(
    ("ref", "name", "line", "why"),
    [
        ("broken", "a.pdf", "/kb add", "a.pdf` was not taken in: "),
        ("a", "a.exe", "/kb add", "a.exe` was not taken in: "),
        ("big", "a.md", "/kb add", "too large: at most 9 KB"),
        ("gone", "a.md", "/kb add", "could not be downloaded"),
        ("", "", "/kb add too short", "too short"),
        ("", "", "/kb add", "Add what?"),
    ],
)
async def test_what_cannot_be_taken_says_why(bot: Bot, ref: str, name: str, line: str, why: str) -> None:
    room = bot.room()
    await room.says(line, by="ben", attachments=attached(ref, name) if ref else ())
    room.heard(why)


async def test_what_waits_is_bounded_for_a_member_and_for_all(bot: Bot) -> None:
    room = bot.room()
    for by, name, heard in (
        ("ben", "1.md", "Received"),
        ("ben", "2.md", "Received"),
        ("ben", "3.md", "2 of your documents"),
        ("cleo", "3.md", "Received"),
        ("dora", "4.md", "Too many documents"),
    ):
        await room.says("/kb add", by=by, attachments=attached("a", name))
        room.heard(heard)


async def test_a_new_version_takes_its_own_place_and_nobody_elses(bot: Bot, library: Library, folder: Path) -> None:
    await asyncio.to_thread(library.add, folder, "default")
    room = bot.room()
    before = len(await documents(library))
    for by in ("ben", "ben", "cleo"):
        await room.says("/kb add", by=by, attachments=attached("a", "notes.txt"))
        await room.says("/kb pending", by="mia")
        number = room.heard("notes.txt").partition("**")[2].partition("**")[0]
        await room.says(f"/kb approve {number}", by="mia")
        room.heard("took in")
    theirs = [(source, by) for source, by, _ in await documents(library) if source == "notes.txt"]
    assert sorted(by for _, by in theirs) == ["", "paper:ben", "paper:cleo"]
    assert len(await documents(library)) == before + 2


async def test_the_operator_gives_without_waiting(bot: Bot, library: Library, store: Store, clock: ManualClock) -> None:
    room = bot.room()
    await store.write(bot.core.scopes.change(scope_of(ROOM), KNOWLEDGE.name, ["pods"], who="test"))
    bot.core.rights._operators = frozenset({"paper:olga"})
    await room.says("/kb add", by="olga", attachments=attached("a", "frost.md"))
    room.heard("`pods`: took in `frost.md`")
    assert await documents(library) == [("frost.md", "", "operator")]


async def test_a_forgotten_member_leaves_the_document_and_not_the_name(
    store: Store, clock: ManualClock, library: Library
) -> None:
    uploads = Uploads(library)
    ben = Member("paper", "ben", "Ben")

    def give(name: str, text: str = GARDEN) -> int:
        return uploads.offer("pods", name, text.encode(), room=ROOM, member=ben, at=clock.now())

    first = await asyncio.to_thread(give, "a.md")
    await asyncio.to_thread(uploads.approve, first)
    await asyncio.to_thread(give, "b.md")
    indexes = Indexes(store, library.settings)
    await asyncio.to_thread(indexes.open)
    await store.write(Retention(store, clock, erasers=(ERASER,)).erase_member(ben))
    assert await asyncio.to_thread(indexes.refresh)
    assert list(indexes.current["pods"].givers.values()) == ["forgotten"], "an index forgets the name, too"
    assert await asyncio.to_thread(uploads.pending) == []
    assert await documents(library) == [("a.md", "forgotten", "member")], "it does not become an operator's"


async def test_what_waits_goes_with_the_message_that_brought_it(bot: Bot, store: Store, clock: ManualClock) -> None:
    retention = Retention(store, clock, erasers=(ERASER,))
    room = bot.room()
    sent = await room.says("看看这个", by="cleo", attachments=attached("a", "frost.md"))
    given = [
        await room.says("/kb add", by="ben", attachments=attached("a", "own.md")),
        await room.says("/kb add 浇水时间\n\n豆子每天早上浇一次水，下雨天不用浇，盆栽两天一次。", by="ben"),
        await room.says("/kb add", by="eva", reply_to=sent),
    ]
    uploads = Uploads(Library(store, KnowledgeSettings()))
    assert len(await asyncio.to_thread(uploads.pending)) == 3
    for message in (given[0], given[1], sent):
        await store.write(retention.erase_message(room.room, message))
    assert await asyncio.to_thread(uploads.pending) == []


async def test_what_is_turned_down_while_it_is_taken_in_stays_out(library: Library, clock: ManualClock) -> None:
    uploads = Uploads(library)
    ben = Member("paper", "ben", "Ben")
    number = await asyncio.to_thread(
        lambda: uploads.offer("pods", "a.md", GARDEN.encode(), room=ROOM, member=ben, at=clock.now())
    )
    put = library.put

    def late(*given: Any, **more: Any) -> int:
        uploads.reject(number)
        return put(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "put", late)
        with pytest.raises(UsageError, match="does not wait"):
            await asyncio.to_thread(uploads.approve, number)
    assert await documents(library) == []


async def test_a_room_approves_nothing_for_a_base_that_it_reads_no_more(
    bot: Bot, store: Store, library: Library
) -> None:
    room = bot.room()
    await room.says("/kb add", by="ben", attachments=attached("a", "frost.md"))
    await store.write(bot.core.scopes.change(scope_of(ROOM), KNOWLEDGE.name, ["other"], who="test"))
    await room.says("/kb approve 1", by="mia")
    room.heard("does not read `default` any more")
    assert await documents(library) == []


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/passwd.md", "passwd.md"),
        ("C:\\docs\\手册.pdf", "手册.pdf"),
        (".md", "md.txt"),
        ("", "document.txt"),
        ("a`b*[c]\n.md", "abc.md"),
        ("x" * 200 + ".markdown", "x" * 60 + ".markdown"),
    ],
)
def test_a_name_is_a_name_and_no_path(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_a_text_is_named_after_its_first_line() -> None:
    assert named_after("\n## How to water?\n\nDaily.") == "How to water.md"
    assert named_after("！！！") == "text.md"
