"""Feishu as a platform: its events are committed before they are acknowledged, our deliveries leave under keys.

It tells nobody of edits, so an edited question is not answered anew. An answer that is shown while it is made
is a card that is replaced as a whole: that needs no state of ours, so any life of the process can complete
the card that another one began. (CardKit's typewriter needs a card's id, which cannot be had from its message
any more: larksuite/oapi-sdk-java issue 168.)
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog

from adapters.feishu.api import Api, Refused
from adapters.feishu.connection import LongConnection
from adapters.feishu.directory import PLATFORM, Directory, Place, chat_path
from adapters.feishu.events import Translator, open_envelope, replied_message
from adapters.feishu.find import find
from adapters.feishu.library import MISSING, load
from adapters.feishu.render import MAX_CHARS, as_type, render
from adapters.feishu.settings import FeishuSettings
from adapters.feishu.turns import Turns
from adapters.feishu.watchdog import Watchdog
from adapters.feishu.webhook import Webhook
from bot.delivery import Audio, Content, Delivery, DeliveryAct
from bot.errors import PlatformError, Undeliverable, UsageError
from bot.event import Attachment, Member, Role, Room, RoomKind
from bot.ports import Accept, Capabilities, Standing

MESSAGES = "/open-apis/im/v1/messages"
THINKING = "Typing"
MAX_SIGNS = 1000
ASK_AGAIN_S = 5.0

log = structlog.get_logger(__name__)


class FeishuPlatform:
    """Implements :class:`bot.ports.Platform`. Belongs to one event loop; one long connection per process.

    Raises ``UsageError`` without the app's secret or without the library, which is imported only when it runs.
    """

    name = PLATFORM

    def __init__(self, settings: FeishuSettings) -> None:
        if not settings.app_secret.get_secret_value():
            raise UsageError("Feishu is configured without its secret: put MAODOU_FEISHU_APP_SECRET=… into .env.")
        if importlib.util.find_spec("lark_oapi") is None:
            raise UsageError(MISSING)
        self.settings = settings
        self.capabilities = Capabilities(
            edits=True,
            recalls=True,
            threads=True,
            streams=True,
            buttons=True,
            voice=True,
            history=True,
            max_chars=MAX_CHARS,
            sends_per_s=settings.sends_per_s,
            edits_per_s=settings.edits_per_s,
            key_window_s=settings.key_window_s,
        )
        self.api = Api(settings)
        self.directory = Directory(self.api, settings)
        self._translator = Translator(self.api, self.directory, settings)
        self._accept: Accept | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchdog = Watchdog(settings, self._new_connection)
        self._webhook: Webhook | None = None
        self._turns = Turns()
        self._signs: OrderedDict[str, str] = OrderedDict()  # question -> our reaction on it; "" once it was answered
        self._errands: set[asyncio.Task[None]] = set()
        self._trouble: str | None = "Feishu is not connected yet."

    @property
    def webhook_url(self) -> str:
        """Where the webhook listens; empty in the other mode."""
        return self._webhook.url if self._webhook is not None else ""

    @property
    def rebuilt(self) -> int:
        """How often the connection was made anew."""
        return self._watchdog.rebuilt

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, accept: Accept) -> None:
        self._accept = accept
        self._loop = asyncio.get_running_loop()
        try:
            await self._learn_who_we_are()
            if self.settings.mode == "webhook":
                await self._listen()
            else:
                self._trouble = None
                await self._watchdog.run()
        finally:
            self._trouble = "Feishu is not connected."
            await self._close()

    async def _learn_who_we_are(self) -> None:
        """Our own id, by which we are mentioned; without it nothing can be read, so it is asked for until it
        is told."""
        while True:
            try:
                bot = (await self.api.call("GET", "/open-apis/bot/v3/info")).get("bot") or {}
                self._translator.bot_id = str(bot.get("open_id") or "")
                if self._translator.bot_id:
                    return
                self._trouble = "The Feishu app has no bot: turn the bot feature on and publish a version."
            except PlatformError as error:
                self._trouble = f"Feishu does not say who we are: {error}"
            log.error("feishu.not_ready", why=self._trouble)
            await asyncio.sleep(ASK_AGAIN_S)

    async def _listen(self) -> None:
        await asyncio.to_thread(load, "lark_oapi.core.utils")  # before a request needs it
        self._webhook = Webhook(self.settings, self._take)
        await self._webhook.open()
        self._trouble = None
        try:
            await asyncio.Event().wait()
        finally:
            await self._webhook.close()

    def _new_connection(self) -> LongConnection:
        return LongConnection(self.settings, self._begin_to_take)

    def _begin_to_take(self, payload: bytes) -> Future[dict[str, Any]]:
        """Called on the connection's thread."""
        if self._loop is None:
            raise RuntimeError("an event before the platform runs")
        return asyncio.run_coroutine_threadsafe(self._take(payload), self._loop)

    async def _take(self, payload: bytes) -> dict[str, Any]:
        """Commit one event. Raises ``Malformed``, ``StoreError``: not acknowledged, then."""
        if self._accept is None:
            raise RuntimeError("an event before the platform runs")
        arrived = open_envelope(payload)
        async with self._turns.of(arrived.chat_id):
            event = await self._translator.translate(arrived)
            if event is None:
                return {}
            # Begun before the next event of the chat is read, awaited beside it: the inbox keeps the order in
            # which it is asked, and commits together what waits together.
            committed = asyncio.ensure_future(self._accept(event))
            await asyncio.sleep(0)
        await committed
        return {}

    async def _close(self) -> None:
        for task in self._errands:
            task.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        await self.directory.close()
        await self.api.close()

    def health(self) -> str | None:
        if self._trouble is not None:
            return self._trouble
        return None if self.settings.mode == "webhook" else self._watchdog.health()

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────

    async def send(self, delivery: Delivery) -> str:
        content = delivery.content
        if content.audio is not None:
            rendered_type, raw = "audio", await self._audio(content.audio)
        else:
            rendered = render(content, streaming=delivery.act is DeliveryAct.STREAM)
            rendered_type, raw = rendered.type, rendered.content
        body = {"msg_type": rendered_type, "content": raw, "uuid": delivery.key}
        question = replied_message(delivery.reply_to) if delivery.reply_to else None
        room = delivery.room
        if question is None and room.kind is RoomKind.THREAD:
            question = await self._root(room)
        if question is not None:
            in_thread = room.kind is RoomKind.THREAD
            sent = await self.api.call("POST", f"{_message(question)}/reply", body | {"reply_in_thread": in_thread})
        else:
            sent = await self.api.call(
                "POST", MESSAGES, body | {"receive_id": room.id}, query={"receive_id_type": "chat_id"}
            )
        message_id = str(sent["message_id"])
        self.directory.remember(message_id, Place(room, rendered_type, ours=True))
        if question is not None:
            self._run_errand(self._take_sign_off(question))
        return message_id

    async def _audio(self, audio: Audio) -> str:
        """Upload a spoken answer; its length must be told, or none is shown."""
        fields = {"file_type": "opus", "file_name": "answer.opus", "duration": str(round(audio.duration_s * 1000))}
        try:
            uploaded = await self.api.upload("/open-apis/im/v1/files", fields, "file", "answer.opus", Path(audio.path))
        except FileNotFoundError as error:
            raise Undeliverable("its sound is gone") from error
        return json.dumps({"file_key": uploaded["file_key"]})

    async def _root(self, room: Room) -> str | None:
        """The message from which a topic hangs: what is said in a topic must reply to something in it."""
        query = {"container_id_type": "thread", "container_id": room.id, "page_size": "1"}
        items = (await self.api.call("GET", MESSAGES, query=query)).get("items") or []
        return str(items[0].get("root_id") or items[0]["message_id"]) if items else None

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        """A text is edited at most 20 times, a card for 14 days and 5 times a second (Feishu's documentation)."""
        rendered = as_type(content, await self._type_of(message_id))
        if rendered.type == "interactive":
            await self.api.call("PATCH", _message(message_id), {"content": rendered.content})
        else:
            body = {"msg_type": rendered.type, "content": rendered.content}
            await self.api.call("PUT", _message(message_id), body)

    async def _type_of(self, message_id: str) -> str:
        known = self.directory.known(message_id)
        if known is not None:
            return known.type
        items = (await self.api.call("GET", _message(message_id))).get("items") or []
        if not items or items[0].get("deleted"):
            raise Undeliverable("the message is gone")
        return str(items[0].get("msg_type"))

    async def recall(self, room: Room, message_id: str) -> None:
        try:
            await self.api.call("DELETE", _message(message_id))
        except Refused:
            if not await self._is_gone(message_id):
                raise

    async def _is_gone(self, message_id: str) -> bool:
        try:
            items = (await self.api.call("GET", _message(message_id))).get("items") or []
        except Refused:
            return True
        return not items or bool(items[0].get("deleted"))

    async def find(self, delivery: Delivery) -> str | None:
        return await find(self.api, self.settings, delivery)

    # ── the rest ─────────────────────────────────────────────────────────────────────────────────────

    async def role(self, room: Room, member: Member) -> Role:
        """The group's owner and managers. In a direct chat nobody is more than a member to the platform."""
        if room.kind is RoomKind.DIRECT:
            return Role.MEMBER
        chat_id = room.parent if room.kind is RoomKind.THREAD and room.parent else room.id
        chat = await self.api.call("GET", chat_path(chat_id), query={"user_id_type": "open_id"})
        if chat.get("owner_id") == member.id:
            return Role.OWNER
        return Role.ADMIN if member.id in (chat.get("user_manager_id_list") or []) else Role.MEMBER

    async def standing(self, room: Room) -> Standing:
        """Feishu knows no restriction by age. What does not say that it is internal counts as external."""
        if room.kind is RoomKind.DIRECT:
            return Standing()
        chat = await self.api.call("GET", chat_path(room.parent or room.id), query={"user_id_type": "open_id"})
        return Standing(external=chat.get("external") is not False)

    async def thinking(self, room: Room, message_id: str) -> None:
        """A typing reaction on the question; it goes when the answer comes. Not waited for: whoever asks for it may
        be cancelled while it is on its way, and then nobody would take it off again."""
        self._run_errand(self._put_sign_on(message_id))

    async def _put_sign_on(self, message_id: str) -> None:
        body = {"reaction_type": {"emoji_type": THINKING}}
        try:
            made = await self.api.call("POST", f"{_message(message_id)}/reactions", body)
        except PlatformError as error:
            log.debug("feishu.no_sign", message=message_id, why=str(error))
            return
        answered = message_id in self._signs
        _note(self._signs, message_id, str(made.get("reaction_id") or ""))
        if answered:
            await self._take_sign_off(message_id)

    async def _take_sign_off(self, message_id: str) -> None:
        """The answer is there. A sign that comes later sees by the empty note that it came too late."""
        reaction = self._signs.get(message_id)
        _note(self._signs, message_id, "")
        if reaction:
            with contextlib.suppress(PlatformError):  # it is decoration
                await self.api.call("DELETE", f"{_message(message_id)}/reactions/{quote(reaction, safe='')}")

    def _run_errand(self, errand: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        message_id, _, rest = attachment.ref.partition("/")
        key, _, resource = rest.partition("/")
        if not key or resource not in ("file", "image"):
            raise UsageError(f"{attachment.ref!r} names no file of Feishu.")
        target = into / _file_name(attachment, key)
        path = f"{_message(message_id)}/resources/{quote(key, safe='')}"
        await self.api.download(path, {"type": resource}, target, max_bytes)
        return target


def _message(message_id: str) -> str:
    return f"{MESSAGES}/{quote(message_id, safe='')}"


def _note(notes: OrderedDict[str, str], key: str, value: str) -> None:
    notes[key] = value
    while len(notes) > MAX_SIGNS:
        notes.popitem(last=False)


def _file_name(attachment: Attachment, key: str) -> str:
    """A name that stays in its folder, with the ending that tells what it is."""
    ending = Path(attachment.name).suffix or {"audio/ogg": ".ogg"}.get(attachment.media_type, "")
    return "".join(char for char in key if char.isalnum() or char in "-_")[:80] + ending[:12]
