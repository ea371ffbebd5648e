"""What the members of a room think of entries and pages: kept, read back, and forgotten when they ask.

The last word of a member about a thing counts. Each opinion keeps the words that it is about, since entries go and a
page that was shared was never one; so a room's profile needs nothing but its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, delete, select

from bot.delivery import delivery_key
from bot.event import Member, Room
from bot.retention import Eraser
from bot.store import Operation, upsert
from bot.tables import deliveries, feedback
from bot.texts import Text
from recommender.features import Item
from recommender.tables import entries, opinions, room_entries, shared_links, suggestions

MAX_OPINIONS = 500
"""Of a room, the youngest count; a taste of years ago is none."""

MAX_PARTS = 8
"""Messages of one post, whose reactions are looked for."""


class Kind(StrEnum):
    LIKE = "like"
    DISLIKE = "dislike"
    LESS = "less"  # “less like this”
    SHARED = "shared"
    RULE = "rule"  # a word that a subscription asks for; nobody's in particular


WEIGHTS: Mapping[Kind, float] = {Kind.LIKE: 1.0, Kind.SHARED: 0.5, Kind.DISLIKE: -1.0, Kind.LESS: -2.0}
"""Who shares a page likes it perhaps; “less like this” is about all of its kind."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """``weight``: above 0 more of this, below 0 less. ``about``: see the table. ``at``: Unix seconds."""

    about: str
    item: Item
    kind: Kind
    weight: float
    at: float


def about_entry(entry_id: int) -> str:
    return f"entry:{entry_id}"


def about_link(link: str) -> str:
    return f"link:{link}"


def rate(room: Room, member: Member, entry_id: int, kind: Kind, at: float) -> Operation[bool]:
    """An operation that keeps a member's opinion of an entry that this room was sent; False when it is not known
    here. What another room was sent is none of this one's business."""

    def write(connection: Connection) -> bool:
        item = connection.execute(_sent_here(room.key, entry_id)).mappings().one_or_none()
        if item is None:
            return False
        row = {
            "room": room.key,
            "member": member.key,
            "about": about_entry(entry_id),
            "kind": kind.value,
            "entry_id": entry_id,
            "title": item["title"],
            "text": item["summary"],
            "tags": item["tags"],
            "message_id": None,
            "at": at,
        }
        upsert(connection, opinions, row, conflict_on=("room", "member", "about"))
        return True

    return write


def title_here(room: Room, entry_id: int) -> Operation[str | None]:
    """The title of an entry that stands in this room's list; None for any other."""

    def query(connection: Connection) -> str | None:
        row = connection.execute(_sent_here(room.key, entry_id)).mappings().one_or_none()
        return None if row is None else str(row["title"])

    return query


def _sent_here(room_key: str, entry_id: int) -> Select[Any]:
    here = (room_entries.c.room == room_key) & (room_entries.c.entry_id == entry_id)
    joined = entries.join(room_entries, room_entries.c.entry_id == entries.c.id)
    return select(entries.c.title, entries.c.summary, entries.c.tags).select_from(joined).where(here)


def share(connection: Connection, *, room: str, member: str, link: str, item: Item, message_id: str, at: float) -> None:
    """Keep that a member shared a page. An opinion that they gave of it by a button stands."""
    about = about_link(link)
    mine = (opinions.c.room == room) & (opinions.c.member == member) & (opinions.c.about == about)
    if connection.execute(select(opinions.c.kind).where(mine)).first() is not None:
        return
    row = {
        "room": room,
        "member": member,
        "about": about,
        "kind": Kind.SHARED.value,
        "entry_id": None,
        "title": item.title,
        "text": item.text,
        "tags": list(item.tags),
        "message_id": message_id,
        "at": at,
    }
    upsert(connection, opinions, row, conflict_on=("room", "member", "about"))


def read(connection: Connection, room_key: str) -> list[Opinion]:
    """The opinions that count in a room, youngest first: those given by buttons, by links, and by reactions to what
    it was sent. A reaction to a post of several entries is shared out among them."""
    chosen = select(opinions).where(opinions.c.room == room_key).order_by(opinions.c.at.desc()).limit(MAX_OPINIONS)
    found = [
        Opinion(row["about"], _item(row["title"], row["text"], row["tags"]), kind, WEIGHTS[kind], row["at"])
        for row in connection.execute(chosen).mappings()
        for kind in (Kind(row["kind"]),)
    ]
    found += _by_reaction(connection, room_key)
    return sorted(found, key=lambda opinion: -opinion.at)[:MAX_OPINIONS]


def _by_reaction(connection: Connection, room_key: str) -> list[Opinion]:
    reacted = (
        select(deliveries.c.key, feedback.c.value, feedback.c.at)
        .join(
            deliveries,
            (deliveries.c.message_id == feedback.c.message_id) & (deliveries.c.room == feedback.c.room),
        )
        .where(feedback.c.room == room_key)
        .order_by(feedback.c.at.desc())
        .limit(MAX_OPINIONS)
    )
    reactions = connection.execute(reacted).all()
    if not reactions:
        return []
    sent = (
        select(room_entries.c.origin, entries.c.id, entries.c.title, entries.c.summary, entries.c.tags)
        .join(entries, entries.c.id == room_entries.c.entry_id)
        .where(room_entries.c.room == room_key, room_entries.c.origin.is_not(None))
        .order_by(room_entries.c.at.desc())
        .limit(MAX_OPINIONS)
    )
    by_key: dict[str, list[tuple[int, Item]]] = {}
    for row in connection.execute(sent).mappings():
        for part in range(MAX_PARTS):
            key = delivery_key(row["origin"], part)
            by_key.setdefault(key, []).append((row["id"], _item(row["title"], row["summary"], row["tags"])))
    found = []
    for key, value, at in reactions:
        told = by_key.get(key, [])
        kind = Kind.LIKE if value > 0 else Kind.DISLIKE
        found += [Opinion(about_entry(id_), item, kind, WEIGHTS[kind] / len(told), at) for id_, item in told]
    return found


def _item(title: str, text: str, tags: list[str] | None) -> Item:
    return Item(title, text, tuple(tags or ()))


# ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────


def _of_member(connection: Connection, member: str) -> int:
    connection.execute(delete(shared_links).where(shared_links.c.member == member))
    connection.execute(delete(suggestions).where(suggestions.c.member == member))
    return connection.execute(delete(opinions).where(opinions.c.member == member)).rowcount


def _of_message(connection: Connection, room: str, message_id: str) -> int:
    for table in (shared_links, suggestions):
        connection.execute(delete(table).where(table.c.room == room, table.c.message_id == message_id))
    mine = (opinions.c.room == room) & (opinions.c.message_id == message_id)
    return connection.execute(delete(opinions).where(mine)).rowcount


def _older_than(connection: Connection, before: float, most: int) -> int:
    """Suggestions and links that wait; an opinion stays, or a room would lose its taste."""
    count = 0
    for table, columns in (
        (suggestions, (suggestions.c.room, suggestions.c.link)),
        (shared_links, (shared_links.c.room, shared_links.c.message_id)),
    ):
        old = connection.execute(select(*columns).where(table.c.at < before).limit(most)).all()
        for room, other in old:
            gone = (columns[0] == room) & (columns[1] == other) & (table.c.at < before)
            count += connection.execute(delete(table).where(gone)).rowcount
    return count


ERASER = Eraser(
    Text(zh="对推荐内容的看法和分享过的链接", en="opinions of what was recommended, and links shared"),
    of_member=_of_member,
    of_message=_of_message,
    older_than=_older_than,
)
