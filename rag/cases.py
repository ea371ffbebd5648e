"""Answers that members called wrong: each is a case of the evaluation set, once a moderator has said what was right.

``/wrong`` keeps what the room saw – question, what it leaned on, answer, files cited – under the room it happened in.
A moderator closes a case: these documents should have answered (and from which file), or nobody should have spoken.
What was closed so is written as :class:`rag.evaluate.Case`, for ``maodou kb evaluate``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from bot.decision import Outcome
from bot.delivery import DeliveryAct, load_content
from bot.event import Edited, Message, Room, Said, load_event
from bot.retention import Eraser
from bot.store import Operation, insert_once
from bot.tables import deliveries, inbox
from bot.texts import Text
from rag.completion import is_follow_up
from rag.evaluate import Case
from rag.tables import cases

LOOK_BACK_S = 3_600.0
"""Without a reply, the room's last answer is meant, unless it is older than this."""
MAX_NOTE_CHARS = 500
MAX_NOTES = 8
MAX_EARLIER = 4
"""Messages kept with a question that leans on them."""
DAY_S = 86_400.0


class Ruled(StrEnum):
    """What a moderator says of a case."""

    OPEN = "open"
    ANSWER = "answer"  # the documents answer it, otherwise than it was done
    SILENT = "silent"  # nobody should have spoken
    DROPPED = "dropped"  # the answer was right, or the case is of no use


@dataclass(frozen=True, slots=True)
class Wrong:
    """What the room saw of one answer. ``cited``: files, in the answer's order. ``earlier_by``: of each earlier
    message, its member's key and its id."""

    message_id: str
    asker: str
    question: str
    earlier: tuple[str, ...]
    addressed: bool
    answer: str
    cited: tuple[str, ...]
    earlier_by: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reported:
    """A case as it is kept. ``source``: the files that hold the answer, as the one who closed it says."""

    id: int
    room: str
    question: str
    answer: str
    cited: tuple[str, ...]
    note: str
    reports: int
    verdict: Ruled
    source: tuple[str, ...]
    earlier: tuple[str, ...]
    addressed: bool
    at: float

    def as_case(self) -> Case:
        """For the evaluation set. Raises ``ValueError`` for one that nobody has closed as answer or silent."""
        if self.verdict not in (Ruled.ANSWER, Ruled.SILENT):
            raise ValueError(f"case {self.id} is {self.verdict}")
        source = self.source if self.verdict is Ruled.ANSWER else ()
        return Case.model_validate(
            {
                "text": self.question,
                "expect": self.verdict.value,
                "source": source,
                "earlier": self.earlier,
                "addressed": self.addressed,
            }
        )


def as_line(case: Case) -> str:
    """One line of a question set: what says nothing is left out."""
    told = case.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(told, ensure_ascii=False)


# ── what the room saw ────────────────────────────────────────────────────────────────────────────────────


def answer_of(connection: Connection, room: Room, replied_to: str | None, before_id: int, now: float) -> Wrong | None:
    """The answer that is meant: the one replied to, that to the question replied to, or the room's last of the last
    hour. None when there is none of them, or when its texts are erased."""
    here = (inbox.c.room == room.key) & (inbox.c.outcome == Outcome.ANSWERED.value) & (inbox.c.id < before_id)
    if replied_to is None:
        meant = here & (inbox.c.decided_at >= now - LOOK_BACK_S)
    else:
        ours = select(deliveries.c.event_id).where(
            deliveries.c.room == room.key, deliveries.c.message_id == replied_to, deliveries.c.event_id.is_not(None)
        )
        meant = here & ((inbox.c.message_id == replied_to) | inbox.c.id.in_(ours))
    row = connection.execute(select(inbox).where(meant).order_by(inbox.c.id.desc()).limit(1)).one_or_none()
    if row is None or row.payload is None:
        return None
    message = _message(row.payload)
    answer = _answer(connection, row.id)
    if not answer:
        return None
    sources = (row.details or {}).get("sources") or ""
    earlier = _earlier(connection, room, row.id, message.text)
    return Wrong(
        message.id,
        message.author.key,
        message.text,
        tuple(each.text for each in earlier),
        row.addressed,
        answer,
        tuple(source for source in sources.split("; ") if source),
        tuple((each.author.key, each.id) for each in earlier),
    )


