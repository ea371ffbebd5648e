"""What is kept, and for how long: texts ``retention_days``, keys ``keys_days``, and less where people ask.

Erasing a text leaves the row with its key and its decision, so that a redelivery is still recognised and
``/why`` still tells what happened; the row goes when its key is old enough. What is undecided or not yet sent
is never touched: its text is needed, and goes at the first sweep after it is done.

Each write is one batch, so that messages never wait behind a clean-up; what to erase is looked up by a reader
and checked again in the write. Everything here may be repeated at will.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, or_, select, update

from bot.delivery import DeliveryState
from bot.event import Member, Room
from bot.ports import Clock
from bot.room_settings import Level
from bot.store import Operation, Store, upsert
from bot.tables import audit, buttons, deliveries, feedback, forgotten, inbox, settings
from bot.texts import Text

DAY_S = 86_400.0
FINAL = tuple(
    state.value
    for state in (
        DeliveryState.SENT,
        DeliveryState.UNCERTAIN,
        DeliveryState.UNDELIVERABLE,
        DeliveryState.CANCELLED,
    )
)
"""Deliveries with nothing left to do."""
SPOKEN = ("said", "edited")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Eraser:
    """How a feature forgets what it keeps of members. Each part runs inside the writer's transaction, may be
    called again for the same thing, and returns how many items it erased.

    ``what`` names the items in the confirmation. ``of_member``: a member's key. ``of_message``: a room's key and
    a message's id. ``older_than``: a Unix time and the most items to erase in this call.
    """

    what: Text
    of_member: Callable[[Connection, str], int] | None = None
    of_message: Callable[[Connection, str, str], int] | None = None
    older_than: Callable[[Connection, float, int], int] | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What :meth:`Retention.erase_member` erased. ``unfinished``: something of theirs is still in work and goes
    with the next sweep."""

    texts: int = 0
    answers: int = 0
    ratings: int = 0
    settings: int = 0
    others: tuple[tuple[Text, int], ...] = ()
    unfinished: bool = False


@dataclass(slots=True)
class Swept:
    """What one sweep did: texts erased, rows deleted."""

    texts: int = 0
    rows: int = 0


