"""Nothing is answered twice, nothing planned is lost, and a stream is completed rather than begun again."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from bot import streaming
from bot.decision import Decision, Outcome, Reason
from bot.delivery import Button, Content, Delivery, delivery_key
from bot.errors import CannotLook, TryLater, Undeliverable
from bot.event import Recalled, Room, Said
from bot.inbox import Entry
from bot.store import Store
from bot.tables import buttons, deliveries
from bot.testing import EVERYTHING, Bot, BotRoom, Echo, PaperPlatform
from tests.clock import ManualClock
from tests.waiting import advance_until, until


async def states(store: Store) -> list[str]:
    chosen = select(deliveries.c.state).order_by(deliveries.c.id)
    return list(await store.read(lambda connection: connection.execute(chosen).scalars().all()))


def test_a_key_fits_a_nonce_and_depends_on_event_and_part() -> None:
    assert delivery_key("discord:said:1", 0) == delivery_key("discord:said:1", 0)
    assert len({delivery_key("discord:said:1", 0), delivery_key("discord:said:1", 1), delivery_key("x", 0)}) == 3
    assert len(delivery_key("x" * 500, 10)) <= 25


async def test_a_lost_reply_is_retried_under_the_same_key(room: BotRoom, clock: ManualClock, store: Store) -> None:
    room.platform.loses_replies = 2
    await room.core.inbox.accept(Said(room.message("@毛豆 在吗", id="m1")))
    await advance_until(clock, lambda: len(room.platform.attempts) == 3)
    await room.core.idle()
    assert len(room.answers("m1")) == 1
    assert len({attempt.key for attempt in room.platform.attempts}) == 1
    assert await states(store) == ["sent"]


async def test_past_the_key_window_it_looks_before_it_sends(store: Store, clock: ManualClock) -> None:
    platform = PaperPlatform(replace(EVERYTHING, key_window_s=10), loses_replies=1)
    async with Bot(store, clock, platform=platform, retry_first_s=60, retry_most_s=60) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 在吗", id="m1")))
        await until(lambda: len(platform.attempts) == 1)
        platform.forget_keys()
        await clock.advance(61)
        await bot.core.idle()
        assert len(room.answers("m1")) == 1
        assert len(platform.attempts) == 1
        assert await states(store) == ["sent"]


class Blind(PaperPlatform):
    async def find(self, delivery: Delivery) -> str | None:
        raise CannotLook("no history")


async def test_where_nobody_can_look_it_is_uncertain_and_not_repeated(store: Store, clock: ManualClock) -> None:
    platform = Blind(replace(EVERYTHING, key_window_s=10), loses_replies=1)
    async with Bot(store, clock, platform=platform, retry_first_s=60, retry_most_s=60) as bot:
        await bot.core.inbox.accept(Said(bot.room().message("@毛豆 在吗")))
        await until(lambda: len(platform.attempts) == 1)
        platform.forget_keys()
        await clock.advance(61)
        await bot.core.idle()
        assert len(platform.attempts) == 1
        assert await states(store) == ["uncertain"]


async def test_retry_after_is_honoured(room: BotRoom, clock: ManualClock) -> None:
    times: list[float] = []

    def refuse(delivery: Delivery) -> None:
        times.append(clock.now())
        if len(times) == 1:
            raise TryLater(after_s=30)

    room.platform.on_send = refuse
    await room.core.inbox.accept(Said(room.message("@毛豆 在吗")))
    await advance_until(clock, lambda: len(times) == 2)
    assert times[1] - times[0] >= 30


async def test_what_can_never_be_delivered_is_recorded_and_the_room_goes_on(room: BotRoom, store: Store) -> None:
    def refuse(delivery: Delivery) -> None:
        if "一" in delivery.content.text:
            raise Undeliverable("we were removed from the room")

    room.platform.on_send = refuse
    await room.says("@毛豆 一")
    await room.says("@毛豆 二")
    assert [text.splitlines()[0] for text in room.shown] == ["echo: 二 [1]"]
    assert await states(store) == ["undeliverable", "sent"]


async def test_a_platform_that_stays_down_makes_the_room_wait(store: Store, clock: ManualClock) -> None:
    platform = PaperPlatform()
    down = True

    def refuse(delivery: Delivery) -> None:
        if down:
            raise ConnectionError("down")

    platform.on_send = refuse
    async with Bot(store, clock, platform=platform, unsent_per_room=2) as bot:
        room = bot.room()
        for number in range(6):
            await bot.core.inbox.accept(Said(room.message(f"@毛豆 {number}")))
        await until(lambda: platform.attempts)
        await asyncio.sleep(0.1)
        assert len(await states(store)) == 2
        down = False
        await advance_until(clock, lambda: len(room.shown) == 6)
        assert [text.split()[1] for text in room.shown] == list("012345")


async def test_a_long_answer_is_split_and_continued_at_its_first_unsent_part(store: Store, clock: ManualClock) -> None:
    platform = PaperPlatform(replace(EVERYTHING, max_chars=80, streams=False))
    sent = 0

    def die_after_two(delivery: Delivery) -> None:
        nonlocal sent
        sent += 1
        if sent > 2:
            raise ConnectionError("killed")

    platform.on_send = die_after_two
    answer = Echo("".join(f"第 {number} 段，说明一件事情，句子不短也不长。\n\n" for number in range(12)))
    async with Bot(store, clock, platform=platform, answerer=answer) as first:
        await first.core.inbox.accept(Said(first.room().message("@毛豆 说说", id="m1")))
        await until(lambda: len(platform.shown) == 2)
    platform.on_send = lambda delivery: None
    async with Bot(store, clock, platform=platform, answerer=answer) as second:
        await second.core.idle()
        texts = second.room().shown
        assert "".join("".join(texts).split()).count("段，说明一件事情") == 12
        assert [text.split()[1] for text in texts if text.startswith("第")] == sorted(
            (text.split()[1] for text in texts if text.startswith("第")), key=int
        )


async def test_a_second_decision_changes_nothing(room: BotRoom) -> None:
    await room.says("@毛豆 在吗", id="m1")
    row = await room.decision("m1")

    entry = Entry(row.id, Said(room.message("@毛豆 在吗", id="m1")), 0.0)
    again = Decision(Outcome.ANSWERED, Reason.FROM_DOCUMENTS)
    assert not await room.core.outbox.decide(entry, again, (Content("twice"),))
    await room.core.idle()
    room.heard("在吗", "m1")


async def test_a_post_is_planned_once(room: BotRoom) -> None:
    outbox = room.core.outbox
    await room.says("hello")
    assert await outbox.post("digest:2026-11-22", room.room, [Content("news")])
    assert not await outbox.post("digest:2026-11-22", room.room, [Content("news")])
    await room.core.idle()
    assert room.shown == ["news"]


async def test_the_platform_is_told_a_buttons_id_and_never_its_command(room: BotRoom, store: Store) -> None:
    await room.core.outbox.post("x", room.room, [Content("choose", buttons=(Button("Why?", "/why"),))])
    await room.core.idle()
    (shown,) = room.platform.shown.values()
    rows = await store.read(lambda connection: connection.execute(select(buttons)).all())
    assert [(row.id, row.command) for row in rows] == [(shown.buttons[0], "/why")]


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────


SLOW = ("One. ", "Two. ", "Three. ", "Four.")


async def test_a_slow_answer_is_shown_while_it_is_made(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo(*SLOW, delay_s=0.05), stream_after_s=0) as bot:
        room = bot.room()
        await room.says("@maodou tell me")
        (message,) = bot.platform.shown.values()
        assert message.texts[0] == "One. "
        assert len(message.texts) > 2
        assert all(later.startswith(earlier.strip()) for earlier, later in pairwise(message.texts))
        assert message.text.startswith("One. Two. Three. Four.")
        assert await states(store) == ["sent"]


@pytest.mark.parametrize("reply_lost", [False, True])
async def test_after_a_crash_the_same_message_is_completed(store: Store, clock: ManualClock, reply_lost: bool) -> None:
    platform = PaperPlatform(loses_replies=1 if reply_lost else 0)
    async with Bot(store, clock, platform=platform, answerer=Echo(*SLOW, delay_s=0.2), stream_after_s=0) as first:
        await first.core.inbox.accept(Said(first.room().message("@maodou tell me", id="m1")))
        await until(lambda: platform.shown)
    assert not next(iter(platform.shown.values())).text.endswith("Four.")
    async with Bot(store, clock, platform=platform, answerer=Echo(*SLOW)) as second:
        await second.core.idle()
        assert second.room().heard("Four.", "m1").startswith("One. Two.")
        assert await states(store) == ["sent"]


async def test_a_stopped_stream_says_that_it_was_stopped(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo(*SLOW, delay_s=0.2), stream_after_s=0) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@maodou tell me", id="m1")))
        await until(lambda: bot.platform.shown)
        await bot.core.inbox.accept(Said(room.message("/stop", id="m2")))
        await bot.core.idle()
        assert "(stopped)" in room.heard("One.", "m1")


async def test_an_update_that_fails_does_not_hurt_the_answer(store: Store, clock: ManualClock) -> None:
    class NoUpdates(PaperPlatform):
        async def edit(self, room: object, message_id: str, content: Content) -> None:
            if "Four" not in content.text:
                raise ConnectionError("flaky")
            await PaperPlatform.edit(self, room, message_id, content)  # type: ignore[arg-type]

    async with Bot(store, clock, platform=NoUpdates(), answerer=Echo(*SLOW, delay_s=0.05), stream_after_s=0) as bot:
        room = bot.room()
        await room.says("@maodou tell me")
        room.heard("Four.")


class Stalls(PaperPlatform):
    """Takes the first update, and does it when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.late: tuple[str, str] | None = None

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        if self.late is None:
            self.late = message_id, content.text
            await asyncio.Event().wait()
        await super().edit(room, message_id, content)

    def completed(self) -> bool:
        return any("Four." in shown.text for shown in self.shown.values())


