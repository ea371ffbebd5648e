"""The benchmark counts what members see, and its two bots answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.messages import driver
from benchmarks.messages.driver import Plan
from benchmarks.messages.on_discord import DiscordStage
from benchmarks.messages.stage import Run
from tests.emulators.discord import DiscordEmulator


async def test_lost_and_doubled_answers_are_counted(platform: DiscordEmulator) -> None:
    stage = DiscordStage(2, platform)
    questions = [stage.ask(room, 0) for room in stage.rooms]
    stage.ask(stage.rooms[0], 1)
    bot = platform.world.bot
    platform.world.post(stage.rooms[0], bot, "once", reply_to=questions[0])
    platform.world.post(stage.rooms[1], bot, "once", reply_to=questions[1])
    platform.world.post(stage.rooms[1], bot, "twice", reply_to=questions[1])
    counted = stage.count(Run())
    assert (counted.answered, counted.lost, counted.duplicated) == (2, 1, 1)
    assert len(counted.delays_ms) == 2


@pytest.mark.parametrize("kind", ["bare", "ours"])
async def test_each_bot_answers_every_question(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "WARM_UP", 10)
    plan = Plan(messages=60, rooms=3, rate=40, rounds=1, in_flight=2, rate_s=1, folder=tmp_path)
    counted = await driver.run(kind, plan, 0, saturated=True)
    assert (counted.answered, counted.lost, counted.duplicated) == (60, 0, 0)
    assert counted.per_s > 0
    assert counted.cpu_s > 0
    assert 10 < counted.rss_mib < 250
