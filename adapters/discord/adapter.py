"""Discord as a platform: its events into the inbox, our deliveries into its rooms.

Every send in a channel goes under ``nonce`` with ``enforce_nonce``, which is the delivery's key. A slash
command or a button is answered by editing the message that says “thinking…”, which is the same however
often it is done. Nobody is pinged by what we write.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import discord
import structlog

from adapters.discord import render
from adapters.discord.arrivals import Arrivals
from adapters.discord.attachments import Attachments
from adapters.discord.catch_up import Watermarks, snowflake_at
from adapters.discord.client import Client, point_at
from adapters.discord.events import PLATFORM, is_adult
from adapters.discord.interactions import Interactions
from adapters.discord.refusals import CANNOT_REPLY_WITHOUT_HISTORY, TOKEN_IS_OVER, in_our_terms
from adapters.discord.settings import DiscordSettings
from adapters.discord.supervisor import Supervisor
from bot.commands import Command
from bot.delivery import Content, Delivery, DeliveryAct
from bot.errors import CannotLook, PlatformError, TryLater, Undeliverable, UsageError
from bot.event import Attachment, Member, Role, Room, RoomKind
from bot.ports import Accept, Capabilities, Clock, Standing
from bot.store import Store

log = structlog.get_logger(__name__)

CONTENT_CHARS = 1900
"""What we plan for one message: 2,000 are allowed, and showing a table as aligned text takes a few more."""

LOST_IS_TROUBLE_AFTER_S = 15.0
"""discord.py resumes a lost line by itself, mostly within a second or two."""

LOGIN_WITHIN_S = 3.0
"""How long a call waits for a client that is just logging in, before it says “later”."""

NO_MENTIONS = discord.AllowedMentions.none()


class DiscordPlatform:
    """Implements :class:`bot.ports.Platform`. ``commands`` become slash commands at the login; they may be filled
    until ``run``. Raises ``UsageError`` when there is no token."""

    name = PLATFORM

    def __init__(self, store: Store, settings: DiscordSettings, clock: Clock, commands: Iterable[Command] = ()) -> None:
        if not settings.token.get_secret_value().strip():
            raise UsageError(
                "Discord has no token: put MAODOU_DISCORD_TOKEN=… into .env (see `maodou connect discord`)."
            )
        self.settings = settings
        self.capabilities = Capabilities(
            edits=True,
            recalls=True,
            threads=True,
            streams=True,
            buttons=True,
            voice=True,
            history=True,
            max_chars=CONTENT_CHARS,
            sends_per_s=settings.sends_per_s,
            edits_per_s=settings.edits_per_s,
            key_window_s=settings.key_window_s,
        )
        self._store = store
        self._clock = clock
        self.commands = commands
        self._interactions = Interactions(store, clock)
        self._attachments = Attachments(settings)
        self._logged_in = asyncio.Event()
        self._supervisor: Supervisor | None = None

    # ── receiving ────────────────────────────────────────────────────────────────────────────────────

    async def run(self, accept: Accept) -> None:
        point_at(self.settings)
        await self._interactions.load()
        arrivals = Arrivals(accept, self._clock, self.settings, on_gap=self._catch_up_again)
        unread: dict[str, Watermarks] = {}

        def make() -> Client:
            return Client(
                self.settings,
                self._clock,
                self._store,
                arrivals,
                self._interactions,
                unread,
                self.commands,
                self._logged_in,
            )

        self._supervisor = Supervisor(make, self.settings, self._clock)
        try:
            await self._supervisor.run()
        finally:
            await arrivals.close()

    @property
    def client(self) -> Client | None:
        """The client that lives now; None between two lives."""
        return self._supervisor.client if self._supervisor is not None else None

    def _catch_up_again(self, since: float) -> None:
        if self.client is not None:  # otherwise the next one reads everything back
            self.client.catch_up_again(since)

    def health(self) -> str | None:
        supervisor = self._supervisor
        if supervisor is None:
            return "Discord: not started."
        client = supervisor.client
        if client is None or not client.was_connected:
            return supervisor.trouble
        if client.lost_at is not None and (away_s := self._clock.now() - client.lost_at) > LOST_IS_TROUBLE_AFTER_S:
            return f"Discord: no connection for {away_s:.0f} s; it is being tried again."
        return None

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────

    async def send(self, delivery: Delivery) -> str:
        client = await self._client()
        interaction = await self._interactions.token(delivery.reply_to)
        if interaction is not None and delivery.part == 0 and delivery.content.audio is None:
            try:
                return await self._answer(client, interaction, delivery.content)
            except Undeliverable as error:
                # The token is over, or the member took “thinking…” away: say it in the room.
                log.info("discord.interaction_over", interaction=delivery.reply_to, error=error.why)
                self._interactions.forget(delivery.reply_to or "")
        reply_to = None if interaction is not None else delivery.reply_to
        with in_our_terms():
            if delivery.content.audio is not None:
                return await self._send_voice(client, delivery, reply_to)
            try:
                return await self._send(client, delivery, reply_to)
            except discord.HTTPException as error:
                if error.code != CANNOT_REPLY_WITHOUT_HISTORY:
                    raise
                return await self._send(client, delivery, None)

    async def _send(self, client: Client, delivery: Delivery, reply_to: str | None) -> str:
        """Discord recognises the nonce and answers a second call with the first message."""
        view = render.buttons(delivery.content.buttons)
        return await self._post(
            client,
            delivery,
            reply_to,
            content=render.markdown(delivery.content.text),
            view=discord.utils.MISSING if view is None else view,
            flags=discord.MessageFlags(suppress_embeds=True),
        )

    async def _send_voice(self, client: Client, delivery: Delivery, reply_to: str | None) -> str:
        """A voice message stands alone; where words come with it, the sound is a file beside them."""
        audio = delivery.content.audio
        if audio is None:
            raise ValueError("no audio to send")
        try:
            body = await asyncio.to_thread(Path(audio.path).read_bytes)
        except FileNotFoundError as error:
            raise Undeliverable("its sound is gone") from error
        text = render.markdown(delivery.content.text) if delivery.content.text.strip() else None
        file = render.VoiceFile(io.BytesIO(body), "voice-message.ogg")
        file.duration_s, file.waveform = audio.duration_s, render.waveform(audio)
        flags = discord.MessageFlags._from_value(0 if text else render.VOICE_MESSAGE)
        return await self._post(client, delivery, reply_to, content=text, file=file, flags=flags)

    @staticmethod
    async def _post(client: Client, delivery: Delivery, reply_to: str | None, **what: Any) -> str:
        """By the HTTP client itself: of what comes back the id is enough, and a voice message goes no other way."""
        reference = _reference(delivery.room, reply_to)
        with discord.http.handle_message_parameters(
            nonce=delivery.key,
            allowed_mentions=NO_MENTIONS,
            message_reference=discord.utils.MISSING if reference is None else reference.to_message_reference_dict(),
            **what,
        ) as params:
            for part in params.multipart or ():
                if part["name"].startswith("files["):  # Discord takes duration and waveform for audio alone
                    part["content_type"] = "audio/ogg"
            sent = await client.http.send_message(int(delivery.room.id), params=params)
        return str(sent["id"])

    async def _answer(self, client: Client, token: str, content: Content) -> str:
        """Put the answer where “thinking…” stands. Raises ``Undeliverable`` when that cannot be reached any more."""
        view = render.buttons(content.buttons)
        body = {
            "content": render.markdown(content.text),
            "components": view.to_components() if view is not None else [],
            "allowed_mentions": NO_MENTIONS.to_dict(),
        }
        route = discord.http.Route(
            "PATCH",
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=client.application_id,
            webhook_token=token,
        )
        try:
            with in_our_terms():
                sent: Any = await client.http.request(route, json=body)
        except TryLater as error:
            cause = error.__cause__
            if isinstance(cause, discord.HTTPException) and cause.code in TOKEN_IS_OVER:
                raise Undeliverable("the interaction's token is over") from error
            raise
        return str(sent["id"])

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        place = (await self._client()).get_partial_messageable(int(room.id))
        with in_our_terms():
            await place.get_partial_message(int(message_id)).edit(
                content=render.markdown(content.text),
                view=render.buttons(content.buttons),
                allowed_mentions=NO_MENTIONS,
            )

    async def recall(self, room: Room, message_id: str) -> None:
        place = (await self._client()).get_partial_messageable(int(room.id))
        with in_our_terms():
            try:
                await place.get_partial_message(int(message_id)).delete()
            except discord.NotFound:
                return

    async def find(self, delivery: Delivery) -> str | None:
        """Our message after the question that replies to it (to its interaction) with this text."""
        began = snowflake_at(delivery.planned_at - 60)  # clocks may differ by as much
        after = int(delivery.reply_to) if delivery.reply_to is not None else began
        text = render.markdown(delivery.content.text).strip()
        client, before, looked = await self._client(), None, 0
        while looked < self.settings.find_messages:
            try:
                page: list[Any] = await client.http.logs_from(int(delivery.room.id), 100, before=before)
            except discord.HTTPException as error:
                if error.status in (403, 404):
                    raise CannotLook(f"Discord does not show the history: {error.status} {error.code}") from error
                raise
            for message in page:
                if int(message["id"]) <= after:
                    return None
                if int(message["author"]["id"]) == client.bot_id and _answers(message, delivery, text):
                    return str(message["id"])
            if len(page) < 100:
                return None
            looked, before = looked + len(page), int(page[-1]["id"])
        raise CannotLook(f"more than {self.settings.find_messages} messages have come since")

    # ── around messages ──────────────────────────────────────────────────────────────────────────────

    async def role(self, room: Room, member: Member) -> Role:
        """Read from Discord for this call: who is the owner, which roles there are, and which the member has."""
        if room.space is None or room.kind is RoomKind.DIRECT:
            return Role.MEMBER
        client = await self._client()
        with in_our_terms():
            guild = await client.fetch_guild(int(room.space), with_counts=False)
            found = await guild.fetch_member(int(member.id))
        if found.id == guild.owner_id:
            return Role.OWNER
        may = found.guild_permissions
        if found.is_timed_out():
            return Role.MEMBER
        if may.administrator or may.manage_guild:
            return Role.ADMIN
        moderates = may.manage_messages or may.moderate_members or may.kick_members or may.ban_members
        return Role.MODERATOR if moderates else Role.MEMBER

    async def standing(self, room: Room) -> Standing:
        """Read from Discord for this call. A server's own restriction leaves its channels unmarked, and a thread is
        what its channel is: https://github.com/discord/discord-api-docs/issues/7914"""
        if room.space is None or room.kind is RoomKind.DIRECT:
            return Standing()
        client = await self._client()
        with in_our_terms():
            guild = await client.fetch_guild(int(room.space), with_counts=False)
            if is_adult(guild):
                return Standing(age_restricted=True)
            channel = await client.http.get_channel(int(room.parent or room.id))
        return Standing(age_restricted=bool(channel.get("nsfw")))

    async def thinking(self, room: Room, message_id: str) -> None:
        try:
            await (await self._client()).http.send_typing(int(room.id))
        except (discord.DiscordException, aiohttp.ClientError, TryLater, OSError, RuntimeError) as error:
            log.debug("discord.typing_failed", room=room.key, error=str(error))

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        """Raises ``MemberError`` for a file that is gone or larger than ``max_bytes``, ``PlatformError``."""
        client = await self._client()
        try:
            return await self._attachments.fetch(client, attachment, into, max_bytes)
        except (aiohttp.ClientError, discord.DiscordException) as error:
            raise PlatformError(f"the file did not come: {type(error).__name__}: {error}") from error

    async def _client(self) -> Client:
        """The client that is logged in; at the start, and between two of them, it is waited for a little."""
        if not self._logged_in.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOGIN_WITHIN_S):
                    await self._logged_in.wait()
        client = self.client
        if client is not None and client.user is not None and not client.is_closed():
            return client
        raise TryLater(1.0, "Discord is not connected")


def _reference(room: Room, reply_to: str | None) -> discord.MessageReference | None:
    """A question that was deleted meanwhile is answered all the same, without the quotation."""
    if reply_to is None:
        return None
    return discord.MessageReference(message_id=int(reply_to), channel_id=int(room.id), fail_if_not_exists=False)


def _answers(message: Any, delivery: Delivery, text: str) -> bool:
    """Whether a message of ours is this delivery. Discord drops the reference to a question that is gone."""
    replies_to = (message.get("message_reference") or {}).get("message_id")
    interaction = (message.get("interaction_metadata") or {}).get("id")
    origin = replies_to or interaction
    if delivery.act is DeliveryAct.STREAM:
        return origin is not None and origin == delivery.reply_to
    return message["content"].strip() == text and origin in (None, delivery.reply_to)
