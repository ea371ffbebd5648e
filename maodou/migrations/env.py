"""Run by Alembic. The connection comes from whoever calls (``maodou/database.py``), in a transaction of theirs."""

from __future__ import annotations

from alembic import context

from maodou.schema import all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    # SQLite changes a column by copying its table; the first revision changes none.
    render_as_batch=context.get_head_revision() is not None,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
