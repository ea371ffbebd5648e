"""What is known of chats, members and messages, so that an event need not wait for the network.

Names come with no event; they are read once per chat, in the background, and are there for the next message.
Everything here is a bounded cache of what the platform knows: it can be forgotten at any time.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import structlog

from adapters.feishu.api import Api
from adapters.feishu.reading import clean_name
from adapters.feishu.settings import FeishuSettings
from bot.errors import PlatformError
from bot.event import Room, RoomKind

V = TypeVar("V")

PLATFORM = "feishu"
MEMBERS_PER_PAGE = 100
MEMBER_PAGES = 20
MAX_CHATS = 5_000
MAX_NAMES = 50_000
ASK_AGAIN_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is, what kind it is, and whether we sent it."""

    room: Room
    type: str
    ours: bool


class Directory:
    """Belongs to one event loop."""

    def __init__(self, api: Api, settings: FeishuSettings) -> None:
        self._api = api
        self._settings = settings
        self._messages: OrderedDict[str, Place] = OrderedDict()
        self._chats: OrderedDict[str, str] = OrderedDict()
        self._kinds: OrderedDict[str, RoomKind] = OrderedDict()
        self._of_topics: OrderedDict[str, bool] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._ask_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def remember(self, message_id: str, place: Place) -> None:
        _keep(self._messages, message_id, place, self._settings.remembered_messages)

    def known(self, message_id: str) -> Place | None:
        return self._messages.get(message_id)

    async def place(self, message_id: str, space: str | None = None) -> Place | None:
        """Where a message is, asked of the platform when it is not known; None when that cannot be learned."""
        known = self._messages.get(message_id)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._settings.lookup_s):
                data = await self._api.call("GET", f"/open-apis/im/v1/messages/{quote(message_id, safe='')}")
                items = data.get("items") or [{}]
                shown = items[0] if isinstance(items[0], dict) else {}
                chat_id = str(shown.get("chat_id") or "")
                if not chat_id:
                    return None
                thread_id = shown.get("thread_id")
                begins_topic = bool(thread_id) and not shown.get("root_id")
                if chat_id not in self._kinds or (begins_topic and chat_id not in self._of_topics):
                    await self._read_kind(chat_id)
        except (PlatformError, TimeoutError) as error:
            log.info("feishu.message_unknown", message=message_id, why=str(error) or "no reply in time")
            return None
        sender = shown.get("sender") or {}
        ours = sender.get("sender_type") == "app" and sender.get("id") == self._settings.app_id
        if begins_topic and not self._of_topics.get(chat_id):
            thread_id = None  # a topic was opened at it later; when it was said, and for us, it stood in the group
        place = Place(self.room(chat_id, thread_id, space), str(shown.get("msg_type") or ""), ours)
        self.remember(message_id, place)
        return place

    # ── rooms and names ──────────────────────────────────────────────────────────────────────────────

    def room(self, chat_id: str, thread_id: str | None = None, space: str | None = None) -> Room:
        """A topic is a room of its own, hanging from its chat."""
        name = self._chats.get(chat_id, "")
        if thread_id:
            return Room(PLATFORM, thread_id, RoomKind.THREAD, name, parent=chat_id, space=space)
        return Room(PLATFORM, chat_id, self._kinds.get(chat_id, RoomKind.GROUP), name, space=space)

    def learn_kind(self, chat_id: str, kind: RoomKind) -> None:
        _keep(self._kinds, chat_id, kind, MAX_CHATS)

    async def _read_kind(self, chat_id: str) -> dict[str, Any]:
        """Ask for a chat; a message alone does not say whether its chat is a direct one."""
        chat = await self._api.call("GET", chat_path(chat_id), query={"user_id_type": "open_id"})
        self.learn_kind(chat_id, RoomKind.DIRECT if chat.get("chat_mode") == "p2p" else RoomKind.GROUP)
        # A group of topics is one by its mode, or an ordinary one whose messages are set to be topics.
        _keep(
            self._of_topics,
            chat_id,
            chat.get("chat_mode") == "topic" or chat.get("group_message_type") == "thread",
            MAX_CHATS,
        )
        return chat

    def name(self, member_id: str) -> str:
        """Empty until it was read."""
        return self._names.get(member_id, "")

    def learn_name(self, member_id: str, name: str) -> None:
        """A name that came by the way, with a mention."""
        if cleaned := clean_name(name):
            _keep(self._names, member_id, cleaned, MAX_NAMES)

    def get_to_know(self, chat_id: str, member_id: str | None = None) -> None:
        """Read a chat's name and its members' in the background, if that was not done lately."""
        unknown = chat_id not in self._chats or (member_id is not None and member_id not in self._names)
        wait_s = ASK_AGAIN_S if unknown else self._settings.directory_s
        now = time.monotonic()
        if chat_id in self._asking or now < self._ask_at.get(chat_id, 0.0) + wait_s:
            return
        if len(self._ask_at) >= MAX_CHATS:
            self._ask_at.clear()
        self._ask_at[chat_id] = now
        task = asyncio.create_task(self._read_chat(chat_id))
        self._asking[chat_id] = task
        task.add_done_callback(lambda _: self._asking.pop(chat_id, None))

    async def _read_chat(self, chat_id: str) -> None:
        try:
            chat = await self._read_kind(chat_id)
            _keep(self._chats, chat_id, clean_name(str(chat.get("name") or "")), MAX_CHATS)
            token = ""
            for _ in range(MEMBER_PAGES):
                query = {"member_id_type": "open_id", "page_size": str(MEMBERS_PER_PAGE)}
                page = await self._api.call(
                    "GET", f"{chat_path(chat_id)}/members", query=query | ({"page_token": token} if token else {})
                )
                for member in page.get("items") or []:
                    self.learn_name(str(member.get("member_id")), str(member.get("name") or ""))
                token = str(page.get("page_token") or "")
                if not page.get("has_more") or not token:
                    break
        except PlatformError as error:
            log.info("feishu.chat_unread", chat=chat_id, why=str(error))


def chat_path(chat_id: str) -> str:
    return f"/open-apis/im/v1/chats/{quote(chat_id, safe='')}"


def _keep(cache: OrderedDict[str, V], key: str, value: V, most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
