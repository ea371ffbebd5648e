"""👍 and 👎 on answers: a weak hint of what the gate should answer, which an admin confirms or sets aside.

Reactions stand in the core's ``feedback``. Of one member only the newest few count, so that nobody teaches the gate by
clicking; and nothing is learnt of any before an admin of the room has looked at the question.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, insert, select

from bot.decision import Outcome
from bot.event import Edited, Said, load_event
from bot.tables import deliveries, feedback, inbox
from rag.tables import weighed

DAY_S = 86_400.0
WITHIN_S = 30 * DAY_S
WEIGHT = 0.5
"""What a confirmed reaction counts beside an example that somebody gave in words."""
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer with reactions that count. ``number``: of the question's event. ``message_ids``: of our answer."""

    number: int
    question: str
    asker: str
    up: int
    down: int
    message_ids: tuple[str, ...]

    @property
    def good(self) -> bool | None:
        """What the reactions say; None when they are even."""
        return None if self.up == self.down else self.up > self.down


def waiting(connection: Connection, room_key: str, *, per_member: int, now: float) -> list[Rated]:
    """Answers of a room whose reactions nobody has looked at, those with the clearest word first.

    ``per_member``: reactions of one member that count, the newest ones, within the last thirty days.
    """
    here = (feedback.c.room == room_key) & (feedback.c.at >= now - WITHIN_S)
    rows = connection.execute(select(feedback).where(here).order_by(feedback.c.at.desc())).all()
    given: Counter[str] = Counter()
    votes: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        given[row.member] += 1
        if given[row.member] <= per_member:
            votes[row.message_id].append(row.value)
    answers = _answers(connection, room_key, list(votes))
    found = [_rated(row, ids, votes) for row, ids in answers]
    counted = [each for each in found if each is not None and each.good is not None]
    return sorted(counted, key=lambda each: -abs(each.up - each.down))[:MOST_LISTED]


def _answers(connection: Connection, room_key: str, message_ids: Sequence[str]) -> list[tuple[object, list[str]]]:
    """The answered questions behind our messages, and which of the messages belong to each."""
    looked_at = exists().where(weighed.c.room == deliveries.c.room, weighed.c.message_id == deliveries.c.message_id)
    columns = (deliveries.c.message_id, inbox.c.id, inbox.c.payload)
    rows = connection.execute(
        select(*columns)
        .join(inbox, inbox.c.id == deliveries.c.event_id)
        .where(
            deliveries.c.room == room_key,
            deliveries.c.message_id.in_(message_ids),
            inbox.c.outcome == Outcome.ANSWERED.value,
            inbox.c.payload.is_not(None),
            ~looked_at,
        )
    ).all()
    by_event: dict[int, tuple[object, list[str]]] = {}
    for row in rows:
        _, ids = by_event.setdefault(row.id, (row, []))
        if row.message_id not in ids:
            ids.append(row.message_id)
    return list(by_event.values())


def _rated(row: object, ids: Sequence[str], votes: dict[str, list[int]]) -> Rated | None:
    event = load_event(row.payload)  # type: ignore[attr-defined]
    if not isinstance(event, Said | Edited) or not event.message.text.strip():
        return None
    values = [value for message_id in ids for value in votes[message_id]]
    up, down = sum(value > 0 for value in values), sum(value < 0 for value in values)
    number: int = row.id  # type: ignore[attr-defined]
    return Rated(number, event.message.text, event.message.author.key, up, down, tuple(ids))


def weigh(connection: Connection, room_key: str, rated: Rated, *, confirmed: bool, by: str, at: float) -> None:
    """Note that an admin has looked at it; a second look changes nothing."""
    known = select(weighed.c.message_id).where(weighed.c.room == room_key, weighed.c.message_id.in_(rated.message_ids))
    there = set(connection.scalars(known))
    rows = [
        {"room": room_key, "message_id": each, "confirmed": confirmed, "by": by, "at": at}
        for each in rated.message_ids
        if each not in there
    ]
    if rows:
        connection.execute(insert(weighed), rows)
