"""Waking the open pages: soon, together, and only those of the room."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from adapters.web.live import Live
from tests.blocking import ROOT


async def test_changes_at_once_are_one_waking() -> None:
    live = Live(coalesce_s=0.02)
    with live.watch("lobby", "a", "Anna") as watcher:
        assert await watcher.changed(1)  # its own coming
        for _ in range(5):
            live.wake("lobby")
        assert await watcher.changed(1)
        assert not await watcher.changed(0.05)


async def test_other_rooms_are_left_alone() -> None:
    live = Live(coalesce_s=0)
    with live.watch("lobby", "a", "Anna") as anna, live.watch("attic", "b", "Ben") as ben:
        await asyncio.gather(anna.changed(1), ben.changed(1))
        live.wake("attic")
        assert await ben.changed(1)
        assert not await anna.changed(0.05)


async def test_a_change_during_the_gathering_is_not_lost() -> None:
    """What changes between the waking and the reading is in what is read, or wakes again."""
    live = Live(coalesce_s=0.05)
    with live.watch("lobby", "a", "Anna") as watcher:
        await watcher.changed(1)
        live.wake("lobby")
        waiting = asyncio.ensure_future(watcher.changed(1))
        await asyncio.sleep(0.02)
        live.wake("lobby")
        assert await waiting
        live.wake("lobby")
        assert await watcher.changed(1)


async def test_members_are_counted_once_and_go() -> None:
    live = Live(coalesce_s=0)
    with live.watch("lobby", "a", "Anna") as first:
        with live.watch("lobby", "a", "Anna"), live.watch("lobby", "b", "Ben"):
            assert live.present("lobby") == {"a": "Anna", "b": "Ben"}
            await first.changed(1)
        assert await first.changed(1)
        assert live.present("lobby") == {"a": "Anna"}
    assert live.present("lobby") == {}


async def test_closing_ends_every_watch_at_once() -> None:
    live = Live(coalesce_s=10)
    with live.watch("lobby", "a", "Anna") as watcher:
        live.close()
        async with asyncio.timeout(1):
            await watcher.changed(60)
        assert watcher.closed


def test_the_platform_is_there_without_gradio() -> None:
    """Gradio costs seconds and 130 MB: it is imported when the server is made, not before."""
    look = (
        "import sys, adapters.web.adapter; print([m for m in sys.modules if m.split('.')[0] in ('gradio', 'pandas')])"
    )
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
