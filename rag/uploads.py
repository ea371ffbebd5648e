"""Documents from members: read at once, kept aside until a moderator of their room says yes.

What waits is in no index and answers nobody. What is approved goes on the shelf under its member's name
(``kb_documents.added_by``), below the operators' documents: :mod:`rag.retrieve` limits how much of it is found, and
:mod:`rag.knowledge` asks it only where theirs have no answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from bot.errors import MemberError, UsageError
from bot.event import Member, Room
from bot.retention import Eraser
from bot.store import Store
from bot.texts import Text
from rag import readers
from rag.library import Library
from rag.readers import REFUSALS, Refused
from rag.tables import bases, documents, uploads
from rag.writing import base_id_of, raise_watermark

ROOT = "member:"
"""With the member's key behind it: where their documents come from, in ``kb_documents.root``. No folder begins so."""
FORGOTTEN = "forgotten"
"""Whose a document is after its member asked to be forgotten: nobody's name, and still no operator's."""

OPENING_CHARS = 300
MAX_NAME_CHARS = 60
MIN_TEXT_CHARS = 20
"""A shorter text typed into ``/kb add`` is a slip."""

TOO_MANY_OF_YOURS = Text(
    zh="你已经有 {count} 份文档在等协管员确认，等他们看过再添加吧。",
    en="{count} of your documents are waiting for a moderator already: more after that, please.",
)
TOO_MANY = Text(
    zh="等待确认的文档太多了，请协管员先处理（`/kb pending`）。",
    en="Too many documents are waiting already; a moderator has to look at them first (`/kb pending`).",
)
TOO_LARGE = Text(zh="`{name}` 太大了，最多 {most} KB。", en="`{name}` is too large: at most {most} KB.")
NOT_READABLE = Text(zh="`{name}` 没有收下：{reason}", en="`{name}` was not taken in: {reason}")
TOO_SHORT = Text(
    zh="这段文字太短了，至少 {least} 个字。也可以附上文件，或者回复一条带文件的消息。",
    en="That text is too short: at least {least} characters. Or attach a file, or reply to a message that has one.",
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A document that waits. ``replaces``: it is a new version of one that its member gave before."""

    id: int
    base: str
    name: str
    bytes: int
    opening: str
    room: str
    member: str
    member_name: str
    at: float
    replaces: bool = False


class Uploads:
    """Its methods block: call them from a command or a worker thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._store: Store = library.store
        self._settings = library.settings

    def offer(
        self,
        base: str,
        name: str,
        data: bytes,
        *,
        room: Room,
        member: Member,
        at: float,
        message_id: str = "",
        file_message_id: str = "",
    ) -> int:
        """Keep a document aside; its number. ``message_id``, ``file_message_id``: of the command and of the message
        that carries the file; when one of them is taken back, what waits goes. Raises ``MemberError`` for what cannot
        be read, and for too much.
        """
        name = plain_name(name)
        if len(data) > self._settings.max_upload_bytes:
            raise MemberError(TOO_LARGE, name=name, most=self._settings.max_upload_bytes // 1_024)
        opening = self._opening(name, data)
        row = {
            "name": name,
            "data": data,
            "bytes": len(data),
            "opening": opening,
            "room": room.key,
            "member": member.key,
            "member_name": member.name,
            "at": at,
            "message_id": message_id,
            "file_message_id": file_message_id,
        }

        def write(connection: Connection) -> int:
            waiting = select(func.count()).select_from(uploads)
            of_member = int(connection.scalar(waiting.where(uploads.c.member == member.key)) or 0)
            if of_member >= self._settings.uploads_pending_per_member:
                raise MemberError(TOO_MANY_OF_YOURS, count=of_member)
            if int(connection.scalar(waiting) or 0) >= self._settings.uploads_pending:
                raise MemberError(TOO_MANY)
            base_id = base_id_of(connection, base)
            same = (uploads.c.member == member.key) & (uploads.c.name == name) & (uploads.c.base_id == base_id)
            connection.execute(delete(uploads).where(same))  # the newer version waits in its place
            row_id = connection.execute(insert(uploads).values(base_id=base_id, **row).returning(uploads.c.id))
            return int(row_id.scalar_one())

        return self._store.write_now(write)

    def _opening(self, name: str, data: bytes) -> str:
        try:
            text = readers.text_of(name, data, self._settings.reading)
        except Refused as refused:
            reason = REFUSALS[refused.reason]
            said = Text(
                zh=NOT_READABLE.in_language("zh", name=name, reason=reason.zh),
                en=NOT_READABLE.in_language("en", name=name, reason=reason.en),
            )
            raise MemberError(said) from None
        return " ".join(text.split())[:OPENING_CHARS]

    def pending(self, room_key: str | None = None) -> list[Upload]:
        """What waits, the oldest first: of a room, or of all."""
        replaces = (
            select(documents.c.id)
            .where(
                documents.c.base_id == uploads.c.base_id,
                documents.c.root == ROOT + uploads.c.member,
                documents.c.source == uploads.c.name,
            )
            .exists()
        )
        shown = [column for column in uploads.c if column is not uploads.c.data]
        query = (
            select(*shown, bases.c.name.label("base"), replaces.label("replaces")).join(bases).order_by(uploads.c.id)
        )
        if room_key is not None:
            query = query.where(uploads.c.room == room_key)
        rows: Sequence[Any] = self._store.read_now(lambda connection: connection.execute(query).all())
        return [
            Upload(
                row.id,
                row.base,
                row.name,
                row.bytes,
                row.opening,
                row.room,
                row.member,
                row.member_name,
                row.at,
                bool(row.replaces),
            )
            for row in rows
        ]

    def approve(self, number: int) -> Upload:
        """Put a document on the shelf, as its member's. Raises ``UsageError`` when it does not wait any more."""
        upload = self._one(number)
        data: bytes | None = self._store.read_now(
            lambda connection: connection.scalar(select(uploads.c.data).where(uploads.c.id == number))
        )
        if data is None:
            raise _gone(number)

        def taken(connection: Connection) -> None:
            """Turned down, taken back or forgotten while it was read: then it does not go on the shelf."""
            if not connection.execute(delete(uploads).where(uploads.c.id == number)).rowcount:
                raise _gone(number)

        root = ROOT + upload.member
        self._library.put(upload.base, upload.name, data, root=root, added_by=upload.member, together=taken)
        return upload

    def reject(self, number: int) -> Upload:
        """Drop a document that waits. Raises ``UsageError`` when it does not wait any more."""
        upload = self._one(number)
        dropped = delete(uploads).where(uploads.c.id == number)
        if not self._store.write_now(lambda connection: connection.execute(dropped).rowcount):
            raise _gone(number)
        return upload

    def _one(self, number: int) -> Upload:
        for upload in self.pending():
            if upload.id == number:
                return upload
        raise _gone(number)


def _gone(number: int) -> UsageError:
    return UsageError(f"Document {number} does not wait for approval (any more).")


def plain_name(name: str) -> str:
    """The last part of a name that a member's client sent: never a path, short, one line."""
    last = re.split(r"[/\\]", name.replace("\0", ""))[-1]
    last = " ".join("".join(char for char in last if char.isprintable() and char not in "`*[]<>|").split())
    stem, dot, ending = last.rpartition(".")
    if not dot or not stem.strip("."):
        return f"{last.strip('.')[:MAX_NAME_CHARS] or 'document'}.txt"
    return f"{stem.lstrip('.')[:MAX_NAME_CHARS]}.{ending[:10]}"


def named_after(text: str) -> str:
    """A file's name for a typed text: its first line."""
    first = next((line for line in text.splitlines() if line.strip()), "").strip("# \t")
    words = re.sub(r"[^\w\u3400-\u9fff-]+", " ", first).strip()[:40]
    return f"{words or 'text'}.md"


def as_document(text: str) -> bytes:
    """A typed text as a file. Raises ``MemberError`` when it says too little."""
    if len("".join(text.split())) < MIN_TEXT_CHARS:
        raise MemberError(TOO_SHORT, least=MIN_TEXT_CHARS)
    return text.encode()


# ── what is forgotten ────────────────────────────────────────────────────────────────────────────────────


def _forget_member(connection: Connection, member: str) -> int:
    """What waits goes; what a moderator approved is the community's by now, and loses its member's name."""
    gone = connection.execute(delete(uploads).where(uploads.c.member == member)).rowcount
    theirs = update(documents).where(documents.c.added_by == member)
    nobodys = {"added_by": FORGOTTEN, "root": f"{ROOT}{FORGOTTEN}"}
    found = connection.execute(select(documents.c.id, documents.c.base_id).where(documents.c.added_by == member)).all()
    ids = [row.id for row in found]
    for base_id in {row.base_id for row in found}:  # an index remembers whose each document is
        raise_watermark(connection, base_id)
    for number in ids:  # two members may have given files of one name
        row = {**nobodys, "root": f"{ROOT}{FORGOTTEN}:{number}"}
        connection.execute(theirs.where(documents.c.id == number).values(**row))
    return gone + len(ids)


def _forget_message(connection: Connection, room_key: str, message_id: str) -> int:
    """What waits and came with a message that was taken back; what a moderator approved stays."""
    came_with = or_(uploads.c.message_id == message_id, uploads.c.file_message_id == message_id)
    return connection.execute(delete(uploads).where(uploads.c.room == room_key, came_with)).rowcount


def _forget_old(connection: Connection, before: float, most: int) -> int:
    ids = connection.scalars(select(uploads.c.id).where(uploads.c.at < before).limit(most)).all()
    return connection.execute(delete(uploads).where(uploads.c.id.in_(ids))).rowcount if ids else 0


UPLOADS = Eraser(
    Text(zh="提交的文档", en="documents given"),
    of_member=_forget_member,
    of_message=_forget_message,
    older_than=_forget_old,
)
