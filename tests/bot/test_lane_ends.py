"""How work on a message ends early: its deadline, a ``/stop``, a recall, the end of the process – and what does not."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bot.decision import Outcome, Reason
from bot.errors import StoreError
from bot.event import Member, Message, Recalled, Room, Said
from bot.inbox import Entry
from bot.lanes import STORE_PAUSE_S, TAKES_LONG_S, WATCH_EVERY_S, Lanes
from tests.clock import ManualClock
from tests.waiting import advance_until, until

DEADLINE_S = 0.15
ANNA = Member("paper", "anna", "Anna")
ROOM = Room("paper", "r1")
_ids = itertools.count(1)

Work = Callable[[], Awaitable[float | None]]


def entry(text: str, room: Room = ROOM) -> Entry:
    number = next(_ids)
    return Entry(number, Said(Message(f"m{number}", room, ANNA, text, sent_at=0)), 0.0)


def recall_of(other: Entry) -> Entry:
    assert isinstance(other.event, Said)
    return Entry(next(_ids), Recalled(other.event.room, other.event.message.id, 0.0), 0.0)


def text_of(each: Entry) -> str:
    return each.event.message.text if isinstance(each.event, Said) else each.event.kind


class Scripted:
    """A handler that does what is scripted for each text; anything else is done at once. ``not_taken``: so many
    decisions on early ends are refused by the database."""

    def __init__(self, **works: Work) -> None:
        self.works = works
        self.began: list[str] = []
        self.done: list[str] = []
        self.given_up: list[tuple[str, Outcome, Reason]] = []
        self.long: list[str] = []
        self.cancelling: list[int] = []  # of the lane's own task, as each work begins
        self.is_ready = asyncio.Event()
        self.is_ready.set()
        self.not_taken = 0

    def overtakes(self, entry: Entry) -> bool:
        return isinstance(entry.event, Recalled)

    async def ready(self, entry: Entry) -> None:
        await self.is_ready.wait()

    async def handle(self, entry: Entry) -> float | None:
        text, task = text_of(entry), asyncio.current_task()
        self.began.append(text)
        self.cancelling.append(task.cancelling() if task else -1)
        again_at = await self.works[text]() if text in self.works else None
        self.done.append(text)
        return again_at

    def takes_long(self, entry: Entry) -> None:
        self.long.append(text_of(entry))

    async def give_up(self, entry: Entry, outcome: Outcome, reason: Reason) -> None:
        await asyncio.sleep(0)
        if self.not_taken:
            self.not_taken -= 1
            raise StoreError("locked")
        self.given_up.append((text_of(entry), outcome, reason))


async def never() -> None:
    await asyncio.Event().wait()


async def swallows() -> None:
    try:
        await never()
    except asyncio.CancelledError:
        return


async def turns_it_into_an_error() -> None:
    try:
        await never()
    except asyncio.CancelledError:
        raise ConnectionResetError("the model's line broke") from None


async def waits_for_what_somebody_else_cancelled() -> None:
    shared = asyncio.get_running_loop().create_future()
    shared.cancel()
    await shared


@pytest.fixture
async def lanes(clock: ManualClock) -> AsyncIterator[Lanes]:
    made = Lanes(clock, depth=10, deadline_s=DEADLINE_S)
    yield made
    await made.close()


def serve(lanes: Lanes, **works: Work) -> Scripted:
    handler = Scripted(**works)
    lanes.serve(handler)
    return handler


# ── the deadline ─────────────────────────────────────────────────────────────────────────────────────────


async def test_at_its_deadline_work_ends_and_the_next_message_is_handled(lanes: Lanes) -> None:
    handler = serve(lanes, endless=never)
    began = asyncio.get_running_loop().time()
    for text in ("endless", "next"):
        lanes.dispatch(entry(text))
    await lanes.idle()
    assert handler.given_up == [("endless", Outcome.FAILED, Reason.TIMEOUT)]
    assert handler.done == ["next"]
    assert asyncio.get_running_loop().time() - began >= DEADLINE_S


async def test_the_deadline_holds_again_after_all_lanes_were_empty(lanes: Lanes) -> None:
    """The watch ends with the last lane, and the next lane has one again."""
    handler = serve(lanes, endless=never)
    for _ in range(2):
        lanes.dispatch(entry("quick"))
        await lanes.idle()
        await asyncio.sleep(2 * WATCH_EVERY_S)
        lanes.dispatch(entry("endless"))
        await lanes.idle()
    assert [reason for _, _, reason in handler.given_up] == [Reason.TIMEOUT] * 2


async def test_each_room_has_its_own_deadline(lanes: Lanes) -> None:
    handler = serve(lanes, endless=never)
    for name in ("a", "b", "c"):
        lanes.dispatch(entry("endless", Room("paper", name)))
    await lanes.idle()
    assert len(handler.given_up) == 3


async def test_waiting_for_a_slow_platform_is_not_work(lanes: Lanes) -> None:
    handler = serve(lanes)
    handler.is_ready.clear()
    lanes.dispatch(entry("patient"))
    await asyncio.sleep(2 * DEADLINE_S)
    assert handler.given_up == []
    handler.is_ready.set()
    await lanes.idle()
    assert handler.done == ["patient"]


async def test_a_handler_with_its_own_time_limit_still_ends_at_the_deadline(lanes: Lanes) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await never()

    handler = serve(lanes, limited=limited)
    lanes.dispatch(entry("limited"))
    await lanes.idle()
    assert handler.given_up == [("limited", Outcome.FAILED, Reason.TIMEOUT)]


# ── the sign that it takes long ──────────────────────────────────────────────────────────────────────────


async def test_only_what_takes_long_is_told_so_and_once(clock: ManualClock) -> None:
    async def slowly() -> None:
        await asyncio.sleep(TAKES_LONG_S + 4 * WATCH_EVERY_S)

    lanes = Lanes(clock, depth=10, deadline_s=30)
    handler = serve(lanes, slow=slowly)
    for text in ("quick", "slow", "quick", "slow"):
        lanes.dispatch(entry(text))
    await lanes.idle()
    assert handler.long == ["slow", "slow"]
    await lanes.close()


async def test_a_sign_that_fails_costs_nobody_the_deadline(clock: ManualClock) -> None:
    lanes = Lanes(clock, depth=10, deadline_s=TAKES_LONG_S + 3 * WATCH_EVERY_S)
    handler = serve(lanes, endless=never)

    def fail(entry: Entry) -> None:
        raise RuntimeError("no sign")

    handler.takes_long = fail  # type: ignore[method-assign]
    for _ in range(2):
        lanes.dispatch(entry("endless"))
        async with asyncio.timeout(5):
            await lanes.idle()
    assert len(handler.given_up) == 2
    await lanes.close()


# ── /stop and recalls ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("work", [swallows, turns_it_into_an_error, never])
async def test_whatever_a_handler_makes_of_it_a_stop_ends_this_work_alone(lanes: Lanes, work: Work) -> None:
    async def limited() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await never()

    handler = serve(lanes, stopped=work, limited=limited)
    lanes.dispatch(entry("stopped"))
    lanes.dispatch(entry("limited"))
    await until(lambda: handler.began == ["stopped"])
    assert lanes.stop(ROOM.key)
    await lanes.idle()
    assert handler.done[-1] == "limited"
    assert handler.cancelling == [0, 0]
    expected = [] if work is swallows else [("stopped", Outcome.SILENT, Reason.STOPPED)]
    assert handler.given_up == expected


async def test_a_stop_that_the_database_does_not_take_stays_a_stop(lanes: Lanes, clock: ManualClock) -> None:
    handler = serve(lanes, stopped=never)
    handler.not_taken = 2
    lanes.dispatch(entry("stopped"))
    await until(lambda: handler.began)
    lanes.stop(ROOM.key)
    await advance_until(clock, lambda: handler.given_up)
    assert handler.given_up == [("stopped", Outcome.SILENT, Reason.STOPPED)]
    assert handler.began == ["stopped"], "it is not begun anew"


async def test_a_deadline_that_the_database_does_not_take_is_not_begun_anew(lanes: Lanes, clock: ManualClock) -> None:
    handler = serve(lanes, endless=never)
    handler.not_taken = 1
    lanes.dispatch(entry("endless"))
    await until(lambda: handler.not_taken == 0)
    await advance_until(clock, lambda: handler.given_up)
    assert (handler.began, handler.given_up) == (["endless"], [("endless", Outcome.FAILED, Reason.TIMEOUT)])


async def test_a_stop_and_a_recall_at_once_are_one_end(lanes: Lanes) -> None:
    handler = serve(lanes, both=never)
    asked = entry("both")
    lanes.dispatch(asked)
    await until(lambda: handler.began)
    lanes.stop(ROOM.key)
    lanes.dispatch(recall_of(asked))
    lanes.dispatch(entry("next"))
    await lanes.idle()
    assert handler.given_up == [("both", Outcome.SILENT, Reason.STOPPED)]
    assert handler.done == ["recalled", "next"]
    assert handler.cancelling == [0, 0, 0]


async def test_nothing_is_stopped_before_the_work_begins(lanes: Lanes) -> None:
    handler = serve(lanes)
    handler.is_ready.clear()
    lanes.dispatch(entry("patient"))
    await asyncio.sleep(0)
    assert not lanes.stop(ROOM.key)
    handler.is_ready.set()
    await lanes.idle()
    assert handler.done == ["patient"]


async def test_somebody_elses_cancelled_work_fails_one_message_and_not_its_room(lanes: Lanes) -> None:
    handler = serve(lanes, broken=waits_for_what_somebody_else_cancelled)
    for text in ("broken", "next"):
        lanes.dispatch(entry(text))
    async with asyncio.timeout(5):
        await until(lambda: handler.done == ["next"])
    assert handler.given_up == [("broken", Outcome.FAILED, Reason.ERROR)]
    assert not lanes.busy()


# ── the end of the process ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_ready", [True, False])
async def test_what_is_in_work_at_the_end_stays_undecided(lanes: Lanes, is_ready: bool) -> None:
    handler = serve(lanes, long=never)
    if not is_ready:
        handler.is_ready.clear()
    for text in ("long", "waiting"):
        lanes.dispatch(entry(text))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await lanes.close(0.02)
    lanes.dispatch(entry("too late"))
    assert (handler.done, handler.given_up) == ([], [])
    assert handler.began == (["long"] if is_ready else [])


async def test_the_end_comes_although_the_database_takes_no_decision(lanes: Lanes) -> None:
    """A ``/stop`` and the end in the same moment are one cancellation; it is used up by the stop."""
    handler = serve(lanes, long=never)
    handler.not_taken = 1_000_000
    lanes.dispatch(entry("long"))
    await until(lambda: handler.began)
    lanes.stop(ROOM.key)
    async with asyncio.timeout(5):
        await lanes.close()
    assert handler.given_up == []


async def test_work_may_end_by_itself_while_there_is_grace(lanes: Lanes) -> None:
    async def soon() -> None:
        await asyncio.sleep(0.02)

    handler = serve(lanes, soon=soon)
    lanes.dispatch(entry("soon"))
    await asyncio.sleep(0)
    await lanes.close(grace_s=5)
    assert handler.done == ["soon"]


async def test_a_pause_for_the_database_ends_with_its_lane_decided(lanes: Lanes, clock: ManualClock) -> None:
    tries = itertools.count(1)

    async def refused_at_first() -> None:
        if next(tries) == 1:
            raise StoreError("locked")

    handler = serve(lanes, kept=refused_at_first)
    lanes.dispatch(entry("kept"))
    await until(lambda: handler.began)
    assert handler.done == []
    await advance_until(clock, lambda: handler.done, most_s=int(STORE_PAUSE_S) + 3)
    assert handler.began == ["kept", "kept"]
