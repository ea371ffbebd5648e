"""The promises under ``kill -9`` through discord.py and lark-oapi; without its mechanisms, members see it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.promises.test_chaos import Report, chaos


@pytest.mark.parametrize("platform", ["discord", "feishu"])
def test_nothing_is_lost_doubled_or_out_of_order(platform: str) -> None:
    code, report = chaos("--platform", platform, "--kills", "3")
    assert (report["lost"], report["duplicated"], report["out_of_order"]) == (0, 0, 0)
    assert code == 0
    assert report["messages"] >= 10 * report["kills"] == 30


def broken(platform: str, mechanism: str, point: str, kills: int) -> Report:
    aim = ("--random-share", "0", "--point", point, "--pause-share", "0")
    code, report = chaos("--platform", platform, "--kills", str(kills), *aim, "--break", mechanism)
    assert code == 1
    return report


def test_without_a_lasting_nonce_members_of_discord_see_answers_twice() -> None:
    assert broken("discord", "key", "between_send_and_mark", 2)["duplicated"] > 0


def test_acknowledging_before_the_commit_loses_questions_of_feishu() -> None:
    assert broken("feishu", "ack-order", "between_commit_and_ack", 4)["lost"] > 0


def test_what_cannot_be_broken_on_a_real_platform_is_said() -> None:
    """It would be a run that proves nothing."""

    command = [sys.executable, "-m", "benchmarks", "chaos", "--kills", "1", "--platform", "discord"]
    done = subprocess.run([*command, "--break", "arrival"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "cannot be broken on a real platform" in done.stderr