def _message(payload: str) -> Message:
    event = load_event(payload)
    if not isinstance(event, Said | Edited):
        raise TypeError(f"{event.kind} is no message")
    return event.message


def _answer(connection: Connection, event_id: int) -> str:
    """All parts of the answer, joined; empty when it is erased."""
    query = select(deliveries.c.content).where(
        deliveries.c.event_id == event_id,
        deliveries.c.content.is_not(None),
        deliveries.c.act != DeliveryAct.RECALL.value,
    )
    return "\n\n".join(load_content(content).text for content in connection.scalars(query.order_by(deliveries.c.part)))


def _earlier(connection: Connection, room: Room, event_id: int, text: str) -> list[Message]:
    """The members' last messages before a question that leans on them, oldest first."""
    if not is_follow_up(text):
        return []
    here = (inbox.c.room == room.key) & (inbox.c.id < event_id) & inbox.c.payload.is_not(None)
    said = select(inbox.c.payload).where(here, inbox.c.kind.in_(("said", "edited"))).order_by(inbox.c.id.desc())
    messages = [_message(payload) for payload in connection.scalars(said.limit(MAX_EARLIER))]
    return [message for message in reversed(messages) if message.text.strip()]


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────


def report(
    connection: Connection,
    *,
    room: Room,
    wrong: Wrong,
    bases: Sequence[str],
    note: str,
    by: str,
    at: float,
    message_id: str = "",
) -> int:
    """Keep a case, or what another member says of one that is kept; returns its number. ``message_id``: of the
    message that reports it."""
    note = " ".join(note.split())[:MAX_NOTE_CHARS]
    row = {
        "room": room.key,
        "message_id": wrong.message_id,
        "asker": wrong.asker,
        "question": wrong.question,
        "earlier": list(wrong.earlier),
        "addressed": wrong.addressed,
        "bases": list(bases),
        "answer": wrong.answer,
        "cited": list(wrong.cited),
        "earlier_by": [list(each) for each in wrong.earlier_by],
        "note": note,
        "note_by": [[by, message_id]] if note else [],
        "reported_by": by,
        "at": at,
        "source": [],
    }
    new = insert_once(connection, cases, row, returning=cases.c.id)
    if new is not None:
        return int(new)
    here = (cases.c.room == room.key) & (cases.c.message_id == wrong.message_id)
    known = connection.execute(select(cases).where(here)).one()
    changes: dict[str, Any] = {}
    notes = known.note.split("\n") if known.note else []
    if note and note not in notes and len(notes) < MAX_NOTES:
        whose = _whose(known.note_by, notes, known.reported_by)
        changes = {"note": "\n".join([*notes, note]), "note_by": [*whose, [by, message_id]]}
    if known.reported_by != by:
        changes["reports"] = known.reports + 1
    if changes:
        connection.execute(update(cases).where(here).values(**changes))
    return int(known.id)


def _whose(kept: Sequence[Sequence[str]] | None, lines: Sequence[str], otherwise: str) -> list[list[str]]:
    """Whose each line is: member and message id. Of cases that were kept before this was, all are one member's."""
    if kept is None or len(kept) != len(lines):
        return [[otherwise, ""] for _ in lines]
    return [list(each) for each in kept]


def reported_since(connection: Connection, by: str, since: float) -> int:
    """How many cases a member has made since then (Unix seconds)."""
    query = select(func.count()).select_from(cases).where(cases.c.reported_by == by, cases.c.at >= since)
    return int(connection.scalar(query) or 0)


def listed(
    connection: Connection, *, room_key: str | None = None, verdicts: Sequence[Ruled] = tuple(Ruled), most: int = 1_000
) -> list[Reported]:
    """Cases of a room, or of all of them; the oldest first."""
    query = select(cases).where(cases.c.verdict.in_([verdict.value for verdict in verdicts])).order_by(cases.c.id)
    if room_key is not None:
        query = query.where(cases.c.room == room_key)
    return [_reported(row) for row in connection.execute(query.limit(most))]


