"""What the core stores. Times are Unix seconds; rooms and members are named by their keys.

One row of ``inbox`` tells an event's whole story: when it came, what it said (until it is erased), and the
one decision about it. Its deliveries stand in ``deliveries``.
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
"""SQLite numbers rows by itself only where the type is INTEGER."""

rooms = Table(
    "rooms",
    metadata,
    Column("key", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("parent", Text),
    Column("space", Text),
    Column("age_restricted", Boolean, nullable=False, server_default=text("false")),
    Column("seen_at", Double, nullable=False),
    Column("greeted_at", Double),
    Column("removed_at", Double),
    # When the room was told what becomes of voice messages, and how to get an ear.
    Column("voice_told_at", Double),
    Column("no_ear_told_at", Double),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("room", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message_id", Text),
    Column("member", Text),
    Column("addressed", Boolean, nullable=False, server_default=text("false")),
    Column("payload", Text),  # the event as JSON; NULL once it was erased
    Column("at", Double, nullable=False),  # when it happened, as the platform says
    Column("received_at", Double, nullable=False),
    Column("due_at", Double),  # an unasked answer waits until then for a person to answer first
    Column("outcome", Text),
    Column("reason", Text),
    Column("details", JSON),
    Column("decided_at", Double),
    Index(
        "ix_inbox_open", "room", "id", sqlite_where=text("outcome IS NULL"), postgresql_where=text("outcome IS NULL")
    ),
    Index("ix_inbox_room_id", "room", "id"),
    Index("ix_inbox_room_decided_at", "room", "decided_at"),
    Index("ix_inbox_message_id", "message_id"),
    Index("ix_inbox_member", "member"),
    Index("ix_inbox_received_at", "received_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("event_id", Id),
    Column("room", Text, nullable=False),
    Column("part", Integer, nullable=False, server_default=text("0")),
    Column("act", Text, nullable=False),
    Column("content", Text),  # JSON; NULL once it was erased
    Column("reply_to", Text),
    Column("target", Text),
    Column("state", Text, nullable=False),
    Column("planned_at", Double, nullable=False),
    Column("sent_at", Double),
    Column("message_id", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Text, nullable=False, server_default=""),
    Index(
        "ix_deliveries_due",
        "room",
        "id",
        sqlite_where=text("state IN ('planned', 'open')"),
        postgresql_where=text("state IN ('planned', 'open')"),
    ),
    Index("ix_deliveries_event_id", "event_id"),
    Index("ix_deliveries_message_id", "message_id"),
    Index("ix_deliveries_room_id", "room", "id"),
)

settings = Table(
    "settings",
    metadata,
    Column("scope", Text, nullable=False),  # "global", "platform:web", "space:…", "room:…", "thread:…", "member:…"
    Column("name", Text, nullable=False),
    Column("value", JSON, nullable=False),
    PrimaryKeyConstraint("scope", "name"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("old", JSON),
    Column("new", JSON),
    Column("message_id", Text),
    Index("ix_audit_scope_id", "scope", "id"),
)

buttons = Table(
    "buttons",
    metadata,
    Column("id", Text, primary_key=True),
    Column("room", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("made_at", Double, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("room", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("value", Integer, nullable=False),  # +1 or -1
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("room", "message_id", "member"),
)

forgotten = Table(
    "forgotten",
    metadata,
    # Members who asked to be forgotten while something of theirs was still in work: the sweep finishes it.
    Column("member", Text, primary_key=True),
    Column("at", Double, nullable=False),
)
