"""Answers that were wrong, uploads that wait, sources that are kept in step, and whose a document is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("kb_documents", sa.Column("added_by", sa.Text(), server_default="", nullable=False))
    op.add_column("kb_examples", sa.Column("author", sa.Text(), server_default="", nullable=False))
    op.add_column("kb_examples", sa.Column("weight", sa.Double(), server_default=sa.text("1"), nullable=False))
    op.create_table(
        "kb_uploads",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("base_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("opening", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("member_name", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"], ["kb_bases.id"], name=op.f("fk_kb_uploads_base_id_kb_bases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kb_uploads")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_kb_uploads_room", "kb_uploads", ["room"])
    op.create_table(
        "kb_cases",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("earlier", sa.JSON(), nullable=False),
        sa.Column("addressed", sa.Boolean(), nullable=False),
        sa.Column("bases", sa.JSON(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("cited", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("reports", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("verdict", sa.Text(), server_default="open", nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kb_cases")),
        sa.UniqueConstraint("room", "message_id", name=op.f("uq_kb_cases_room_message_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "kb_weighed",
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("room", "message_id", name=op.f("pk_kb_weighed")),
    )
    op.create_table(
        "kb_sources",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("base_id", _id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("every_s", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("began_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("revision", sa.Text(), server_default="", nullable=False),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.Column("failed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"], ["kb_bases.id"], name=op.f("fk_kb_sources_base_id_kb_bases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kb_sources")),
        sa.UniqueConstraint("base_id", "address", name=op.f("uq_kb_sources_base_id_address")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("kb_sources")
    op.drop_table("kb_weighed")
    op.drop_table("kb_cases")
    op.drop_table("kb_uploads")
    op.drop_column("kb_examples", "weight")
    op.drop_column("kb_examples", "author")
    op.drop_column("kb_documents", "added_by")
