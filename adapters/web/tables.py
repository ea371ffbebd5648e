"""What the web room stores: it is a platform of its own, so its messages and members live here.

Times are Unix seconds. ``web_messages`` is the room as the browsers show it; what the assistant makes of a
message stands in the core's ``inbox``.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from bot.store import metadata

Id = BigInteger().with_variant(Integer, "sqlite")

web_members = Table(
    "web_members",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # The name's look, folded: two names that look alike share it. NULL once another member took the name.
    Column("name_look", Text, unique=True),
    Column("role", Integer, nullable=False, server_default=text("0")),
    Column("joined_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

web_messages = Table(
    "web_messages",
    metadata,
    # AUTOINCREMENT: an id is never used twice, for the inbox knows a message by it.
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("room", Text, nullable=False),
    # A delivery's key, or a member's draft: sending it again finds the first.
    Column("key", Text, nullable=False, unique=True),
    Column("author", Text),  # NULL: ours
    Column("author_name", Text, nullable=False, server_default=""),
    Column("text", Text, nullable=False),
    Column("content", JSON, nullable=False),  # {"files": [...], "buttons": [...]}
    Column("reply_to", Id),
    Column("sent_at", Double, nullable=False),
    Column("edited_at", Double),
    Column("recalled_at", Double),
    # False until the inbox has it: shown to nobody, and offered to the inbox again at the next start.
    Column("taken", Boolean, nullable=False),
    Index("ix_web_messages_room_id", "room", "id"),
    Index("ix_web_messages_author", "author"),
    Index("ix_web_messages_untaken", "id", sqlite_where=text("NOT taken"), postgresql_where=text("NOT taken")),
    sqlite_autoincrement=True,
)

web_reactions = Table(
    "web_reactions",
    metadata,
    Column("message", Id, nullable=False),
    Column("member", Text, nullable=False),
    Column("emoji", Text, nullable=False),
    PrimaryKeyConstraint("message", "member", "emoji"),
)

web_links = Table(
    "web_links",
    metadata,
    # The operator's links that were opened: each opens once.
    Column("nonce", Text, primary_key=True),
    Column("used_at", Double, nullable=False),
)
