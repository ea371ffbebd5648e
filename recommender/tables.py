"""What reading stores: feeds, their entries, which room reads which feed, and what became of each entry in each room.

A feed is fetched once for all the rooms that read it. What a room sets as a single value (its time zone, its digest
times) is a ``Setting`` (``recommender/settings.py``) and stands in the core's table; here is what those have no place
for. Times are Unix seconds; rooms and members are named by their keys.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.store import metadata
from bot.tables import Id

feeds = Table(
    "feeds",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("address", Text, nullable=False, unique=True),  # where it is fetched; follows permanent redirects
    Column("host", Text, nullable=False),  # of the address: one server is asked by few at a time
    Column("title", Text, nullable=False, server_default=""),
    Column("site", Text, nullable=False, server_default=""),  # the page that the feed belongs to
    Column("explicit", Boolean, nullable=False, server_default=text("false")),  # the feed says so of itself
    Column("added_at", Double, nullable=False),
    # fetching
    Column("etag", Text),
    Column("modified", Text),  # Last-Modified, as the server wrote it
    Column("body_hash", Text),  # of the last body that was read whole
    Column("interval_s", Double, nullable=False),  # what the feed and its rooms ask for together
    Column("next_check_at", Double, nullable=False),
    Column("leased_until", Double, nullable=False, server_default=text("0")),  # somebody is fetching it until then
    Column("checked_at", Double),
    Column("changed_at", Double),  # when something new was last found
    Column("primed_at", Double),  # NULL: what the next fetch finds is old, and told to nobody
    # what is wrong
    Column("failures", Integer, nullable=False, server_default=text("0")),  # in a row
    Column("failing_since", Double),
    Column("reason", Text, nullable=False, server_default=""),  # of the last failure, see recommender.reasons
    Column("error", Text, nullable=False, server_default=""),  # its particulars, for the log and the operator
    Index("ix_feeds_next_check_at", "next_check_at"),
    sqlite_autoincrement=True,
)

entries = Table(
    "feed_entries",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("feed_id", Id, ForeignKey(feeds.c.id, ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),  # what the feed calls it, or what it is known by instead
    Column("link", Text, nullable=False, server_default=""),  # canonical: nothing of where its reader came from
    Column("title", Text, nullable=False, server_default=""),
    Column("summary", Text, nullable=False, server_default=""),  # plain text
    Column("picture", Text, nullable=False, server_default=""),
    Column("author", Text, nullable=False, server_default=""),
    Column("tags", JSON),  # the feed's own categories, a list of strings
    Column("explicit", Boolean, nullable=False, server_default=text("false")),  # it or its feed says so
    Column("published_at", Double),  # as the feed says, never later than seen_at
    Column("seen_at", Double, nullable=False),
    Column("listed_at", Double, nullable=False),  # when it was last found in the feed, to about a day
    Column("edited_at", Double),
    Column("hash", Text, nullable=False),  # of what is shown of it: an edit changes it
    Column("title_hash", Text, nullable=False, server_default=""),  # of the folded title; empty: too short to tell
    Column("fingerprint", BigInteger),  # search.near_duplicates of title and summary, as a signed number
    Column("same_as", Id, ForeignKey("feed_entries.id", ondelete="SET NULL")),  # the first entry that told the same
    UniqueConstraint("feed_id", "key"),
    Index("ix_feed_entries_link", "link"),
    Index("ix_feed_entries_title_hash", "title_hash"),
    Index("ix_feed_entries_seen_at", "seen_at"),
    Index("ix_feed_entries_same_as", "same_as"),
    sqlite_autoincrement=True,
)

subscriptions = Table(
    "feed_subscriptions",
    metadata,
    Column("room", Text, nullable=False),
    Column("feed_id", Id, ForeignKey(feeds.c.id, ondelete="CASCADE"), nullable=False),
    Column("include", JSON, nullable=False),  # rules as typed, a list: one of them must match; [] lets all in
    Column("exclude", JSON, nullable=False),  # none of them may match
    Column("interval_s", Double),  # NULL: as the feed and the configuration say
    Column("paused_at", Double),
    Column("told", Text, nullable=False, server_default=""),  # the reason that the room was last told of; empty: none
    Column("added_by", Text, nullable=False),
    Column("added_at", Double, nullable=False),
    PrimaryKeyConstraint("room", "feed_id"),
    Index("ix_feed_subscriptions_feed_id", "feed_id"),
)

room_entries = Table(
    "feed_room_entries",
    metadata,
    Column("room", Text, nullable=False),
    Column("entry_id", Id, ForeignKey(entries.c.id, ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),  # recommender.stages.State: waiting, filtered, sent …
    Column("stage", Text, nullable=False),  # recommender.stages.Stage: how far it came
    Column("reason", Text, nullable=False, server_default=""),  # why it stopped there, or why it was chosen
    Column("details", JSON),
    Column("origin", Text),  # of the post that it was sent with: deliveries hang on it
    Column("at", Double, nullable=False),  # of the state
    PrimaryKeyConstraint("room", "entry_id"),
    Index("ix_feed_room_entries_room_state", "room", "state", "at"),
    Index("ix_feed_room_entries_entry_id", "entry_id"),
)

schedules = Table(
    "feed_schedules",
    metadata,
    Column("room", Text, primary_key=True),
    Column("times", Text, nullable=False),  # the settings that next_digest_at was reckoned from
    Column("next_digest_at", Double, nullable=False),
    Column("last_digest_at", Double),  # the slot that was last served, whether or not there was anything to say
    Index("ix_feed_schedules_next_digest_at", "next_digest_at"),
)

leases = Table(
    "feed_leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),
)

opinions = Table(
    "feed_opinions",
    metadata,
    # What a member of a room thinks of something. A copy of its words is kept: the entry itself may be gone.
    Column("room", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("about", Text, nullable=False),  # "entry:42", or "link:https://…" of a page that was shared
    Column("kind", Text, nullable=False),  # recommender.opinions.Kind
    Column("entry_id", Id),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False, server_default=""),
    Column("tags", JSON),
    Column("message_id", Text),  # the message that shared it
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("room", "member", "about"),
    Index("ix_feed_opinions_room_at", "room", "at"),
    Index("ix_feed_opinions_member", "member"),
)

shared_links = Table(
    "feed_shared_links",
    metadata,
    # A link that a member posted, until its page was looked at.
    Column("room", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("room", "message_id", "link"),
    Index("ix_feed_shared_links_at", "at"),
)

suggestions = Table(
    "feed_suggestions",
    metadata,
    # More of the kind, from the feed of a site that a shared page belongs to; nobody here reads that feed.
    Column("room", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False, server_default=""),
    Column("tags", JSON),
    Column("explicit", Boolean, nullable=False, server_default=text("false")),
    Column("feed", Text, nullable=False),  # its address
    Column("source", Text, nullable=False),  # its title
    Column("shared", Text, nullable=False),  # the title of the page that led here
    Column("message_id", Text, nullable=False),  # the message that shared that page
    Column("member", Text, nullable=False),
    Column("published_at", Double, nullable=False),
    Column("origin", Text),  # of the post that it was sent with
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("room", "link"),
    Index("ix_feed_suggestions_at", "at"),
)

read_marks = Table(
    "feed_read_marks",
    metadata,
    # How far a reader of the inbox has come.
    Column("name", Text, primary_key=True),
    Column("event_id", Id, nullable=False),
)
