"""Who looks at which room now, and their waking: the last thing that happens to a message.

Nothing is carried here: a watcher that wakes reads the room's transcript. Waking is cheap and may happen
many times; a watcher hears of all changes within ``coalesce_s`` at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Watcher:
    """One open page. ``changed`` returns when its room changed, or after ``at_most_s`` anyway."""

    def __init__(self, member_id: str, name: str, coalesce_s: float) -> None:
        self.member_id = member_id
        self.name = name
        self.closed = False
        self._coalesce_s = coalesce_s
        self._changed = asyncio.Event()

    def wake(self) -> None:
        self._changed.set()

    async def changed(self, at_most_s: float) -> bool:
        """True for a change, False when ``at_most_s`` passed without one."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        if not self.closed:
            await asyncio.sleep(self._coalesce_s)
        self._changed.clear()
        return True


class Live:
    """The open pages of this process, by room. Belongs to one event loop."""

    def __init__(self, coalesce_s: float) -> None:
        self._coalesce_s = coalesce_s
        self._rooms: dict[str, set[Watcher]] = {}

    @contextlib.contextmanager
    def watch(self, room: str, member_id: str, name: str) -> Iterator[Watcher]:
        """Count a page among the room's for as long as the context lasts."""
        watcher = Watcher(member_id, name, self._coalesce_s)
        watchers = self._rooms.setdefault(room, set())
        came = member_id not in self.present(room)
        watchers.add(watcher)
        if came:
            self.wake(room)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if member_id not in self.present(room):
                self.wake(room)

    def present(self, room: str) -> dict[str, str]:
        """The members with a page open: id → name."""
        return {watcher.member_id: watcher.name for watcher in self._rooms.get(room, ())}

    def wake(self, room: str) -> None:
        for watcher in self._rooms.get(room, ()):
            watcher.wake()

    def close(self) -> None:
        """End every page's stream: the server is stopping."""
        for watchers in self._rooms.values():
            for watcher in watchers:
                watcher.closed = True
                watcher.wake()
