"""The room's messages as they are kept: one row each in ``web_messages``.

Every function here is an operation for :class:`bot.store.Store`: it takes a connection, and is run by the
writer (or a reader) in its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from adapters.web.files import KeptFile
from adapters.web.tables import web_members, web_messages, web_reactions
from bot.event import AttachmentKind
from bot.store import insert_once


@dataclass(frozen=True, slots=True)
class Draft:
    """What is written into the room: by a member, or by us (``author`` None). ``key`` makes it once."""

    room: str
    key: str
    author: str | None
    author_name: str
    text: str
    sent_at: float
    reply_to: int | None = None
    files: tuple[KeptFile, ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A message of the room. ``author`` None: ours. ``reactions``: emoji → ids of the members."""

    id: int
    room: str
    key: str
    author: str | None
    author_name: str
    text: str
    sent_at: float
    reply_to: int | None
    edited_at: float | None
    recalled_at: float | None
    taken: bool
    files: tuple[KeptFile, ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write_draft(connection: Connection, draft: Draft) -> tuple[Kept, bool]:
    """The message of this draft, and whether it is new. The same key finds the first message."""
    row = {
        "room": draft.room,
        "key": draft.key,
        "author": draft.author,
        "author_name": draft.author_name,
        "text": draft.text,
        "content": {"files": [file.as_json() for file in draft.files], "buttons": [list(b) for b in draft.buttons]},
        "reply_to": draft.reply_to,
        "sent_at": draft.sent_at,
        "taken": draft.taken,
    }
    new_id = insert_once(connection, web_messages, row, returning=web_messages.c.id)
    same = web_messages.c.id == new_id if new_id is not None else web_messages.c.key == draft.key
    found = connection.execute(select(web_messages).where(same)).mappings().one()
    return _kept(connection, [found])[0], new_id is not None


def mark_taken(connection: Connection, message_id: int) -> Kept | None:
    """The inbox has it: from now on the room shows it."""
    connection.execute(update(web_messages).where(web_messages.c.id == message_id).values(taken=True))
    return one(connection, message_id)


def change_text(
    connection: Connection,
    message_id: int,
    *,
    author: str | None,
    text: str,
    at: float,
    buttons: Sequence[tuple[str, str]] | None = None,
) -> Kept | None:
    """The message with its new text; None when it is not this author's, or was taken back."""
    before = one(connection, message_id)
    if before is None or before.author != author or before.recalled_at is not None:
        return None
    values: dict[str, Any] = {"text": text, "edited_at": at}
    if buttons is not None:
        files = [file.as_json() for file in before.files]
        values["content"] = {"files": files, "buttons": [list(button) for button in buttons]}
    connection.execute(update(web_messages).where(web_messages.c.id == message_id).values(**values))
    return one(connection, message_id)


def take_back(connection: Connection, message_id: int, at: float) -> tuple[Kept | None, tuple[str, ...]]:
    """Erase a message's text and leave its place; returns it and the files to drop."""
    before = one(connection, message_id)
    if before is None or before.recalled_at is not None:
        return before, ()
    connection.execute(
        update(web_messages)
        .where(web_messages.c.id == message_id)
        .values(text="", content={"files": [], "buttons": []}, recalled_at=at)
    )
    connection.execute(delete(web_reactions).where(web_reactions.c.message == message_id))
    return one(connection, message_id), tuple(file.ref for file in before.files)


def react(connection: Connection, message_id: int, member: str, emoji: Sequence[str]) -> Kept | None:
    """Make ``emoji`` the whole set of the member's reactions on the message."""
    mine = (web_reactions.c.message == message_id) & (web_reactions.c.member == member)
    connection.execute(delete(web_reactions).where(mine))
    if emoji:
        rows = [{"message": message_id, "member": member, "emoji": one_emoji} for one_emoji in emoji]
        connection.execute(insert(web_reactions), rows)
    return one(connection, message_id)


def one(connection: Connection, message_id: int) -> Kept | None:
    row = connection.execute(select(web_messages).where(web_messages.c.id == message_id)).mappings().one_or_none()
    return _kept(connection, [row])[0] if row is not None else None


def by_key(connection: Connection, key: str) -> int | None:
    found: int | None = connection.execute(select(web_messages.c.id).where(web_messages.c.key == key)).scalar()
    return found


def latest(connection: Connection, room: str, limit: int, before: int | None = None) -> list[Kept]:
    """The last ``limit`` shown messages of a room (those before an id), oldest first."""
    query = select(web_messages).where(web_messages.c.room == room, web_messages.c.taken)
    if before is not None:
        query = query.where(web_messages.c.id < before)
    rows = connection.execute(query.order_by(web_messages.c.id.desc()).limit(limit)).mappings().all()
    return _kept(connection, list(reversed(rows)))


def untaken(connection: Connection) -> list[Kept]:
    """What a browser sent and the inbox may not have: the process ended, or the commit failed, in between."""
    query = select(web_messages).where(~web_messages.c.taken).order_by(web_messages.c.id)
    return _kept(connection, connection.execute(query).mappings().all())


def erase(
    connection: Connection, *, before: float | None = None, member: str | None = None, limit: int | None = None
) -> int:
    """Delete messages sent before a time, or a member with all they left here; returns how many messages.
    Their files are strays from then on."""
    which = web_messages.c.sent_at < before if before is not None else web_messages.c.author == member
    query = select(web_messages.c.id).where(which).order_by(web_messages.c.id).limit(limit)
    ids = connection.execute(query).scalars().all()
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        connection.execute(delete(web_reactions).where(web_reactions.c.message.in_(part)))
        connection.execute(delete(web_messages).where(web_messages.c.id.in_(part)))
    if member is not None:
        connection.execute(delete(web_reactions).where(web_reactions.c.member == member))
        connection.execute(delete(web_members).where(web_members.c.id == member))
    return len(ids)


def all_refs(connection: Connection) -> set[str]:
    """Every file that a message still has."""
    contents = connection.execute(select(web_messages.c.content)).scalars()
    return {file["ref"] for content in contents for file in content["files"]}


def _kept(connection: Connection, rows: Sequence[RowMapping]) -> list[Kept]:
    reactions: dict[int, dict[str, tuple[str, ...]]] = {}
    ids = [row["id"] for row in rows]
    if ids:
        query = select(web_reactions).where(web_reactions.c.message.in_(ids)).order_by(web_reactions.c.member)
        for found in connection.execute(query):
            of_message = reactions.setdefault(found.message, {})
            of_message[found.emoji] = (*of_message.get(found.emoji, ()), found.member)
    return [_one_kept(row, reactions.get(row["id"], {})) for row in rows]


def _one_kept(row: RowMapping, reactions: Mapping[str, tuple[str, ...]]) -> Kept:
    plain = {name: row[name] for name in row if name != "content"}
    files = tuple(
        KeptFile(**{**file, "kind": AttachmentKind(file["kind"])}) for file in row["content"].get("files", ())
    )
    buttons = tuple((label, command) for label, command in row["content"].get("buttons", ()))
    return Kept(**plain, files=files, buttons=buttons, reactions=reactions)