class Retention:
    """``batch``: the most rows that one write touches."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        retention_days: float = 30,
        keys_days: float = 7,
        *,
        erasers: Sequence[Eraser] = (),
        batch: int = 500,
    ) -> None:
        self._store = store
        self._clock = clock
        self.retention_days = retention_days
        self.keys_days = keys_days
        self._erasers = list(erasers)
        self._batch = batch

    def add(self, *erasers: Eraser) -> None:
        """A feature's erasers; before the first message comes."""
        self._erasers.extend(erasers)

    # ── what people ask for ──────────────────────────────────────────────────────────────────────────

    def erase_message(self, room: Room, message_id: str) -> Operation[int]:
        """An operation for a message that was taken back, a member's or ours: its text, that of its edits, and
        what we answered to it; returns how many texts. Not yet decided ones follow by the sweep."""

        def write(connection: Connection) -> int:
            here = (inbox.c.room == room.key) & (inbox.c.message_id == message_id) & inbox.c.kind.in_(SPOKEN)
            ids = connection.execute(select(inbox.c.id).where(here, inbox.c.outcome.is_not(None))).scalars().all()
            count = _erase_events(connection, ids)
            ours = (deliveries.c.room == room.key) & (deliveries.c.message_id == message_id)
            count += _erase_answers(connection, ours)
            for eraser in self._erasers:
                if eraser.of_message is not None:
                    count += eraser.of_message(connection, room.key, message_id)
            return count

        return write

    def erase_member(self, member: Member | str) -> Operation[Erased]:
        """An operation that erases what a member said, what we answered to it, their ratings, their own settings,
        and what features keep of them. The second call finds nothing."""
        key = member if isinstance(member, str) else member.key

        def write(connection: Connection) -> Erased:
            now = self._clock.now()
            erased = _erase_member(connection, key)
            others = tuple(
                (eraser.what, eraser.of_member(connection, key))
                for eraser in self._erasers
                if eraser.of_member is not None
            )
            unfinished = connection.execute(select(exists().where(inbox.c.member == key))).scalar_one()
            if unfinished:
                upsert(connection, forgotten, {"member": key, "at": now}, conflict_on=("member",))
            else:
                connection.execute(delete(forgotten).where(forgotten.c.member == key))
            return Erased(*erased, others=others, unfinished=unfinished)

        return write

    # ── what time asks for ───────────────────────────────────────────────────────────────────────────

    async def sweep(self) -> Swept:
        """Finish what was asked for, then erase and delete what is old. Raises ``StoreError`` when a write fails;
        the next sweep goes on from there."""
        now = self._clock.now()
        texts_before, keys_before = now - self.retention_days * DAY_S, now - self.keys_days * DAY_S
        swept = Swept()
        await self._finish_forgetting(swept)
        swept.texts += await self._finish_recalls(keys_before)
        swept.texts += await self._in_batches(_old_events(texts_before), _erase_events)
        swept.texts += await self._in_batches(_old_deliveries(texts_before), _erase_deliveries)
        swept.rows += await self._in_batches(_spent_deliveries(keys_before), _delete_deliveries)
        swept.rows += await self._in_batches(_spent_events(keys_before), _delete_events)
        old_buttons = select(buttons.c.id).where(buttons.c.made_at < texts_before)
        swept.rows += await self._in_batches(old_buttons, _delete_buttons)
        for eraser in self._erasers:
            if eraser.older_than is not None:
                swept.texts += await self._feature_in_batches(eraser.older_than, texts_before)
        if swept.texts or swept.rows:
            log.info("retention.swept", texts=swept.texts, rows=swept.rows)
        return swept

    async def _finish_forgetting(self, swept: Swept) -> None:
        """What was in work when its author asked to be forgotten, and is done now."""
        for key, at in await self._store.read(_forgotten):
            swept.texts += await self._store.write(_finish_member(key, at))

    async def _finish_recalls(self, since: float) -> int:
        """What was taken back before it was decided on, and is decided now."""
        query = _recalled(since)
        recalled = await self._store.read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])
        erased = 0
        for start in range(0, len(recalled), self._batch):
            ids = await self._store.read(_left_of(recalled[start : start + self._batch]))
            if ids:
                erased += await self._store.write(_acting(_erase_events, ids))
        return erased

    async def _in_batches(
        self, candidates: Select[int] | Select[str], act: Callable[[Connection, Sequence[int | str]], int]
    ) -> int:
        """Look up, act, look up again, until nothing is left or a look-up brings nothing to act on."""
        done = 0
        while True:
            ids = await self._store.read(lambda connection: _ids(connection, candidates.limit(self._batch)))
            if not ids:
                return done
            count = await self._store.write(_acting(act, ids))
            done += count
            if count == 0 or len(ids) < self._batch:
                return done

    async def _feature_in_batches(self, act: Callable[[Connection, float, int], int], before: float) -> int:
        done = 0
        while count := await self._store.write(lambda connection: act(connection, before, self._batch)):
            done += count
            if count < self._batch:
                break
        return done


def _ids(connection: Connection, query: Select[int] | Select[str]) -> list[int | str]:
    return [row[0] for row in connection.execute(query)]


def _acting(act: Callable[[Connection, Sequence[int | str]], int], ids: Sequence[int | str]) -> Operation[int]:
    return lambda connection: act(connection, ids)


# ── which ────────────────────────────────────────────────────────────────────────────────────────────────


def _unsent() -> ColumnElement[bool]:
    """Whether a row of ``inbox`` still has a delivery to come."""
    return exists().where(deliveries.c.event_id == inbox.c.id, deliveries.c.state.not_in(FINAL))


def _has_text() -> ColumnElement[bool]:
    """Whether a row of ``inbox`` holds a text, or an answer to it does that may be erased."""
    answered = exists().where(
        deliveries.c.event_id == inbox.c.id, deliveries.c.content.is_not(None), deliveries.c.state.in_(FINAL)
    )
    return or_(inbox.c.payload.is_not(None), answered)


def _recalled(since: float) -> Select[str, str]:
    """Room and id of the messages that were taken back. Only as far back as keys are kept: their rows are found
    by the time of arrival."""
    taken_back = (inbox.c.kind == "recalled") & (inbox.c.received_at >= since) & inbox.c.message_id.is_not(None)
    return select(inbox.c.room, inbox.c.message_id).where(taken_back)


def _left_of(recalled: Sequence[tuple[str, str]]) -> Operation[list[int]]:
    """The decided events of these messages that still hold a text.

    Two steps rather than a join: without statistics SQLite joins by room, which reads the room once for each
    recall in it.
    """
    said = inbox.c.message_id.in_([message_id for _, message_id in recalled]) & inbox.c.kind.in_(SPOKEN)
    query = select(inbox.c.id, inbox.c.room, inbox.c.message_id).where(said, inbox.c.outcome.is_not(None), _has_text())
    wanted = set(recalled)

    def read(connection: Connection) -> list[int]:
        return [row.id for row in connection.execute(query) if (row.room, row.message_id) in wanted]

    return read