async def test_an_update_that_comes_after_the_completion_does_not_stay(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "UPDATE_TIMEOUT_S", 0.01)
    platform = Stalls()
    async with Bot(store, clock, platform=platform, answerer=Echo(*SLOW, delay_s=0.05), stream_after_s=0) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@maodou tell me", id="m1")))
        await until(platform.completed)
        assert platform.late is not None
        message_id, stale = platform.late
        platform.shown[message_id].texts.append(stale)
        await advance_until(clock, lambda: "Four." in platform.shown[message_id].text)
        await bot.core.idle()
        assert platform.shown[message_id].texts[-2:] == [stale, room.heard("Four.", "m1")]
        assert await states(store) == ["sent"]


async def test_an_answer_that_is_recalled_is_not_said_again(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "UPDATE_TIMEOUT_S", 0.01)
    platform = Stalls()
    async with Bot(store, clock, platform=platform, answerer=Echo(*SLOW, delay_s=0.05), stream_after_s=0) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@maodou tell me", id="m1")))
        await until(platform.completed)
        await bot.core.inbox.accept(Recalled(room.room, "m1", clock.now()))
        await until(lambda: not platform.shown)  # though the clock stands still
        await bot.core.idle()


async def test_a_stream_that_outgrows_its_message_goes_on_in_the_next(store: Store, clock: ManualClock) -> None:
    platform = PaperPlatform(replace(EVERYTHING, max_chars=60))
    sentences = [f"Sentence number {number} is here. " for number in range(8)]
    async with Bot(store, clock, platform=platform, answerer=Echo(*sentences, delay_s=0.03), stream_after_s=0) as bot:
        await bot.room().says("@maodou tell me")
        whole = "".join(bot.room().shown)
        assert all(len(text) <= 60 for each in platform.shown.values() for text in each.texts)
        assert [whole.count(f"number {number} ") for number in range(8)] == [1] * 8


