"""What is kept goes in time, and sooner where people ask; what is still needed is never touched."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Connection, insert, select, update

from bot import retention as module
from bot.decision import Outcome, Reason
from bot.delivery import DeliveryState
from bot.event import Edited, Member, Message, Pressed, Recalled
from bot.retention import DAY_S, Eraser, Retention
from bot.scopes import Scopes, member_scope
from bot.store import Operation, Store
from bot.tables import audit, buttons, deliveries, feedback, forgotten, inbox
from bot.texts import Text
from tests.bot.rows import ANNA, BOB, ROOM, answered, happened, keys_of, said, texts_of
from tests.clock import ManualClock


@pytest.fixture
def keeping(store: Store, clock: ManualClock) -> Retention:
    return Retention(store, clock, batch=3)


async def decide(store: Store, event_id: int) -> None:
    done = {"outcome": Outcome.ANSWERED.value, "reason": Reason.FROM_DOCUMENTS.value}
    await store.write(lambda connection: connection.execute(update(inbox).where(inbox.c.id == event_id).values(done)))


async def send(store: Store, delivery_id: int) -> None:
    which = update(deliveries).where(deliveries.c.id == delivery_id)
    await store.write(lambda connection: connection.execute(which.values(state=DeliveryState.SENT.value)))


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_texts_go_after_their_time_and_not_before(store: Store, clock: ManualClock, keeping: Retention) -> None:
    for number in range(8):
        event_id = await store.write(happened(said(f"m{number}"), clock.now()))
        await store.write(answered(event_id, clock.now(), f"a{number}"))
        await clock.advance(DAY_S)
    await clock.advance(26 * DAY_S)  # m0 is 34 days old, m7 27
    swept = await keeping.sweep()
    assert await store.read(texts_of) == (["m4", "m5", "m6", "m7"], ["a4", "a5", "a6", "a7"])
    assert (swept.texts, swept.rows) == (8, 8)
    again = await keeping.sweep()
    assert (again.texts, again.rows) == (0, 0)


async def test_keys_outlive_the_texts_where_texts_are_kept_for_less(store: Store, clock: ManualClock) -> None:
    keeping = Retention(store, clock, retention_days=1, keys_days=7)
    event_id = await store.write(happened(said("m1"), clock.now()))
    await store.write(answered(event_id, clock.now()))
    await clock.advance(2 * DAY_S)
    await keeping.sweep()
    assert await store.read(texts_of) == ([], [])
    assert await store.read(keys_of) == ["m1"], "a redelivery would still be recognised"
    await clock.advance(6 * DAY_S)
    await keeping.sweep()
    assert await store.read(keys_of) == []


@pytest.mark.parametrize("state", [DeliveryState.PLANNED, DeliveryState.OPEN])
async def test_what_is_undecided_or_unsent_is_never_touched(
    store: Store, clock: ManualClock, keeping: Retention, state: DeliveryState
) -> None:
    undecided = await store.write(happened(said("m1"), clock.now(), outcome=None))
    decided = await store.write(happened(said("m2"), clock.now()))
    unsent = await store.write(answered(decided, clock.now(), "a2", state=state))
    await clock.advance(400 * DAY_S)
    await keeping.sweep()
    assert await store.read(texts_of) == (["m1"], ["a2"])
    assert await store.read(keys_of) == ["m1", "m2"]
    await decide(store, undecided)
    await send(store, unsent)
    await keeping.sweep()
    assert await store.read(keys_of) == []


async def test_it_would_be_touched_if_a_write_did_not_look_again(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up and the write are two steps; what changes between them is why the write checks."""
    undecided = await store.write(happened(said("m1"), clock.now(), outcome=None))
    assert await store.write(lambda connection: module._erase_events(connection, [undecided])) == 0
    assert await store.write(lambda connection: module._delete_events(connection, [undecided])) == 0
    assert await store.read(texts_of) == (["m1"], [])
    monkeypatch.setattr(module, "_erase_events", _erase_blindly)
    assert await store.write(lambda connection: module._erase_events(connection, [undecided])) == 1
    assert await store.read(texts_of) == ([], [])


def _erase_blindly(connection: Connection, ids: list[int]) -> int:
    return connection.execute(update(inbox).where(inbox.c.id.in_(ids)).values(payload=None)).rowcount


