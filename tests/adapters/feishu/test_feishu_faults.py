"""Every way in which the platform or the network fails: one answer, in order, no crash, health red and green."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters.feishu import api as api_module
from adapters.feishu.adapter import FeishuPlatform
from adapters.feishu.connection import LongConnection
from bot.errors import StoreError
from bot.store import Store
from bot.tables import deliveries
from bot.testing import Echo
from tests.adapters.feishu.conftest import QUICK, Running, Start, settings_for
from tests.emulators.feishu import Chat, Feishu, Limits, Person


async def how_it_ended(bot: Running) -> tuple[str, str]:
    """State and error of the one delivery; its mark is written behind its sending."""
    async with asyncio.timeout(5):
        while True:
            rows = await bot.core.store.read(lambda connection: connection.execute(select(deliveries)).all())
            if len(rows) == 1 and rows[0].state != "planned":
                return rows[0].state, rows[0].error
            await asyncio.sleep(0.02)


# ── nothing is lost, nothing is answered twice ───────────────────────────────────────────────────────────


async def test_spurious_redelivery_is_answered_once_even_across_a_restart(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start() as bot:
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.answers(group)
        feishu.again(feishu.event_ids()[0])
        await bot.until(lambda: len(feishu.told()[0].pushes) == 2)
        await bot.answers(group)
    async with start() as bot:
        feishu.again(feishu.event_ids()[0])
        await bot.until(lambda: len(feishu.told()[0].pushes) == 3)
        await asyncio.sleep(0.1)
        await bot.answers(group)


async def test_what_was_said_while_the_bot_was_down_is_answered_once_it_is_back(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start():
        pass
    feishu.say(group, ann, "有人吗？", mention=(feishu.bot,))
    await asyncio.sleep(0.2)
    async with start() as bot:
        await bot.answers(group)


@pytest.mark.parametrize("limits", [Limits(acknowledge_s=3.0, redelivery_s=(0.1, 0.2, 0.4, 0.8))])
async def test_a_locked_database_acknowledges_nothing_and_loses_nothing(
    bot: Running, group: Chat, ann: Person, tmp_path: Path
) -> None:
    lock = sqlite3.connect(tmp_path / "maodou.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.until(lambda: len(bot.feishu.told()[0].pushes) >= 2)
    assert not bot.feishu.told()[0].acknowledged
    lock.execute("ROLLBACK")
    lock.close()
    await bot.answers(group)
    assert bot.feishu.told()[0].acknowledged


@asynccontextmanager
async def receiving(feishu: Feishu, accept: Any) -> AsyncIterator[FeishuPlatform]:
    platform = FeishuPlatform(settings_for(feishu))
    task = asyncio.create_task(platform.run(accept))
    try:
        async with asyncio.timeout(5):
            while platform.health() is not None:  # noqa: ASYNC110 – it happens in another thread
                await asyncio.sleep(0.01)
        yield platform
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class FailsOnce:
    """A commit that fails the first time."""

    def __init__(self) -> None:
        self.calls = 0
        self.kept: list[str] = []

    async def __call__(self, event: Any) -> bool:
        self.calls += 1
        if self.calls == 1:
            raise StoreError("locked")
        self.kept.append(event.key)
        return True


async def test_an_event_whose_commit_failed_comes_again(feishu: Feishu, ann: Person) -> None:
    accept = FailsOnce()
    async with receiving(feishu, accept):
        feishu.say(feishu.direct(ann), ann, "hi")
        async with asyncio.timeout(5):
            while not accept.kept:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert accept.kept == ["feishu:said:om_1"]


async def test_twin_acknowledging_before_the_commit_loses_it(
    feishu: Feishu, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mechanism broken: the handler returns at once. The failed commit is never made good."""

    async def at_once(self: LongConnection, payload: bytes) -> dict[str, Any]:
        self._receive(payload)
        return {}

    monkeypatch.setattr(LongConnection, "take", at_once)
    accept = FailsOnce()
    async with receiving(feishu, accept):
        feishu.say(feishu.direct(ann), ann, "hi")
        await asyncio.sleep(0.8)
        assert accept.calls == 1
        assert accept.kept == []


