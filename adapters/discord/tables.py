"""What the Discord adapter stores: how a slash command or a button may still be answered.

A token is good for 15 minutes; with it an answer that was under way when the process died is completed in
its place. Times are Unix seconds.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Table, Text

from bot.store import metadata

discord_interactions = Table(
    "discord_interactions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("made_at", Double, nullable=False),
)
