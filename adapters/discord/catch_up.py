"""Catching up: after every new session, what was said while nobody listened is read from the history.

Discord replays missed events only to a RESUME within its window; an IDENTIFY starts with the present. So
the last committed message of each room is noted before anything new is accepted, and whatever stands after
it in the rooms' histories goes the same way as live events: into the inbox, in order, under its own key –
what is known already is known there. How far back is bounded by age, by messages and by rooms.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import discord
import structlog
from sqlalchemy import Connection, func, select

from adapters.discord import events
from adapters.discord.arrivals import Arrivals
from adapters.discord.settings import DiscordSettings
from bot.event import Edited, Room, RoomKind
from bot.inbox import room_of
from bot.ports import Clock
from bot.tables import inbox, rooms

log = structlog.get_logger(__name__)

PAGE = 100
"""The most messages that one request reads (Discord, "Get Channel Messages")."""

DISORDER_S = 600.0
"""A room that spoke so lately is read again even where nothing newer stands: a message may have been overtaken."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """``newest``: the last committed message of a room. ``since``: a few before it; the reading starts there."""

    newest: int
    since: int


@dataclass(frozen=True, slots=True)
class Watermarks:
    """``overall`` is for rooms of which we know nothing yet; None when nothing was ever committed."""

    of_rooms: Mapping[str, Watermark] = field(default_factory=dict)
    direct: tuple[Room, ...] = ()
    overall: Watermark | None = None

    def of(self, room: Room) -> Watermark | None:
        return self.of_rooms.get(room.key, self.overall)

    def after(self, earlier: Watermarks | None) -> Watermarks:
        """These, reaching back to ``earlier`` ones from which the reading was never finished. A room that was not
        known then is read from where everything was."""
        if earlier is None:
            return self
        marks = {key: earlier.of_rooms.get(key, earlier.overall or mark) for key, mark in self.of_rooms.items()}
        return Watermarks(
            {**marks, **earlier.of_rooms},
            tuple(dict.fromkeys((*earlier.direct, *self.direct))),
            earlier.overall or self.overall,
        )


def read_watermarks(connection: Connection, *, since: float, overlap: int) -> Watermarks:
    """What was committed last, per room, of what was received after ``since`` (Unix seconds)."""
    number = func.row_number().over(partition_by=inbox.c.room, order_by=inbox.c.id.desc())
    ours = inbox.c.room.startswith(f"{events.PLATFORM}:", autoescape=True)
    chosen = (inbox.c.kind == "said") & ours & (inbox.c.received_at >= since)
    recent = select(inbox.c.room, inbox.c.message_id, number.label("number")).where(chosen).subquery()
    found = connection.execute(select(recent.c.room, recent.c.message_id).where(recent.c.number <= overlap + 1))
    by_room: dict[str, list[int]] = {}
    for row in found:
        by_room.setdefault(row.room, []).append(int(row.message_id))
    latest = sorted(id for ids in by_room.values() for id in ids)[-(overlap + 1) :]
    known = connection.execute(select(rooms).where(rooms.c.key.in_(by_room))).mappings().all() if by_room else ()
    return Watermarks(
        {key: Watermark(max(ids), min(ids)) for key, ids in by_room.items()},
        tuple(room_of(row) for row in known if row["kind"] == RoomKind.DIRECT),
        Watermark(latest[-1], latest[0]) if latest else None,
    )


def snowflake_at(moment: float) -> int:
    """The smallest id of a moment (Unix seconds); Discord counts milliseconds from 2015 above 22 low bits."""
    return max((int(moment * 1000) - discord.utils.DISCORD_EPOCH) << 22, 0)


@dataclass(slots=True)
class Missed:
    """What a catch-up found."""

    rooms: int = 0
    messages: int = 0


class CatchUp:
    """Reads what one session missed."""

    def __init__(
        self,
        client: discord.Client,
        arrivals: Arrivals,
        watermarks: Watermarks,
        clock: Clock,
        settings: DiscordSettings,
    ) -> None:
        self._client = client
        self._arrivals = arrivals
        self._watermarks = watermarks
        self._clock = clock
        self._settings = settings
        self._oldest = snowflake_at(clock.now() - settings.catch_up_hours * 3600)
        self._disorder = snowflake_at(clock.now() - DISORDER_S)
        self._at_once = asyncio.Semaphore(settings.catch_up_at_once)
        self.missed = Missed()

    async def direct(self) -> None:
        """The direct rooms that were lively lately: Discord names no others."""
        places = [self._client.get_partial_messageable(int(room.id)) for room in self._watermarks.direct]
        await self._read_all([(place, room) for place, room in zip(places, self._watermarks.direct, strict=True)])

    async def guild(self, guild: discord.Guild) -> None:
        """The rooms of a server in which something newer stands than we have committed."""
        news: list[tuple[int, object, Room]] = []
        places: tuple[discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread, ...]
        places = (*guild.text_channels, *guild.voice_channels, *guild.stage_channels, *guild.threads)
        for place in places:
            room = events.room_of(place)
            last = place.last_message_id
            if room is not None and last is not None and self._has_news(room, last):
                news.append((last, place, room))
        news.sort(key=lambda item: item[0], reverse=True)
        if len(news) > self._settings.catch_up_rooms:
            log.warning("discord.catch_up_bounded", rooms=len(news), read=self._settings.catch_up_rooms)
        await self._read_all([(place, room) for _, place, room in news[: self._settings.catch_up_rooms]])

    def _has_news(self, room: Room, last: int) -> bool:
        mark = self._watermarks.of(room)
        if mark is None or last <= self._oldest:
            return False
        known = room.key in self._watermarks.of_rooms
        return last > mark.newest or (known and mark.newest > self._disorder)

    async def _read_all(self, places: list[tuple[object, Room]]) -> None:
        async def read(place: object, room: Room) -> None:
            async with self._at_once:
                await self._read(place, room)

        async with asyncio.TaskGroup() as group:
            for place, room in places:
                group.create_task(read(place, room))

    async def _read(self, place: object, room: Room) -> None:
        mark = self._watermarks.of(room)
        if mark is None:
            return
        pause_s = self._settings.restart_first_s
        while True:
            try:
                payloads = await self._history(room, max(mark.since - 1, self._oldest))
                break
            except (discord.Forbidden, discord.NotFound) as error:
                log.warning("discord.history_closed", room=room.key, error=str(error))
                return
            except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
                # Giving up would lose what stands there until the next session, so it does not.
                log.warning("discord.history_unread", room=room.key, error=str(error), pause_s=pause_s)
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.restart_most_s)
        self.missed.rooms += 1
        for payload in payloads:
            message = self._parse(place, payload)
            if message is not None:
                await self._take(message)

    async def _history(self, room: Room, after: int) -> list[dict[str, Any]]:
        """The messages after ``after``, oldest first: the newest ones where there are too many."""
        found: list[dict[str, Any]] = []
        before: int | None = None
        while len(found) < self._settings.catch_up_messages:
            page: list[Any] = await self._client.http.logs_from(int(room.id), PAGE, before=before)
            newer = [payload for payload in page if int(payload["id"]) > after]
            found += newer
            if len(newer) < PAGE:
                break
            before = int(page[-1]["id"])
        else:
            log.warning("discord.catch_up_bounded", room=room.key, messages=len(found))
        return found[: self._settings.catch_up_messages][::-1]

    def _parse(self, place: Any, payload: Any) -> discord.Message | None:
        try:
            return discord.Message(state=self._client._connection, channel=place, data=payload)
        except Exception:  # one message that discord.py cannot read must not cost us the others
            log.exception("discord.message_unreadable", message=payload.get("id"))
            return None

    async def _take(self, message: discord.Message) -> None:
        bot_id, most = self._client._connection.self_id or 0, self._settings.max_message_chars
        said = events.said(message, bot_id, most)
        if said is None:
            return
        if await self._arrivals.admit(said):
            self.missed.messages += 1
        elif message.edited_at is not None and self._was_away(message.edited_at.timestamp()):
            await self._arrivals.admit(Edited(said.message, message.edited_at.timestamp()))

    def _was_away(self, moment: float) -> bool:
        """Whether nobody may have listened then: after the last message that was committed anywhere."""
        overall = self._watermarks.overall
        return overall is not None and snowflake_at(moment) > overall.newest