async def test_duplicates_and_swapped_events_are_each_answered_once(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.faults.duplicates = 2
    bot.feishu.faults.swap_next = True
    first = bot.feishu.say(group, ann, "一？", mention=(bot.feishu.bot,))
    second = bot.feishu.say(group, ann, "二？", mention=(bot.feishu.bot,))
    answers = await bot.answers(group, 2)
    assert {one.parent_id for one in answers} == {first.id, second.id}


async def test_questions_are_answered_in_their_order(bot: Running, group: Chat, ann: Person) -> None:
    questions = [bot.feishu.say(group, ann, f"问题{number}？", mention=(bot.feishu.bot,)).id for number in range(4)]
    assert [one.parent_id for one in await bot.answers(group, 4)] == questions


async def test_lost_acknowledgements_do_not_answer_twice(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.faults.ignore_acknowledgements = 2
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.until(lambda: bot.feishu.told()[0].acknowledged)
    assert len(bot.feishu.told()[0].pushes) == 3
    await bot.answers(group)


# ── the connection ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_dropped_socket_is_opened_again_and_health_tells(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.faults.endpoint_refusals = 2
    bot.feishu.drop()
    await bot.until(lambda: bot.platform.health() is not None)
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)
    assert bot.platform.health() is None


async def test_a_deaf_connection_is_made_anew(start: Start, feishu: Feishu, group: Chat, ann: Person) -> None:
    feishu.connections.config.PingInterval = 0.1
    async with start() as bot:
        feishu.faults.silent = True
        question = feishu.say(group, ann, "听得见吗？", mention=(feishu.bot,))
        await bot.until(lambda: bot.platform.rebuilt >= 1)
        feishu.faults.silent = False
        (answer,) = await bot.answers(group)
        assert answer.parent_id == question.id
        await bot.until(lambda: bot.platform.health() is None)


@pytest.mark.parametrize("limits", [Limits(acknowledge_s=0.2, redelivery_s=(0.1, 0.1, 0.1, 0.1))])
async def test_twin_without_the_watchdog_it_stays_deaf(start: Start, feishu: Feishu, group: Chat, ann: Person) -> None:
    feishu.connections.config.PingInterval = 0.1
    async with start(deaf_after_pings=1e9) as bot:
        feishu.faults.silent = True
        feishu.say(group, ann, "听得见吗？", mention=(feishu.bot,))
        await bot.until(lambda: feishu.told()[0].given_up)
        assert bot.platform.rebuilt == 0
        assert feishu.shown(group) == []


async def test_an_endpoint_that_never_answers_does_not_hold_the_bot(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    feishu.faults.endpoint_delay_s = 30
    async with start(wait=False, endpoint_timeout_s=0.2) as bot:
        await bot.until(lambda: feishu.connections.endpoint_calls >= 2)
        assert bot.platform.health() == "Feishu is not connected."
        feishu.faults.endpoint_delay_s = 0
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.answers(group)


async def test_credentials_that_are_refused_while_it_runs_turn_health_red_and_green_again(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    """The client gives up for good on such a code; the watchdog does not."""
    async with start(patience_s=0.3) as bot:
        feishu.faults.endpoint_code, feishu.faults.endpoint_refusals = 1000040344, 2
        feishu.drop()
        await bot.until(lambda: bot.platform.health() is not None)
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.until(lambda: bot.platform.health() is None, within_s=15)


async def test_a_wrong_secret_is_said_and_does_not_end_the_bot(start: Start, feishu: Feishu) -> None:
    async with start(wait=False, app_secret="wrong") as bot:
        await bot.until(lambda: "who we are" in (bot.platform.health() or ""))


async def test_a_malformed_event_and_one_of_ten_megabytes_are_refused_and_the_next_is_answered(
    bot: Running, group: Chat, ann: Person
) -> None:
    async def taken(payload: bytes) -> bool:
        return await asyncio.to_thread(bot.feishu.malformed, payload)

    header = b'{"event_id": "x", "event_type": "im.message.receive_v1"}'
    for payload in (b"{", b"[" * 100_000, b'{"schema": "2.0", "header": ' + header + b', "event": {"message": 5}}'):
        assert not await taken(payload)
    bot.feishu.faults.fragments = 40
    assert not await taken(b'{"text": "' + b"x" * 10 * 1024 * 1024 + b'"}')
    bot.feishu.faults.fragments = 1
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)


async def test_events_that_we_never_asked_for_are_acknowledged_and_forgotten(bot: Running) -> None:
    header = {"event_id": "e1", "event_type": "im.message.message_read_v1", "create_time": "1"}
    told = bot.feishu.tell({"schema": "2.0", "header": header, "event": {"message_id_list": ["om_1"]}})
    await bot.until(lambda: told.acknowledged)
    assert await bot.rows() == []


async def test_a_hundred_attachments_are_one_message(bot: Running, group: Chat, ann: Person) -> None:
    content = [[{"tag": "img", "image_key": f"img_{number}"}] for number in range(100)]
    bot.feishu.post(
        group, ann, "post", {"title": "图", "content": content}, mentions=[bot.feishu.mention(1, bot.feishu.bot)]
    )
    await bot.answers(group)


# ── calls that fail ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_expired_token_is_renewed(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.expire_tokens()
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)


async def test_twin_with_the_librarys_own_cache_an_expired_token_stays(
    bot: Running, group: Chat, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module.Api, "_forget_token", lambda self: None)
    bot.feishu.expire_tokens()
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await asyncio.sleep(0.7)
    assert bot.feishu.shown(group) == []


@pytest.mark.parametrize(
    ("code", "status", "headers"), [(230020, 400, {}), (99991400, 429, {"x-ogw-ratelimit-reset": "1"})]
)
async def test_a_rate_limit_is_waited_for(
    bot: Running, group: Chat, ann: Person, code: int, status: int, headers: dict[str, str]
) -> None:
    bot.feishu.faults.refuse("/reply", code, status=status, headers=headers)
    began = time.monotonic()
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)
    assert time.monotonic() - began >= 1