async def test_a_large_clean_up_is_many_small_writes(
    store: Store, clock: ManualClock, keeping: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        await store.write(happened(said(f"m{number}"), clock.now()))
    await clock.advance(31 * DAY_S)
    sizes: list[int] = []
    write = store.write

    async def counted(operation: Operation[int]) -> int:
        sizes.append(await write(operation))
        return sizes[-1]

    monkeypatch.setattr(store, "write", counted)
    swept = await keeping.sweep()
    assert (swept.texts, swept.rows) == (10, 10)
    assert max(sizes) == 3


async def test_buttons_go_with_the_texts(store: Store, clock: ManualClock, keeping: Retention) -> None:
    row = {"id": "b1", "room": ROOM.key, "command": "/why m1", "made_at": clock.now()}
    await store.write(lambda connection: connection.execute(insert(buttons).values(row)))
    await clock.advance(29 * DAY_S)
    assert (await keeping.sweep()).rows == 0
    await clock.advance(2 * DAY_S)
    assert (await keeping.sweep()).rows == 1


# ── a message that was taken back ────────────────────────────────────────────────────────────────────────


async def test_a_recall_erases_the_message_its_edits_and_the_answer(
    store: Store, clock: ManualClock, keeping: Retention
) -> None:
    first = await store.write(happened(said("m1"), clock.now()))
    await store.write(answered(first, clock.now(), "a1"))
    edit = Edited(Message("m1", ROOM, ANNA, "怎么卸载？"), clock.now() + 1)
    second = await store.write(happened(edit, clock.now() + 1))
    await store.write(answered(second, clock.now() + 1, "a2"))
    other = await store.write(happened(said("m2"), clock.now()))
    await store.write(answered(other, clock.now(), "a3"))
    assert await store.write(keeping.erase_message(ROOM, "m1")) == 4
    assert await store.read(texts_of) == (["m2"], ["a3"])
    assert await store.read(keys_of) == ["m1", "m1", "m2"]
    assert await store.write(keeping.erase_message(ROOM, "m1")) == 0


async def test_a_recall_in_one_room_leaves_the_other_alone(
    store: Store, clock: ManualClock, keeping: Retention
) -> None:
    elsewhere = type(ROOM)("web", "elsewhere")
    await store.write(happened(said("m1", room=elsewhere), clock.now()))
    assert await store.write(keeping.erase_message(ROOM, "m1")) == 0
    assert await store.read(texts_of) == (["m1"], [])


async def test_our_own_message_taken_back_loses_its_text(store: Store, clock: ManualClock, keeping: Retention) -> None:
    event_id = await store.write(happened(said("m1"), clock.now()))
    await store.write(answered(event_id, clock.now(), "a1"))
    assert await store.write(keeping.erase_message(ROOM, "a1")) == 1
    assert await store.read(texts_of) == (["m1"], [])


async def test_a_message_recalled_before_it_was_decided_is_erased_by_the_sweep(
    store: Store, clock: ManualClock, keeping: Retention
) -> None:
    event_id = await store.write(happened(said("m1"), clock.now(), outcome=None))
    recalled = Recalled(ROOM, "m1", clock.now())
    await store.write(happened(recalled, clock.now(), outcome=Outcome.DONE, reason=Reason.ERASED))
    await store.write(keeping.erase_message(ROOM, "m1"))
    delivery = await store.write(answered(event_id, clock.now(), "a1", state=DeliveryState.OPEN))
    await keeping.sweep()
    assert await store.read(texts_of) == (["m1"], ["a1"]), "it is needed until it is decided"
    await decide(store, event_id)
    await keeping.sweep()
    assert await store.read(texts_of) == ([], ["a1"]), "the answer is still being written"
    await send(store, delivery)
    await keeping.sweep()
    assert await store.read(texts_of) == ([], [])


async def test_a_sweep_reads_a_busy_room_once_and_not_once_for_each_recall(store: Store, clock: ManualClock) -> None:
    """20,000 messages and 200 recalls took minutes when recalls were joined by room; now tenths of a second."""
    count, now = 20_000, clock.now()
    row = {"room": ROOM.key, "payload": "{}", "at": now, "received_at": now, "outcome": "silent", "reason": "unsure"}
    rows = [{**row, "key": f"s{number}", "kind": "said", "message_id": f"m{number}"} for number in range(count)]
    rows += [{**row, "key": f"r{number}", "kind": "recalled", "message_id": f"m{number}"} for number in range(200)]
    await store.write(lambda connection: connection.execute(insert(inbox), rows))
    started = time.perf_counter()
    swept = await Retention(store, clock).sweep()
    assert swept.texts == 200
    assert time.perf_counter() - started < 5


# ── a member who asks to be forgotten ────────────────────────────────────────────────────────────────────


async def test_a_member_is_forgotten_and_nobody_else(store: Store, clock: ManualClock, keeping: Retention) -> None:
    for member, message_id in ((ANNA, "m1"), (BOB, "m2"), (ANNA, "m3")):
        event_id = await store.write(happened(said(message_id, member), clock.now()))
        await store.write(answered(event_id, clock.now(), f"a-{message_id}"))
        await store.write(rates(member, f"a-{message_id}", clock.now()))
    pressed = Pressed(ROOM, ANNA, "i1", clock.now(), command="/kb ask b my secret")
    await store.write(happened(pressed, clock.now(), outcome=Outcome.DONE, reason=Reason.COMMAND))
    scopes = Scopes(store, clock)
    for member in (ANNA, BOB):
        await store.write(scopes.change(member_scope(member), "language", "en", who=member.key))

    erased = await store.write(keeping.erase_member(ANNA))

    assert (erased.texts, erased.answers, erased.ratings, erased.settings) == (3, 2, 2, 1)
    assert not erased.unfinished
    assert await store.read(texts_of) == (["m2"], ["a-m2"])
    assert await store.read(members) == {BOB.key}
    assert (await scopes.of(ROOM, ANNA)).origin("language") is None
    assert (await scopes.of(ROOM, BOB))["language"] == "en"
    assert len(await store.read(keys_of)) == 4, "redeliveries are still recognised"


async def test_to_be_forgotten_twice_changes_nothing_more(store: Store, clock: ManualClock, keeping: Retention) -> None:
    await store.write(happened(said("m1"), clock.now()))
    await store.write(keeping.erase_member(ANNA))
    again = await store.write(keeping.erase_member(ANNA))
    assert (again.texts, again.answers, again.ratings, again.settings, again.unfinished) == (0, 0, 0, 0, False)


async def test_what_is_in_work_is_forgotten_once_it_is_done(
    store: Store, clock: ManualClock, keeping: Retention
) -> None:
    undecided = await store.write(happened(said("m1"), clock.now(), outcome=None))
    decided = await store.write(happened(said("m2"), clock.now()))
    unsent = await store.write(answered(decided, clock.now(), "a2", state=DeliveryState.PLANNED))
    erased = await store.write(keeping.erase_member(ANNA))
    assert (erased.texts, erased.answers, erased.unfinished) == (1, 0, True)
    assert await store.read(texts_of) == (["m1"], ["a2"])

    await clock.advance(60)
    later = await store.write(happened(said("m3"), clock.now()))
    await decide(store, undecided)
    await keeping.sweep()
    assert await store.read(texts_of) == (["m3"], ["a2"]), "what they say later is kept again"

    await send(store, unsent)
    await keeping.sweep()
    assert await store.read(texts_of) == (["m3"], [])
    assert await store.read(lambda connection: connection.execute(select(forgotten)).all()) == []
    assert await store.read(members) == {ANNA.key}, f"of event {later} alone"


async def test_without_the_note_it_would_be_kept(store: Store, clock: ManualClock, keeping: Retention) -> None:
    undecided = await store.write(happened(said("m1"), clock.now(), outcome=None))
    await store.write(keeping.erase_member(ANNA))
    await store.write(lambda connection: connection.execute(forgotten.delete()))
    await decide(store, undecided)
    await keeping.sweep()
    assert await store.read(texts_of) == (["m1"], [])


async def test_who_changed_a_room_stays_on_record(store: Store, clock: ManualClock, keeping: Retention) -> None:
    scopes = Scopes(store, clock)
    await store.write(scopes.change("room:web:lobby", "unasked", "quiet", who=ANNA.key))
    await store.write(scopes.change(member_scope(ANNA), "language", "en", who=ANNA.key))
    await store.write(keeping.erase_member(ANNA))
    kept = await store.read(lambda connection: list(connection.execute(select(audit.c.scope)).scalars()))
    assert kept == ["room:web:lobby"]


# ── features ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_features_erase_what_they_keep(store: Store, clock: ManualClock, keeping: Retention) -> None:
    notes = Text(zh="笔记", en="notes")
    asked: list[tuple[object, ...]] = []
    old = [5]

    def of_member(connection: Connection, member: str) -> int:
        asked.append(("member", member))
        return 4

    def of_message(connection: Connection, room: str, message: str) -> int:
        asked.append(("message", room, message))
        return 1

    def older_than(connection: Connection, before: float, limit: int) -> int:
        asked.append(("older", clock.now() - before, limit))
        count = min(limit, old[0])
        old[0] -= count
        return count

    keeping.add(
        Eraser(
            notes,
            of_member=of_member,
            of_message=of_message,
            older_than=older_than,
        ),
        Eraser(Text(zh="空", en="nothing")),
    )
    assert (await store.write(keeping.erase_member(ANNA))).others == ((notes, 4),)
    assert await store.write(keeping.erase_message(ROOM, "m1")) == 1
    assert (await keeping.sweep()).texts == 5
    older = ("older", 30 * DAY_S, 3)
    assert asked == [("member", "web:anna"), ("message", "web:lobby", "m1"), older, older]


async def test_a_feature_that_fails_takes_the_whole_erasure_back(
    store: Store, clock: ManualClock, keeping: Retention
) -> None:
    def fails(connection: Connection, member: str) -> int:
        raise RuntimeError("locked")

    await store.write(happened(said("m1"), clock.now()))
    keeping.add(Eraser(Text(zh="甲", en="a"), of_member=fails))
    with pytest.raises(RuntimeError):
        await store.write(keeping.erase_member(ANNA))
    assert await store.read(texts_of) == (["m1"], [])


def members(connection: Connection) -> set[str]:
    return {each for each in connection.execute(select(inbox.c.member)).scalars() if each is not None}


def rates(member: Member, message_id: str, at: float) -> Operation[object]:
    row = {"room": ROOM.key, "message_id": message_id, "member": member.key, "value": 1, "at": at}
    return lambda connection: connection.execute(insert(feedback).values(row))
