"""The promises under ``kill -9``: a small run of the chaos benchmark holds, and each mechanism is needed for it.

The twins aim few kills at the point where the mechanism works, so that red is certain and quick.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

Report = dict[str, Any]


def chaos(*arguments: str) -> tuple[int, Report]:
    """The exit code and the last line's JSON object."""
    command = [sys.executable, "-m", "benchmarks", "chaos", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.stdout, done.stderr
    report: Report = json.loads(done.stdout.splitlines()[-1])
    return done.returncode, report


def broken(mechanism: str, point: str, *, kills: int = 3, pause: bool = False) -> Report:
    """The report of a run without ``mechanism``, killed at ``point`` only; it must have failed."""
    aim = ("--random-share", "0", "--point", point, "--pause-share", "1" if pause else "0")
    code, report = chaos("--kills", str(kills), *aim, "--break", mechanism)
    assert code == 1
    assert report["kills_by_point"] == {point: kills}
    return report


def test_nothing_is_lost_doubled_or_out_of_order(database_url: str) -> None:
    code, report = chaos("--kills", "14", "--database", database_url)
    assert (report["lost"], report["duplicated"], report["out_of_order"]) == (0, 0, 0)
    assert code == 0
    assert report["messages"] >= 10 * report["kills"] == 140
    assert report["kills_by_point"].pop("random") == 7
    assert report["kills_by_point"] == dict.fromkeys(report["kills_by_point"], 1)
    assert len(report["kills_by_point"]) == 7


def test_without_a_lasting_key_members_see_answers_twice() -> None:
    assert broken("key", "between_send_and_mark")["duplicated"] > 0


def test_acknowledging_before_the_commit_loses_questions() -> None:
    assert broken("ack-order", "between_commit_and_ack", kills=6)["lost"] > 0


def test_accepting_in_another_order_than_that_of_arrival_shows_answers_out_of_order() -> None:
    assert broken("arrival", "between_commit_and_ack", kills=4)["out_of_order"] > 0


def test_sending_before_the_commit_shows_answers_twice() -> None:
    assert broken("send-order", "before_commit", kills=2, pause=True)["duplicated"] > 0


def test_without_looking_back_members_see_answers_twice_after_a_long_pause() -> None:
    assert broken("look", "between_send_and_mark", kills=2, pause=True)["duplicated"] > 0