async def test_ten_questions_at_once_stay_below_the_groups_limit(bot: Running, group: Chat, ann: Person) -> None:
    for number in range(10):
        bot.feishu.say(group, ann, f"问题{number}？", mention=(bot.feishu.bot,))
    await bot.answers(group, 10)
    replies = [call for call in bot.feishu.api.calls if call.endswith("/reply")]
    assert len(replies) == 10, "the pace alone kept it; nothing was refused"


@pytest.mark.parametrize("hang_up", [True, False])
async def test_a_lost_reply_is_asked_for_again_under_the_same_key(
    bot: Running, group: Chat, ann: Person, hang_up: bool
) -> None:
    bot.feishu.faults.refuse("/reply", 2200, status=500, after_effect=True, hang_up=hang_up)
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)
    await bot.until(lambda: sum(call.endswith("/reply") for call in bot.feishu.api.calls) == 2)
    await bot.answers(group)


async def test_twin_with_another_key_for_each_attempt_it_answers_twice(
    bot: Running, group: Chat, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = bot.platform.send
    keys = iter(f"key-{number}" for number in range(100))
    monkeypatch.setattr(bot.platform, "send", lambda delivery: send(replace(delivery, key=next(keys))))
    bot.feishu.faults.refuse("/reply", 2200, status=500, after_effect=True)
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group, 2)


@pytest.mark.parametrize("limits", [replace(QUICK, key_window_s=0.3)])
async def test_past_the_keys_window_it_looks_before_it_sends_again(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start(key_window_s=0.3) as bot:
        feishu.faults.refuse("/reply", 2200, times=3, status=500, after_effect=True)
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.until(lambda: any(call == "GET /open-apis/im/v1/messages" for call in feishu.api.calls))
        await bot.answers(group)
        assert await how_it_ended(bot) == ("sent", "")


@pytest.mark.parametrize("limits", [replace(QUICK, key_window_s=0.3)])
async def test_twin_that_sends_blindly_past_the_window_answers_twice(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start(key_window_s=3600) as bot:
        feishu.faults.refuse("/reply", 2200, times=3, status=500, after_effect=True)
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.until(lambda: len(feishu.shown(group)) > 1)


async def test_kicked_while_answering_is_recorded_as_undeliverable(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start(answerer=Echo("来了。", delay_s=0.3)) as bot:
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.until(lambda: feishu.told()[0].acknowledged)
        group.has_bot = False
        await bot.settled()
        state, error = await how_it_ended(bot)
        assert state == "undeliverable"
        assert "230002" in error


async def test_a_missing_scope_is_named(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.faults.missing_scopes.add("im:message:send_as_bot")
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.settled()
    state, error = await how_it_ended(bot)
    assert state == "undeliverable"
    assert "im:message:send_as_bot" in error


async def test_a_slow_token_endpoint_does_not_stall_the_loop(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.faults.token_delay_s = 0.6
    bot.feishu.expire_tokens()
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    worst = 0.0
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        worst = max(worst, time.monotonic() - before)
    await bot.answers(group)
    assert worst < 0.3


async def test_a_dead_platform_holds_nothing_back_and_is_told(start: Start, feishu: Feishu, store: Store) -> None:
    async with start(wait=False, domain="http://127.0.0.1:9") as bot:
        await bot.until(lambda: "no token" in (bot.platform.health() or ""))
