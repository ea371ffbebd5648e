"""What a planned digest loses when the room's filter changes before it leaves: what was taken out was not sent.

Part of the commit that takes it out (:data:`bot.rescreening.TakenOut`). What the filter hid is marked so and takes part
again once the filter lets it pass; what only went with it waits for the next digest, as does what was folded into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from bot.delivery import Delivery, delivery_key
from recommender.cards import commands_of, tells_of
from recommender.stages import Stage, State
from recommender.tables import entries, room_entries, suggestions

MOST_LOOKED_AT = 500
"""Of what a room was told, the youngest: what has not left is among them."""

_WAITS = {"state": State.WAITING.value, "stage": Stage.WAIT.value, "reason": "", "details": None, "origin": None}


def taken_out(connection: Connection, delivery: Delivery, blocks: Mapping[str, str]) -> set[str]:
    """``blocks``: those that do not leave, each with the category that hides it, or empty. Returns the commands of
    their buttons."""
    room, at, gone = delivery.room.key, delivery.planned_at, set[str]()
    for row in _told(connection, delivery):
        why = _why(row, blocks)
        if why is None:
            continue
        gone |= set(commands_of(row["id"], ""))
        hidden = {**_WAITS, "state": State.FILTERED.value, "stage": Stage.SCREEN.value, "reason": why}
        _put(connection, room, row["id"], hidden if why else _WAITS, at)
        for folded in _folded(connection, room, row["id"]):
            _put(connection, room, folded, _WAITS, at)
    for row in _suggested(connection, delivery):
        if _why(row, blocks) is not None:
            gone |= set(commands_of(None, row["feed"]))
            this = (suggestions.c.room == room) & (suggestions.c.link == row["link"])
            connection.execute(update(suggestions).where(this).values(origin=None))
    return gone


def _why(row: RowMapping, blocks: Mapping[str, str]) -> str | None:
    """None when no block that goes tells of it."""
    return next((why for block, why in blocks.items() if tells_of(block, row["title"], row["link"])), None)


def _told(connection: Connection, delivery: Delivery) -> list[RowMapping]:
    here = (room_entries.c.room == delivery.room.key) & (room_entries.c.state == State.SENT.value)
    chosen = (
        select(entries.c.id, entries.c.title, entries.c.link, room_entries.c.origin)
        .join(room_entries, room_entries.c.entry_id == entries.c.id)
        .where(here)
        .order_by(room_entries.c.at.desc())
        .limit(MOST_LOOKED_AT)
    )
    return [row for row in connection.execute(chosen).mappings() if _is_of(row, delivery)]


def _suggested(connection: Connection, delivery: Delivery) -> list[RowMapping]:
    here = (suggestions.c.room == delivery.room.key) & suggestions.c.origin.is_not(None)
    rows = connection.execute(select(suggestions).where(here)).mappings()
    return [row for row in rows if _is_of(row, delivery)]


def _is_of(row: RowMapping, delivery: Delivery) -> bool:
    return delivery_key(row["origin"] or "", delivery.part) == delivery.key


def _folded(connection: Connection, room: str, entry_id: int) -> list[int]:
    """What was not told because that entry says the same."""
    duplicates = (room_entries.c.room == room) & (room_entries.c.stage == Stage.DUPLICATE.value)
    chosen = select(room_entries.c.entry_id, room_entries.c.details).where(duplicates)
    return [row.entry_id for row in connection.execute(chosen) if (row.details or {}).get("same_as") == entry_id]


def _put(connection: Connection, room: str, entry_id: int, values: Mapping[str, Any], at: float) -> None:
    this = (room_entries.c.room == room) & (room_entries.c.entry_id == entry_id)
    connection.execute(update(room_entries).where(this).values(**values, at=at))
