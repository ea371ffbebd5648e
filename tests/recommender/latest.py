"""A stand-in at the Digester port: what waits, the newest first, without a taste. It needs nothing but the tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, RowMapping, func, select, update

from bot.delivery import Content
from bot.event import Room
from bot.ports import Screen
from bot.store import Store
from recommender.ports import Post
from recommender.quoting import escaped
from recommender.stages import Stage, State
from recommender.tables import entries, feeds, room_entries

NEWEST = "newest"
HIDDEN = "hidden"


class Latest:
    """Implements :class:`recommender.ports.Digester`. ``most``: entries of one digest; the others wait on."""

    def __init__(self, store: Store, screen: Screen, most: int = 10) -> None:
        self._store = store
        self._screen = screen
        self._most = most

    async def make(self, room: Room, now: float, origin: str) -> Post | None:
        rows = await self._store.read(partial(waiting, room=room.key, limit=self._most))
        lines, told, hidden = [], [], []
        for row in rows:
            line = f"- [{escaped(row['title'] or row['link'])}](<{row['link']}>) · {escaped(row['feed'])}"
            if (await self._screen.show(room, f"{row['title']}\n{row['summary']}")).text is None:
                hidden.append(row["id"])
            else:
                lines.append(line)
                told.append(row["id"])
        if not rows:
            return None

        def write(connection: Connection) -> None:
            _mark(connection, room, told, State.SENT, Stage.SENT, NEWEST, origin, now)
            _mark(connection, room, hidden, State.FILTERED, Stage.SCREEN, HIDDEN, None, now)

        return Post((Content("\n".join(lines)),) if lines else (), write)


def waiting(connection: Connection, room: str, limit: int) -> Sequence[RowMapping]:
    """What waits for a room, the newest first."""
    at = func.coalesce(entries.c.published_at, entries.c.seen_at)
    chosen = (
        select(entries.c.id, entries.c.title, entries.c.link, entries.c.summary, feeds.c.title.label("feed"))
        .join(room_entries, room_entries.c.entry_id == entries.c.id)
        .join(feeds, feeds.c.id == entries.c.feed_id)
        .where(room_entries.c.room == room, room_entries.c.state == State.WAITING.value)
        .order_by(at.desc(), entries.c.id.desc())
        .limit(limit)
    )
    return connection.execute(chosen).mappings().all()


def _mark(
    connection: Connection,
    room: Room,
    ids: Sequence[int],
    state: State,
    stage: Stage,
    reason: str,
    origin: str | None,
    now: float,
) -> None:
    if ids:
        waits = (room_entries.c.room == room.key) & (room_entries.c.state == State.WAITING.value)
        values = {"state": state.value, "stage": stage.value, "reason": reason, "origin": origin, "at": now}
        connection.execute(update(room_entries).where(waits, room_entries.c.entry_id.in_(ids)).values(values))
