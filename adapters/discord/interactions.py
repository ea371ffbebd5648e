"""Which slash commands and buttons may still be answered in their own place, kept beyond the process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from adapters.discord.tables import discord_interactions
from bot.ports import Clock
from bot.store import Store

TOKEN_LASTS_S = 14.5 * 60
"""Discord lets an interaction be answered for 15 minutes; we end a little early."""

ANSWER_WITHIN_S = 3.0
"""The first answer, which says “thinking…”, must reach Discord in this time."""


@dataclass(slots=True)
class Interaction:
    id: str
    token: str
    made_at: float
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)


class Interactions:
    """By id, which is what deliveries reply to."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._live: dict[str, Interaction] = {}

    async def load(self) -> None:
        """Know what an earlier life of this process has acknowledged."""
        since = self._clock.now() - TOKEN_LASTS_S
        table = discord_interactions
        rows = await self._store.read(lambda connection: connection.execute(select(table)).all())
        for row in rows:
            if row.made_at >= since and row.id not in self._live:
                self._live[row.id] = interaction = Interaction(row.id, row.token, row.made_at)
                interaction.acknowledged.set()

    def knows(self, id: str) -> bool:
        return id in self._live

    def begin(self, id: str, token: str) -> asyncio.Future[None]:
        """Remember a new one; the write is queued before this returns, so it is committed before its event."""
        now = self._clock.now()
        for old in [each for each in self._live.values() if each.made_at < now - TOKEN_LASTS_S]:
            del self._live[old.id]
        self._live[id] = Interaction(id, token, now)

        def keep(connection: Connection) -> None:
            table = discord_interactions
            connection.execute(delete(table).where(table.c.made_at < now - TOKEN_LASTS_S))
            connection.execute(delete(table).where(table.c.id == id))
            connection.execute(insert(table).values(id=id, token=token, made_at=now))

        return self._store.submit(keep)

    def acknowledged(self, id: str) -> None:
        if id in self._live:
            self._live[id].acknowledged.set()

    def forget(self, id: str) -> None:
        """It cannot be answered in its place any more."""
        interaction = self._live.pop(id, None)
        if interaction is not None:
            interaction.acknowledged.set()

    async def token(self, id: str | None) -> str | None:
        """How to answer, once Discord knows that an answer is coming; None when it must be said in the room."""
        interaction = self._live.get(id) if id is not None else None
        if interaction is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await interaction.acknowledged.wait()
        except TimeoutError:
            return None
        if interaction.id not in self._live or self._clock.now() - interaction.made_at > TOKEN_LASTS_S:
            return None
        return interaction.token
