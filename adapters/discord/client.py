"""One life of discord.py's client: what it hears goes through the arrivals into the inbox.

discord.py takes a wrong turn where a bot must not: one event that it cannot parse, or a first connection
that fails, ends it. So a client is used for one life, and ``supervisor`` begins the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import discord
import structlog
import yarl
from sqlalchemy import update

from adapters.discord import events, slash
from adapters.discord.arrivals import Arrivals
from adapters.discord.catch_up import CatchUp, Watermark, Watermarks, read_watermarks, snowflake_at
from adapters.discord.interactions import Interactions
from adapters.discord.reactions import rating_of
from adapters.discord.settings import API_BASE, GATEWAY_URL, DiscordSettings
from adapters.discord.texts import NOT_KEPT
from bot.commands import Command
from bot.errors import StoreError
from bot.event import Event, Pressed, Room
from bot.inbox import room_of
from bot.ports import Clock
from bot.store import Store
from bot.tables import rooms

log = structlog.get_logger(__name__)

OUR_LAST_MESSAGES = 1000
"""Of so many messages of ours we know, when one is deleted, that it was ours."""

COMMIT_WITHIN_S = 2.0
"""An interaction is acknowledged after so long even when its commit is still on the way: 3 s are allowed."""


def point_at(settings: DiscordSettings) -> None:
    """discord.py keeps Discord's addresses in its classes; another server needs them before the login."""
    if settings.api_base != API_BASE:
        discord.http.Route.BASE = settings.api_base
    if settings.gateway_url != GATEWAY_URL:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)


def intents(settings: DiscordSettings) -> discord.Intents:
    """What is heard, and nothing that costs without being used (members, presences, typing)."""
    chosen = discord.Intents.none()
    chosen.guilds = chosen.guild_messages = chosen.dm_messages = True
    chosen.guild_reactions = chosen.dm_reactions = True
    chosen.message_content = settings.message_content
    return chosen


def _outlive_cancellation(http: discord.http.HTTPClient) -> None:
    """A call that meets the limit of the whole bot shuts the door for all others and opens it when its pause is
    over (discord.py 2.7.1, ``HTTPClient.request``). Cancelled in that pause – our own time limits do so, and the sign
    that an answer is made – it would leave the door shut for good. Opened early, it costs one more refusal."""
    request = http.request

    async def requested(*args: Any, **options: Any) -> Any:
        try:
            return await request(*args, **options)
        except asyncio.CancelledError:
            http._global_over.set()
            raise

    http.request = requested  # type: ignore[method-assign]


def _pass_over_our_own(state: discord.state.ConnectionState[Any]) -> deque[int]:
    """Discord tells us of each message that we send. Nobody here listens to that; discord.py would build it, the
    message that it answers, and their authors. Returns the ids of the last of them, kept as it goes on."""
    build = state.parsers["MESSAGE_CREATE"]
    ours: deque[int] = deque(maxlen=OUR_LAST_MESSAGES)

    def others(data: Any) -> None:
        if data["author"]["id"] == str(state.self_id):
            ours.append(int(data["id"]))
        else:
            build(data)

    state.parsers["MESSAGE_CREATE"] = others
    return ours


