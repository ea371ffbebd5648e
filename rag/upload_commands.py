"""``/kb add`` for members, ``/kb pending``, ``/kb approve`` and ``/kb reject``: a document on its way to the shelf.

It waits in the room where it was given, for a moderator of that room who is somebody else. Where one person alone
talks with us (a direct room) that person is no moderator of anything: there the operator decides.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, select

from bot import audit
from bot.commands import Argument, BadArguments, Call, Command, Done, both, not_allowed
from bot.errors import MemberError, PlatformError, UsageError
from bot.event import Attachment, AttachmentKind, Edited, Role, RoomKind, Said, load_event
from bot.ports import Platform
from bot.room_settings import KNOWLEDGE, one_line
from bot.scopes import scope_of
from bot.store import Operation, Store
from bot.tables import inbox
from bot.texts import Text
from rag.library import Library
from rag.readers import REFUSALS, Refused
from rag.room_settings import UPLOADS
from rag.uploads import NOT_READABLE, Upload, Uploads, as_document, named_after, plain_name

MAX_FILES = 5
SHOWN_UPLOADS = 5
SHOWN_CHARS = 160
GIVEN = "given"
"""As ``kb_documents.root``: documents that an operator gave in a room."""

PENDING_ABOUT = Text(zh="等待确认的文档", en="documents that wait for a moderator")
APPROVE_ABOUT = Text(zh="同意收下一份文档", en="take in a document that waits")
REJECT_ABOUT = Text(zh="不收一份文档", en="turn down a document that waits")
NUMBER_ABOUT = Text(zh="文档的编号", en="the document's number")

NOTHING_GIVEN = Text(
    zh="要添加什么？附上文件，回复一条带文件的消息，或者把文字写在 `/kb add` 后面。运营者也可以写机器上的路径。",
    en="Add what? Attach a file, reply to a message that has one, or write the text behind `/kb add`. The operator can "
    "also name a path on the machine.",
)
TOO_MANY_FILES = Text(zh="一次最多 {most} 个文件。", en="At most {most} files at once.")
NOT_FETCHED = Text(zh="`{name}` 没有下载成功，请再试一次。", en="`{name}` could not be downloaded: please try again.")
NO_BASE_HERE = Text(zh="这里还没有读任何知识库。", en="This room reads no knowledge base.")
WAITS = Text(
    zh="收到 `{name}`（第 {id} 号），等协管员确认后就能用来回答（`/kb approve {id}`）。",
    en="Received `{name}` (number {id}). It answers questions once a moderator says `/kb approve {id}`.",
)
TAKEN_IN = Text(zh="`{base}`：收下了 `{name}`。", en="`{base}`: took in `{name}`.")
NOTHING_WAITS = Text(zh="没有等待确认的文档。", en="No document is waiting.")
LINE = Text(
    zh="**第 {id} 号** `{name}`（{kb} KB，{who} 提交到 `{base}`{new}）\n  {opening}",
    en="**{id}** `{name}` ({kb} KB, from {who}, for `{base}`{new})\n  {opening}",
)
REPLACES = Text(zh="，替换旧版", en=", a new version")
MORE = Text(zh="还有 {count} 份。", en="And {count} more.")
HOW = Text(
    zh="`/kb approve <编号>` 收下，`/kb reject <编号>` 不收。",
    en="`/kb approve <number>` takes one in, `/kb reject <number>` turns it down.",
)
NOT_HERE = Text(zh="这里没有第 {id} 号文档在等待。", en="No document {id} is waiting here.")
NOT_YOUR_OWN = Text(
    zh="自己提交的文档要由别的协管员确认。", en="A document of your own needs another moderator to say so."
)
READ_NO_MORE = Text(
    zh="这里已经不读知识库 `{base}` 了，不能再往里面收文档。",
    en="This room does not read `{base}` any more, and takes nothing in for it.",
)
REJECTED = Text(zh="`{name}` 没有收下，已删除。", en="`{name}` was turned down and is gone.")


class UploadCommands:
    """``family`` belongs under ``/kb``, whose ``add`` calls :meth:`files` and :meth:`offer`."""

    def __init__(self, store: Store, library: Library, platforms: Mapping[str, Platform]) -> None:
        self._store = store
        self._library = library
        self._platforms = platforms
        self._uploads = Uploads(library)
        number = (Argument("number", NUMBER_ABOUT),)
        self.family = (
            Command("pending", PENDING_ABOUT, self.pending, role=Role.MODERATOR, aliases=("待确认",)),
            Command("approve", APPROVE_ABOUT, self.approve, role=Role.MODERATOR, arguments=number, aliases=("同意",)),
            Command("reject", REJECT_ABOUT, self.reject, role=Role.MODERATOR, arguments=number, aliases=("不收",)),
        )

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────

    async def files(self, call: Call) -> tuple[Attachment, ...]:
        """The files that a call brings along: with its own message, or with the one that it replies to."""
        found = _files(call.attachments)
        if not found and call.reply_to is not None:
            found = _files(await self._store.read(_attachments_of(call.room.key, call.reply_to)))
        return found

    async def offer(self, call: Call, text: str, files: Sequence[Attachment]) -> Done:
        """Keep what a member gives aside; what an operator gives goes on the shelf at once."""
        givers = call.values[UPLOADS]
        if call.role < givers.role:
            raise not_allowed(("kb", "add"), givers.role, call.role)
        reads = call.values[KNOWLEDGE]
        if not reads:
            raise MemberError(NO_BASE_HERE)
        if len(files) > MAX_FILES:
            raise MemberError(TOO_MANY_FILES, most=MAX_FILES)
        given = [(file.name or "document", await self._fetched(call, file)) for file in files]
        if not given and text:
            given = [(named_after(text), as_document(text))]
        if not given:
            raise BadArguments(NOTHING_GIVEN)
        lines = [await asyncio.to_thread(self._give, call, reads[0], name, data) for name, data in given]
        names = [plain_name(name) for name, _ in given]
        what = "kb.add" if call.role >= Role.OPERATOR else "kb.give"
        return Done(
            "\n".join(lines), write=audit.noted(call, scope_of(call.room), what, {"base": reads[0], "files": names})
        )

    def _give(self, call: Call, base: str, name: str, data: bytes) -> str:
        if call.role < Role.OPERATOR:
            carried_by = call.message_id if _files(call.attachments) else call.reply_to
            number = self._uploads.offer(
                base,
                name,
                data,
                room=call.room,
                member=call.member,
                at=call.at,
                message_id=call.message_id or "",
                file_message_id=carried_by or "",
            )
            return WAITS.in_language(call.language, name=plain_name(name), id=number)
        name = plain_name(name)
        try:
            self._library.put(base, name, data, root=GIVEN, added_by="")
        except Refused as refused:
            reason = REFUSALS[refused.reason]
            raise MemberError(both(NOT_READABLE, name=name, reason=reason)) from None
        return TAKEN_IN.in_language(call.language, base=base, name=name)

    async def _fetched(self, call: Call, file: Attachment) -> bytes:
        most = self._library.settings.max_upload_bytes
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="maodou-upload-")
        try:
            path = await self._platforms[call.room.platform].fetch(file, Path(folder.name), most)
            return await asyncio.to_thread(_bytes, path, most)
        except (PlatformError, OSError):
            raise MemberError(NOT_FETCHED, name=one_line(file.name)) from None
        finally:
            await asyncio.to_thread(folder.cleanup)

    # ── what moderators do ───────────────────────────────────────────────────────────────────────────────

    async def pending(self, call: Call) -> Done:
        waiting = await asyncio.to_thread(self._uploads.pending, call.room.key)
        if not waiting:
            return Done(NOTHING_WAITS.in_language(call.language))
        lines = [_told(call.language, each) for each in waiting[:SHOWN_UPLOADS]]
        if len(waiting) > SHOWN_UPLOADS:
            lines.append(MORE.in_language(call.language, count=len(waiting) - SHOWN_UPLOADS))
        return Done("\n\n".join([*lines, HOW.in_language(call.language)]))

    async def approve(self, call: Call) -> Done:
        upload = await self._chosen(call)
        if upload.base not in call.values[KNOWLEDGE] and call.role < Role.OPERATOR:
            raise MemberError(READ_NO_MORE, base=upload.base)
        if upload.member == call.member.key and call.role < Role.ADMIN:
            raise MemberError(NOT_YOUR_OWN)
        try:
            await asyncio.to_thread(self._uploads.approve, upload.id)
        except (UsageError, Refused):  # somebody was faster, or a limit was changed meanwhile
            raise BadArguments(NOT_HERE, id=upload.id) from None
        text = TAKEN_IN.in_language(call.language, base=upload.base, name=upload.name)
        return Done(text, write=audit.noted(call, scope_of(call.room), "kb.approve", _what(upload)))

    async def reject(self, call: Call) -> Done:
        upload = await self._chosen(call)
        try:
            await asyncio.to_thread(self._uploads.reject, upload.id)
        except UsageError:
            raise BadArguments(NOT_HERE, id=upload.id) from None
        text = REJECTED.in_language(call.language, name=upload.name)
        return Done(text, write=audit.noted(call, scope_of(call.room), "kb.reject", _what(upload)))

    async def _chosen(self, call: Call) -> Upload:
        if call.room.kind is RoomKind.DIRECT and call.role < Role.OPERATOR:
            raise not_allowed(("kb", "approve"), Role.OPERATOR, Role.MEMBER)
        typed = call.arguments["number"].lstrip("#")
        for upload in await asyncio.to_thread(self._uploads.pending, call.room.key):
            if typed == str(upload.id):
                return upload
        raise BadArguments(NOT_HERE, id=one_line(typed))


def _files(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    return tuple(each for each in attachments if each.kind is AttachmentKind.FILE)


def _attachments_of(room_key: str, message_id: str) -> Operation[tuple[Attachment, ...]]:
    here = (inbox.c.room == room_key) & (inbox.c.message_id == message_id) & inbox.c.payload.is_not(None)
    query = select(inbox.c.payload).where(here, inbox.c.kind.in_(("said", "edited"))).order_by(inbox.c.id.desc())

    def read(connection: Connection) -> tuple[Attachment, ...]:
        payload = connection.scalar(query.limit(1))
        event = load_event(payload) if payload is not None else None
        return event.message.attachments if isinstance(event, Said | Edited) else ()

    return read


def _bytes(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most + 1)


def _told(language: str, upload: Upload) -> str:
    return LINE.in_language(
        language,
        id=upload.id,
        name=upload.name,
        kb=max(1, upload.bytes // 1_024),
        who=one_line(upload.member_name or upload.member),
        base=upload.base,
        new=REPLACES.in_language(language) if upload.replaces else "",
        opening=one_line(upload.opening, SHOWN_CHARS),
    )


def _what(upload: Upload) -> dict[str, object]:
    return {"base": upload.base, "file": upload.name, "from": upload.member}
