"""The voice benchmark: its note, and the keys of its contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.voice import decoded_by_pyav, thirty_seconds

ROOT = Path(__file__).parent.parent.parent

KEYS = {
    *("overhead_30s_note_s", "text_p99_ms_meanwhile", "command_p99_ms_meanwhile", "real_time_factor"),
    *("first_sound_ms", "last_sound_ms", "rss_mib", "pyav_floor_s"),
}

pytestmark = pytest.mark.espeak


def test_its_note_lasts_thirty_seconds() -> None:
    note, seconds = thirty_seconds()
    assert seconds == pytest.approx(30)
    assert decoded_by_pyav(note) == pytest.approx(30 * 16_000, rel=0.01)


@pytest.mark.torch
@pytest.mark.timeout(240)
def test_it_prints_the_keys_of_its_contract() -> None:
    command = [sys.executable, "-m", "benchmarks", "voice", "--notes", "2", "--meanwhile-s", "2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=230)
    result = json.loads(run.stdout.splitlines()[-1])
    assert set(result) == KEYS
    assert all(figure > 0 for figure in result.values())