class Client(discord.Client):
    """Built for one login; ``arrivals``, ``interactions``, ``unread`` (by space, where a reading began that was not
    finished), ``logged_in`` and the store outlive it. ``lost_at``: since when the gateway, once
    connected, is not (Unix seconds)."""

    def __init__(
        self,
        settings: DiscordSettings,
        clock: Clock,
        store: Store,
        arrivals: Arrivals,
        interactions: Interactions,
        unread: dict[str, Watermarks],
        commands: Iterable[Command],
        logged_in: asyncio.Event,
    ) -> None:
        super().__init__(
            intents=intents(settings),
            proxy=settings.proxy or None,
            heartbeat_timeout=settings.heartbeat_timeout_s,
            guild_ready_timeout=settings.guild_ready_timeout_s,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )
        _outlive_cancellation(self.http)
        self._ours = _pass_over_our_own(self._connection)
        self._settings = settings
        self._clock = clock
        self._store = store
        self._arrivals = arrivals
        self._interactions = interactions
        self._unread = unread
        self._commands = commands
        self._watermarks: asyncio.Task[Watermarks] | None = None
        self._readings: set[asyncio.Task[None]] = set()
        self._hold_ends: asyncio.TimerHandle | None = None
        self._logged_in = logged_in
        self.was_connected = False
        self.lost_at: float | None = None

    @property
    def bot_id(self) -> int:
        return self._connection.self_id or 0

    @property
    def caught_up(self) -> bool:
        """Whether nothing is held back any more for what this session missed."""
        return self._hold_ends is None and not self._readings

    async def setup_hook(self) -> None:
        """Once for a login, before the gateway is connected."""
        self._logged_in.set()
        try:
            await slash.synchronise(self, self._commands)
        except discord.HTTPException as error:  # the commands of before still work, and text always does
            log.warning("discord.commands_not_changed", error=str(error))

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(self._settings.identify_pause_s)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """A defect of ours in one event's handler; discord.py would only print it."""
        log.exception("discord.event_failed", handler=event_method)

    async def close(self) -> None:
        self._logged_in.clear()
        self._end_readings()
        # discord.py would still announce a session that was about to be ready, to a client that has no loop any more.
        if (announcing := self._connection._ready_task) is not None:
            announcing.cancel()
        await super().close()

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────────

    async def on_connect(self) -> None:
        """READY: a new session, which replays nothing. Hold what comes until what was missed has been read."""
        self.was_connected, self.lost_at = True, None
        self._end_readings()
        if self._settings.catch_up_hours <= 0:
            return
        self._arrivals.hold()
        loop = asyncio.get_running_loop()
        self._hold_ends = loop.call_later(self._settings.hold_s, self._stop_holding)
        self._watermarks = asyncio.create_task(self._read_watermarks())
        self._read("", lambda reader: reader.direct())

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server of ours appears: at the start of a session, or after an outage of its own."""
        if self._hold_ends is None and self._watermarks is not None:
            self._watermarks = asyncio.create_task(self._read_watermarks())  # those of the session's start are old
        self._read(str(guild.id), lambda reader: reader.guild(guild))
        await self._maybe_joined_while_away(guild)

    async def on_ready(self) -> None:
        """Every server has appeared; whatever is still held is released when the reading is done."""
        readings = list(self._readings)
        await asyncio.gather(*readings, return_exceptions=True)
        if not any(reading.cancelled() for reading in readings):
            self._stop_holding()

    async def on_resumed(self) -> None:
        self.lost_at = None

    async def on_disconnect(self) -> None:
        if self.lost_at is None:
            self.lost_at = self._clock.now()

    async def _read_watermarks(self) -> Watermarks:
        since = self._clock.now() - self._settings.catch_up_hours * 3600
        overlap = self._settings.catch_up_overlap
        return await self._store.read(lambda connection: read_watermarks(connection, since=since, overlap=overlap))

    def _read(self, space: str, reading: Callable[[CatchUp], Coroutine[Any, Any, None]]) -> None:
        if self._watermarks is None:
            return
        task = asyncio.create_task(self._catch_up(self._watermarks, space, reading), name=f"discord-catch-up-{space}")
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)

    async def _catch_up(
        self,
        watermarks: asyncio.Task[Watermarks],
        space: str,
        reading: Callable[[CatchUp], Coroutine[Any, Any, None]],
    ) -> None:
        try:
            # A reading that an end of the session cuts short is taken up by the next one where this began.
            marks = self._unread[space] = (await watermarks).after(self._unread.get(space))
            reader = CatchUp(self, self._arrivals, marks, self._clock, self._settings)
            await reading(reader)
        except Exception:  # a defect of ours: the live events must go on
            log.exception("discord.catch_up_failed", space=space)
        else:
            del self._unread[space]
            if reader.missed.rooms:
                log.info("discord.caught_up", space=space, rooms=reader.missed.rooms, messages=reader.missed.messages)
        self._arrivals.release(space)

    def catch_up_again(self, since: float) -> None:
        """Read back what had to be dropped from ``since`` on (Unix seconds), in whatever room it was said."""
        if self._settings.catch_up_hours <= 0:
            return
        dropped = snowflake_at(since)
        self._watermarks = asyncio.create_task(self._read_watermarks())
        for space in ("", *(str(guild.id) for guild in self.guilds)):
            self._unread[space] = Watermarks(overall=Watermark(dropped, dropped)).after(self._unread.get(space))
        self._read("", lambda reader: reader.direct())
        for guild in self.guilds:
            self._read(str(guild.id), lambda reader, guild=guild: reader.guild(guild))  # type: ignore[misc]

    def _stop_holding(self) -> None:
        if self._hold_ends is not None:
            self._hold_ends.cancel()
            self._hold_ends = None
        if self._readings:
            log.warning("discord.catch_up_slow", readings=len(self._readings), waiting=self._arrivals.waiting)
        self._arrivals.release_all()

    def _end_readings(self) -> None:
        if self._hold_ends is not None:
            self._hold_ends.cancel()
            self._hold_ends = None
        if self._watermarks is not None:
            self._watermarks.cancel()
        for task in self._readings:
            task.cancel()

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    async def on_message(self, message: discord.Message) -> None:
        said = events.said(message, self.bot_id, self._settings.max_message_chars)
        if said is not None:
            await self._arrivals.arrive(said)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        most = self._settings.max_message_chars
        edited = events.edited(payload.message, payload.cached_message, self.bot_id, most)
        if edited is not None:
            await self._arrivals.arrive(edited)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        if payload.message_id not in self._ours:
            await self._recalled(payload.channel_id, payload.guild_id, {payload.message_id})

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        await self._recalled(payload.channel_id, payload.guild_id, payload.message_ids)

    async def _recalled(self, channel_id: int, guild_id: int | None, message_ids: set[int]) -> None:
        room = await self._room(channel_id, guild_id)
        if room is not None:
            for event in events.recalled(room, message_ids, self._clock.now()):
                await self._arrivals.arrive(event)

    async def _room(self, channel_id: int, guild_id: int | None) -> Room | None:
        """The room of an event that names only its channel. One that discord.py does not know (an archived thread)
        is as it was when somebody last spoke in it; where nobody did, there is nothing to do."""
        place = self.get_channel(channel_id)
        if place is None and guild_id is not None:
            return next(iter(await self._known_rooms(rooms.c.id == str(channel_id))), None)
        return events.room_of(place or self.get_partial_messageable(channel_id))

    # ── reactions ────────────────────────────────────────────────────────────────────────────────────

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload)

    async def _reacted(self, payload: discord.RawReactionActionEvent) -> None:
        room = await self._room(payload.channel_id, payload.guild_id)
        if room is None or payload.user_id == self.bot_id:
            return
        reacted = await rating_of(self, payload, room, self._clock.now())
        if reacted is not None:
            await self._arrivals.arrive(reacted)

    # ── interactions ─────────────────────────────────────────────────────────────────────────────────

    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Committed, then acknowledged. Discord does not send an interaction again: when it is not kept, the
        member is told so and presses again."""
        pressed = slash.pressed(interaction)
        if pressed is None or self._interactions.knows(pressed.interaction_id):
            return
        token_kept = self._interactions.begin(pressed.interaction_id, interaction.token)
        kept = asyncio.gather(token_kept, self._arrivals.accept(pressed))
        await asyncio.wait({kept}, timeout=COMMIT_WITHIN_S)
        if kept.done() and kept.exception() is not None:
            await self._refuse(interaction, pressed, kept.exception())
            return
        try:
            await interaction.response.defer(thinking=True)
            self._interactions.acknowledged(pressed.interaction_id)
        except (discord.HTTPException, OSError) as error:  # too late: the answer is said in the room instead
            log.warning("discord.interaction_not_acknowledged", interaction=pressed.interaction_id, error=str(error))
            self._interactions.forget(pressed.interaction_id)
        try:
            await kept
        except StoreError as error:
            await self._refuse(interaction, pressed, error)

    async def _refuse(
        self, interaction: discord.Interaction[discord.Client], pressed: Pressed, error: BaseException | None
    ) -> None:
        log.error("discord.commit_failed", key=pressed.key, error=str(error))
        language = "zh" if str(interaction.locale).startswith("zh") else "en"
        text = NOT_KEPT.in_language(language)
        try:
            if interaction.response.is_done():
                await interaction.edit_original_response(content=text)
            else:
                await interaction.response.send_message(text, ephemeral=True)
        except (discord.HTTPException, OSError) as failure:
            log.warning("discord.interaction_not_refused", interaction=pressed.interaction_id, error=str(failure))
        self._interactions.forget(pressed.interaction_id)

    # ── places ───────────────────────────────────────────────────────────────────────────────────────

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._come_in(guild)
        self._read(str(guild.id), lambda reader: reader.guild(guild))

    async def _maybe_joined_while_away(self, guild: discord.Guild) -> None:
        """A server that appears with the start of a session and of which we know no room."""
        joined_at = guild.me.joined_at
        since = self._clock.now() - self._settings.catch_up_hours * 3600
        if (
            joined_at is None
            or joined_at.timestamp() < since
            or await self._known_rooms(rooms.c.space == str(guild.id))
        ):
            return
        await self._come_in(guild)

    async def _come_in(self, guild: discord.Guild) -> None:
        """Hello is said in one room; those that were ours before, if it is a return, are so again without a word."""
        await self._arrive_if(events.added(guild, self._clock.now()))
        there = [str(place.id) for place in (*guild.channels, *guild.threads)]
        ours = (rooms.c.platform == events.PLATFORM) & (rooms.c.space == str(guild.id)) & rooms.c.id.in_(there)
        back = update(rooms).where(ours, rooms.c.removed_at.is_not(None)).values(removed_at=None)
        await self._store.write(lambda connection: connection.execute(back))

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        for room in await self._known_rooms(rooms.c.space == str(guild.id)):
            await self._arrive_if(events.removed(room, self._clock.now()))

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        await self._removed(channel.id)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        await self._removed(payload.thread_id)

    async def _removed(self, channel_id: int) -> None:
        for room in await self._known_rooms(rooms.c.id == str(channel_id)):
            await self._arrive_if(events.removed(room, self._clock.now()))

    async def _arrive_if(self, event: Event | None) -> None:
        if event is not None:
            await self._arrivals.arrive(event)

    async def _known_rooms(self, chosen: Any) -> list[Room]:
        query = rooms.select().where(rooms.c.platform == events.PLATFORM, rooms.c.removed_at.is_(None), chosen)
        rows = await self._store.read(lambda connection: connection.execute(query).mappings().all())
        return [room_of(row) for row in rows]
