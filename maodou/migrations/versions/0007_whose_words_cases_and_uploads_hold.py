"""Whose words a case holds, and which messages an upload came with: so that both go when those do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UPLOADS = ("message_id", "file_message_id")
CASES = ("earlier_by", "note_by")


def upgrade() -> None:
    for name in UPLOADS:
        op.add_column("kb_uploads", sa.Column(name, sa.Text(), server_default="", nullable=False))
    for name in CASES:
        op.add_column("kb_cases", sa.Column(name, sa.JSON(), nullable=True))


def downgrade() -> None:
    for name in CASES:
        op.drop_column("kb_cases", name)
    for name in UPLOADS:
        op.drop_column("kb_uploads", name)
