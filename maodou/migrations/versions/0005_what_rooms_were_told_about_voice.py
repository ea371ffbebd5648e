"""When a room was told what becomes of voice messages, and how to get an ear."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("voice_told_at", sa.Double(), nullable=True))
    op.add_column("rooms", sa.Column("no_ear_told_at", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("rooms", "no_ear_told_at")
    op.drop_column("rooms", "voice_told_at")
