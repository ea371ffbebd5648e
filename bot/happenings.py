"""What happens in a room beside messages: a recall, a reaction, being added or removed."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection, delete, exists, select, update

from bot.decision import Decision, Outcome, Reason
from bot.event import Added, Reacted, Recalled, Removed
from bot.greeting import greeting
from bot.history import events_of_message
from bot.inbox import Entry
from bot.outbox import Outbox
from bot.planning import messages_for
from bot.retention import Retention
from bot.room_settings import GREETING, Switch
from bot.store import Operation, Store, upsert
from bot.tables import deliveries, feedback, inbox, rooms
from bot.turn import Conclusion, silent
from bot.values import Values

LIKED = {"👍", "❤️", "❤", "🎉", "THUMBSUP", "+1"}
DISLIKED = {"👎", "ThumbsDown", "THUMBSDOWN", "-1"}
"""Reactions by which members rate an answer; Feishu names its emoji, Discord and the web show them."""


class Happenings:
    def __init__(self, store: Store, outbox: Outbox, retention: Retention) -> None:
        self._store = store
        self._outbox = outbox
        self._retention = retention

    async def recalled(self, event: Recalled, entry: Entry, now: float) -> Conclusion:
        """The question is gone: so are its text and our answer."""
        ids = await self._store.read(
            partial(events_of_message, room_key=event.room.key, message_id=event.message_id, before_id=entry.id)
        )
        await self._outbox.withdraw(event.room, ids)
        ours = await self._store.read(partial(messages_for, event_ids=ids))
        erase = self._retention.erase_message(event.room, event.message_id)

        def write(connection: Connection) -> None:
            undecided = inbox.c.id.in_(ids) & inbox.c.outcome.is_(None)
            gone = {"outcome": Outcome.SILENT.value, "reason": Reason.RECALLED.value, "decided_at": now}
            connection.execute(update(inbox).where(undecided).values(gone))
            erase(connection)

        return Conclusion(Decision(Outcome.DONE, Reason.ERASED), take_back=tuple(ours), write=write)

    async def reacted(self, event: Reacted, now: float) -> Conclusion:
        """A 👍 or 👎 on a message of ours is feedback; the last one counts."""
        if not await self._store.read(_is_ours(event.room.key, event.message_id)):
            return silent(Reason.NOT_ADDRESSED)
        shown = set(event.emoji)
        value = 1 if shown & LIKED else -1 if shown & DISLIKED else 0
        where = {"room": event.room.key, "message_id": event.message_id, "member": event.member.key}

        def write(connection: Connection) -> None:
            if value:
                row = {**where, "value": value, "at": now}
                upsert(connection, feedback, row, conflict_on=("room", "message_id", "member"))
            else:
                connection.execute(delete(feedback).filter_by(**where))

        return Conclusion(Decision(Outcome.DONE, Reason.NOTED, {"value": value}), write=write)

    async def added(self, event: Added, values: Values, now: float) -> Conclusion:
        """One greeting, however often we are added."""
        here = rooms.c.key == event.room.key
        greeted = await self._store.read(
            lambda connection: connection.execute(select(rooms.c.greeted_at).where(here)).scalar()
        )

        def write(connection: Connection) -> None:
            connection.execute(update(rooms).where(here).values(greeted_at=greeted or now, removed_at=None))

        if greeted is not None or values[GREETING] is Switch.OFF:
            return Conclusion(Decision(Outcome.SILENT, Reason.ALREADY_GREETED), write=write)
        content = greeting(values, retention_days=self._retention.retention_days)
        return Conclusion(Decision(Outcome.DONE, Reason.GREETED), (content,), write=write)

    async def removed(self, event: Removed, now: float) -> Conclusion:
        def write(connection: Connection) -> None:
            connection.execute(update(rooms).where(rooms.c.key == event.room.key).values(removed_at=now))

        return Conclusion(Decision(Outcome.DONE, Reason.NOTED), write=write)


def _is_ours(room_key: str, message_id: str) -> Operation[bool]:
    ours = exists().where(deliveries.c.room == room_key, deliveries.c.message_id == message_id)
    return lambda connection: bool(connection.execute(select(ours)).scalar())
