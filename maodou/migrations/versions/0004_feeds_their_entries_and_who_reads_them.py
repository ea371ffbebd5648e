"""Feeds, their entries and who reads them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feed_leases")),
    )
    op.create_table(
        "feed_schedules",
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("times", sa.Text(), nullable=False),
        sa.Column("next_digest_at", sa.Double(), nullable=False),
        sa.Column("last_digest_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("room", name=op.f("pk_feed_schedules")),
    )
    op.create_index("ix_feed_schedules_next_digest_at", "feed_schedules", ["next_digest_at"])

    op.create_table(
        "feeds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("site", sa.Text(), server_default="", nullable=False),
        sa.Column("explicit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("added_at", sa.Double(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("modified", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=True),
        sa.Column("interval_s", sa.Double(), nullable=False),
        sa.Column("next_check_at", sa.Double(), nullable=False),
        sa.Column("leased_until", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("checked_at", sa.Double(), nullable=True),
        sa.Column("changed_at", sa.Double(), nullable=True),
        sa.Column("primed_at", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("address", name=op.f("uq_feeds_address")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feeds_next_check_at", "feeds", ["next_check_at"])

    op.create_table(
        "feed_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("feed_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("picture", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("explicit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("listed_at", sa.Double(), nullable=False),
        sa.Column("edited_at", sa.Double(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("title_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=True),
        sa.Column("same_as", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.id"], name=op.f("fk_feed_entries_feed_id_feeds"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["same_as"], ["feed_entries.id"], name=op.f("fk_feed_entries_same_as_feed_entries"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_entries")),
        sa.UniqueConstraint("feed_id", "key", name=op.f("uq_feed_entries_feed_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_entries_link", "feed_entries", ["link"])
    op.create_index("ix_feed_entries_same_as", "feed_entries", ["same_as"])
    op.create_index("ix_feed_entries_seen_at", "feed_entries", ["seen_at"])
    op.create_index("ix_feed_entries_title_hash", "feed_entries", ["title_hash"])

    op.create_table(
        "feed_subscriptions",
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("feed_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("include", sa.JSON(), nullable=False),
        sa.Column("exclude", sa.JSON(), nullable=False),
        sa.Column("interval_s", sa.Double(), nullable=True),
        sa.Column("paused_at", sa.Double(), nullable=True),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.id"], name=op.f("fk_feed_subscriptions_feed_id_feeds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("room", "feed_id", name=op.f("pk_feed_subscriptions")),
    )
    op.create_index("ix_feed_subscriptions_feed_id", "feed_subscriptions", ["feed_id"])

    op.create_table(
        "feed_room_entries",
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["feed_entries.id"],
            name=op.f("fk_feed_room_entries_entry_id_feed_entries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("room", "entry_id", name=op.f("pk_feed_room_entries")),
    )
    op.create_index("ix_feed_room_entries_entry_id", "feed_room_entries", ["entry_id"])
    op.create_index("ix_feed_room_entries_room_state", "feed_room_entries", ["room", "state", "at"])


def downgrade() -> None:
    op.drop_table("feed_room_entries")
    op.drop_table("feed_subscriptions")
    op.drop_table("feed_entries")
    op.drop_table("feeds")
    op.drop_table("feed_schedules")
    op.drop_table("feed_leases")