def of_base(connection: Connection, base: str, verdicts: Sequence[Ruled]) -> list[Reported]:
    """Cases from rooms that read ``base`` when they were reported."""
    query = select(cases).where(cases.c.verdict.in_([verdict.value for verdict in verdicts])).order_by(cases.c.id)
    return [_reported(row) for row in connection.execute(query) if base in row.bases]


def _reported(row: Any) -> Reported:
    return Reported(
        row.id,
        row.room,
        row.question,
        row.answer,
        tuple(row.cited),
        row.note,
        row.reports,
        Ruled(row.verdict),
        tuple(row.source),
        tuple(row.earlier),
        row.addressed,
        row.at,
    )


def close(
    number: int, verdict: Ruled, source: Sequence[str], *, by: str, at: float, room_key: str | None = None
) -> Operation[bool]:
    """An operation that closes a case (or closes it otherwise); False when there is none of that number in the room."""
    chosen: ColumnElement[bool] = cases.c.id == number
    if room_key is not None:
        chosen &= cases.c.room == room_key
    ruled = {"verdict": verdict.value, "source": list(source), "decided_by": by, "decided_at": at}

    def write(connection: Connection) -> bool:
        return connection.execute(update(cases).where(chosen).values(**ruled)).rowcount == 1

    return write


def _forget_member(connection: Connection, member: str) -> int:
    """Their questions' cases, and their words in the others: notes, and what was said before a question."""
    gone = connection.execute(delete(cases).where(cases.c.asker == member)).rowcount
    gone += _forget_words(connection, select(cases), lambda whose: whose[0] == member)
    connection.execute(update(cases).where(cases.c.reported_by == member).values(reported_by=""))
    return gone


def _forget_message(connection: Connection, room_key: str, message_id: str) -> int:
    here = cases.c.room == room_key
    gone = connection.execute(delete(cases).where(here, cases.c.message_id == message_id)).rowcount
    return gone + _forget_words(connection, select(cases).where(here), lambda whose: whose[1] == message_id)


def _forget_words(connection: Connection, query: Select[Any], theirs: Callable[[Sequence[str]], bool]) -> int:
    """Take lines out of the cases that ``query`` finds; how many."""
    gone = 0
    for row in connection.execute(query).all():
        notes = row.note.split("\n") if row.note else []
        whose_notes = _whose(row.note_by, notes, row.reported_by)
        whose_earlier = _whose(row.earlier_by, row.earlier, row.asker)
        kept = [number for number, whose in enumerate(whose_notes) if not theirs(whose)]
        before = [number for number, whose in enumerate(whose_earlier) if not theirs(whose)]
        less = len(notes) - len(kept) + len(row.earlier) - len(before)
        if not less:
            continue
        values = {
            "note": "\n".join(notes[number] for number in kept),
            "note_by": [whose_notes[number] for number in kept],
            "earlier": [row.earlier[number] for number in before],
            "earlier_by": [whose_earlier[number] for number in before],
        }
        connection.execute(update(cases).where(cases.c.id == row.id).values(**values))
        gone += less
    return gone


def _forget_old(connection: Connection, before: float, most: int) -> int:
    """Cases that nobody has closed in time; what was closed is kept until somebody takes it out."""
    old = select(cases.c.id).where(cases.c.at < before, cases.c.verdict.in_((Ruled.OPEN, Ruled.DROPPED))).limit(most)
    ids = connection.scalars(old).all()
    return connection.execute(delete(cases).where(cases.c.id.in_(ids))).rowcount if ids else 0


CASES = Eraser(
    Text(zh="“答错了”的记录", en="answers reported as wrong"),
    of_member=_forget_member,
    of_message=_forget_message,
    older_than=_forget_old,
)
"""For the sweep, a recall and ``/forget me``: the question is its asker's, whoever reported it."""