class Held(PaperPlatform):
    """Keeps each send until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def send(self, delivery: Delivery) -> str:
        await self.go.wait()
        return await super().send(delivery)


async def test_what_leaves_while_its_event_is_decided_again_leaves_once(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Held()
    async with Bot(store, clock, platform=platform) as bot:
        room, outbox = bot.room(), bot.core.outbox
        await bot.core.inbox.accept(Said(room.message("@毛豆 在吗", id="m1")))
        await until(outbox.waiting)
        row, read = await room.decision("m1"), store.read

        async def slow(query: Any) -> Any:
            found = await read(query)
            platform.go.set()
            await outbox.idle()  # what was found planned has left, and is marked
            return found

        monkeypatch.setattr(store, "read", slow)
        again = Entry(row.id, Said(room.message("@毛豆 在吗", id="m1")), clock.now())
        assert not await outbox.decide(again, Decision(Outcome.ANSWERED, Reason.FROM_DOCUMENTS), [Content("again")])
        monkeypatch.setattr(store, "read", read)
        await bot.core.idle()
        assert len(platform.attempts) == 1


async def test_what_is_committed_after_the_end_waits_for_the_next_life(store: Store, clock: ManualClock) -> None:
    go = threading.Event()
    platform = PaperPlatform()
    async with Bot(store, clock, platform=platform) as bot:
        room = bot.room()
        store.submit(lambda connection: go.wait(5))
        posting = asyncio.create_task(bot.core.outbox.post("digest:1", room.room, [Content("news")]))
        await asyncio.sleep(0)
        await bot.core.close(0)
        go.set()
        assert await posting
        assert not bot.core.outbox.busy()
    assert platform.attempts == []
    assert await states(store) == ["planned"]
