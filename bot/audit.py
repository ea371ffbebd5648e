"""Who changed what: one row for every change that a person makes to how Maodou behaves.

Settings write here through ``bot/scopes.py``; features that change other things for a room (a knowledge
base, a list of feeds) call :func:`record` in the transaction of the change, and commands :func:`noted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from bot import tables
from bot.commands import Call
from bot.store import Operation


@dataclass(frozen=True, slots=True)
class Change:
    """One row. ``what``: ``settings.unasked``, ``kb.add`` …; ``who``: a member's key, or ``operator:cli``."""

    at: float
    who: str
    scope: str
    what: str
    old: Any
    new: Any
    message_id: str | None


def record(
    connection: Connection,
    *,
    at: float,
    who: str,
    scope: str,
    what: str,
    old: object = None,
    new: object = None,
    message_id: str | None = None,
) -> None:
    """Add a row, in the caller's transaction. ``old`` and ``new`` are JSON values, None for "not set"."""
    connection.execute(
        insert(tables.audit).values(at=at, who=who, scope=scope, what=what, old=old, new=new, message_id=message_id)
    )


def noted(call: Call, scope: str, what: str, new: object) -> Operation[object]:
    """The row of a change that a member made by a command. ``new`` is a JSON value."""

    def write(connection: Connection) -> None:
        record(
            connection,
            at=call.at,
            who=call.member.key,
            scope=scope,
            what=what,
            new=new,
            message_id=call.message_id,
        )

    return write


def history(connection: Connection, scopes: Sequence[str], *, limit: int = 10) -> list[Change]:
    """The last changes in these scopes, newest first."""
    rows = connection.execute(
        select(tables.audit).where(tables.audit.c.scope.in_(scopes)).order_by(tables.audit.c.id.desc()).limit(limit)
    )
    return [Change(row.at, row.who, row.scope, row.what, row.old, row.new, row.message_id) for row in rows]
