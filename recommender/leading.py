"""Who of several processes on one database sweeps and sends digests: the one that holds the lease.

What is sent is sent once even without it, since a slot is a key; the lease only keeps two from doing the same work.
"""

from __future__ import annotations

import os
import secrets

from sqlalchemy import Connection, delete, or_, update

from bot.ports import Clock
from bot.store import Store, insert_once
from recommender.tables import leases

NAME = "feeds"


class Leader:
    """``lease_s``: a process that has not renewed it for so long is taken for dead."""

    def __init__(self, store: Store, clock: Clock, lease_s: float) -> None:
        self._store = store
        self._clock = clock
        self._lease_s = lease_s
        self._until = float("-inf")
        self.holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def leads(self) -> bool:
        """Whether this process may act now; takes or renews the lease where it can."""
        now = self._clock.now()
        if now < self._until - self._lease_s * 2 / 3:
            return True
        until = now + self._lease_s
        holds = await self._store.write(lambda connection: _take(connection, self.holder, now, until))
        self._until = until if holds else float("-inf")
        return holds

    async def leave(self) -> None:
        """Let another process begin at once."""
        self._until = float("-inf")
        mine = (leases.c.name == NAME) & (leases.c.holder == self.holder)
        await self._store.write(lambda connection: connection.execute(delete(leases).where(mine)))


def _take(connection: Connection, holder: str, now: float, until: float) -> bool:
    free = (leases.c.name == NAME) & or_(leases.c.holder == holder, leases.c.until <= now)
    renewed = connection.execute(update(leases).where(free).values(holder=holder, until=until)).rowcount
    row = {"name": NAME, "holder": holder, "until": until}
    return bool(renewed) or insert_once(connection, leases, row, returning=leases.c.name) is not None