def _old_events(before: float) -> Select[int]:
    old = (inbox.c.received_at < before) & inbox.c.payload.is_not(None) & inbox.c.outcome.is_not(None)
    return select(inbox.c.id).where(old).order_by(inbox.c.received_at)


def _old_deliveries(before: float) -> Select[int]:
    old = (deliveries.c.planned_at < before) & deliveries.c.content.is_not(None) & deliveries.c.state.in_(FINAL)
    return select(deliveries.c.id).where(old).order_by(deliveries.c.id)


def _spent_deliveries(before: float) -> Select[int]:
    spent = (deliveries.c.planned_at < before) & deliveries.c.content.is_(None) & deliveries.c.state.in_(FINAL)
    return select(deliveries.c.id).where(spent).order_by(deliveries.c.id)


def _spent_events(before: float) -> Select[int]:
    """Not those whose deliveries are still there: ``/why`` tells them as one."""
    told = exists().where(deliveries.c.event_id == inbox.c.id)
    spent = (inbox.c.received_at < before) & inbox.c.payload.is_(None) & inbox.c.outcome.is_not(None)
    return select(inbox.c.id).where(spent, ~told).order_by(inbox.c.received_at)


def _forgotten(connection: Connection) -> list[tuple[str, float]]:
    return [(row.member, row.at) for row in connection.execute(select(forgotten))]


# ── how ──────────────────────────────────────────────────────────────────────────────────────────────────


def _erase_events(connection: Connection, ids: Sequence[int | str]) -> int:
    if not ids:
        return 0
    those = inbox.c.id.in_(ids) & inbox.c.payload.is_not(None) & inbox.c.outcome.is_not(None)
    count = connection.execute(update(inbox).where(those).values(payload=None)).rowcount
    return count + _erase_answers(connection, deliveries.c.event_id.in_(ids))


def _erase_deliveries(connection: Connection, ids: Sequence[int | str]) -> int:
    return _erase_answers(connection, deliveries.c.id.in_(ids))


def _erase_answers(connection: Connection, which: ColumnElement[bool]) -> int:
    those = which & deliveries.c.content.is_not(None) & deliveries.c.state.in_(FINAL)
    return connection.execute(update(deliveries).where(those).values(content=None)).rowcount


def _delete_deliveries(connection: Connection, ids: Sequence[int | str]) -> int:
    those = deliveries.c.id.in_(ids) & deliveries.c.content.is_(None) & deliveries.c.state.in_(FINAL)
    return connection.execute(delete(deliveries).where(those)).rowcount


def _delete_events(connection: Connection, ids: Sequence[int | str]) -> int:
    those = inbox.c.id.in_(ids) & inbox.c.payload.is_(None) & inbox.c.outcome.is_not(None)
    return connection.execute(delete(inbox).where(those)).rowcount


def _delete_buttons(connection: Connection, ids: Sequence[int | str]) -> int:
    return connection.execute(delete(buttons).where(buttons.c.id.in_(ids))).rowcount


def _erase_member(connection: Connection, key: str) -> tuple[int, int, int, int]:
    """Texts, answers, ratings and settings of a member; as far as they are decided and sent."""
    texts, answers = _erase_said(connection, inbox.c.member == key)
    ratings = connection.execute(delete(feedback).where(feedback.c.member == key)).rowcount
    own = f"{Level.MEMBER}:{key}"
    connection.execute(delete(audit).where(audit.c.scope == own))
    own_settings = connection.execute(delete(settings).where(settings.c.scope == own)).rowcount
    return texts, answers, ratings, own_settings


def _erase_said(connection: Connection, theirs: ColumnElement[bool]) -> tuple[int, int]:
    """Texts and answers of the events ``theirs``; the name goes from a row when nothing of it is left to do."""
    decided = theirs & inbox.c.outcome.is_not(None)
    answers = _erase_answers(connection, deliveries.c.event_id.in_(select(inbox.c.id).where(decided)))
    kept = decided & inbox.c.payload.is_not(None)
    texts = connection.execute(
        select(func.count()).select_from(inbox).where(kept, inbox.c.kind.in_((*SPOKEN, "pressed")))
    ).scalar_one()
    connection.execute(update(inbox).where(kept).values(payload=None))
    connection.execute(update(inbox).where(decided, ~_unsent()).values(member=None))
    return texts, answers


def _finish_member(key: str, at: float) -> Operation[int]:
    def write(connection: Connection) -> int:
        before = (inbox.c.member == key) & (inbox.c.received_at <= at)
        texts, answers = _erase_said(connection, before)
        if not connection.execute(select(exists().where(before))).scalar_one():
            connection.execute(delete(forgotten).where(forgotten.c.member == key))
        return texts + answers

    return write
