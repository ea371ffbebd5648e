"""The benchmark's two bots answer on Feishu, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.messages import driver
from benchmarks.messages.driver import Plan


@pytest.mark.parametrize("kind", ["bare", "ours"])
async def test_each_bot_answers_every_question(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "WARM_UP", 10)
    plan = Plan(messages=40, rooms=3, rate=40, rounds=1, in_flight=2, rate_s=1, folder=tmp_path, platform="feishu")
    counted = await driver.run(kind, plan, 0, saturated=True)
    assert (counted.answered, counted.lost, counted.duplicated) == (40, 0, 0)
    assert counted.cpu_s > 0
