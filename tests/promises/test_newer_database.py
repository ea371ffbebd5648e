"""A database that a newer version wrote: this one says so, leaves, and takes nothing along."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.store import Store, StoreSettings
from maodou.database import upgrade


@pytest.fixture
def newer_data(tmp_path: Path) -> Path:
    """A data folder with an undecided event in a database from the future."""
    store = Store.open(StoreSettings(url=f"sqlite:///{tmp_path}/maodou.db"))
    upgrade(store)
    store.close()
    with sqlite3.connect(tmp_path / "maodou.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute(
            "INSERT INTO inbox (key, room, kind, payload, at, received_at) "
            "VALUES ('web:said:m1', 'web:r', 'said', '{}', 1, 1)"
        )
    database.close()
    return tmp_path


def test_it_ends_with_a_sentence_and_nothing_is_lost(newer_data: Path) -> None:
    (newer_data / "config.yaml").touch()  # or this checkout's own would be found
    environment = {**os.environ, "MAODOU_DATA_DIR": str(newer_data)}
    done = subprocess.run(
        [sys.executable, "-m", "maodou", "up"],
        cwd=newer_data,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "revision 9999, which this version does not know" in done.stderr
    assert "Traceback" not in done.stderr
    with sqlite3.connect(newer_data / "maodou.db") as database:
        undecided = database.execute("SELECT key FROM inbox WHERE outcome IS NULL").fetchall()
        revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
    database.close()
    assert (undecided, revision) == ([("web:said:m1",)], ("9999",))
