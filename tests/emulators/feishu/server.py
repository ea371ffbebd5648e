"""The whole platform on one port of the loopback, in a thread of its own.

``Feishu`` is what a test holds: it makes people and chats, lets them talk, presses and recalls, sets faults,
and reads what members would see. Its methods are plain calls from any thread; each is carried out on the
emulator's own loop, so a bot that blocks its loop does not block the platform.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from tests.emulators.feishu.api import ALL_MESSAGES, Api
from tests.emulators.feishu.cards import Cards
from tests.emulators.feishu.connection import LongConnections
from tests.emulators.feishu.events import Events
from tests.emulators.feishu.faults import Faults
from tests.emulators.feishu.files import Files
from tests.emulators.feishu.limits import Limits
from tests.emulators.feishu.messages import Messages
from tests.emulators.feishu.redelivery import Redelivery, Told
from tests.emulators.feishu.registration import Registration
from tests.emulators.feishu.webhook import Webhook
from tests.emulators.feishu.world import Chat, Person, Post, World

T = TypeVar("T")

ALL = "all"
"""In ``mention=``: everyone. It stands in the text as ``@_all`` and has no entry in ``mentions``."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the bot as it stands now before the members' eyes."""

    id: str
    text: str
    type: str
    parent_id: str | None
    thread_id: str | None
    uuid: str | None
    edits: int


class Feishu:
    """Use as a context manager. ``mode``: how events reach the bot, ``long_connection`` or ``webhook``.

    ``app_id`` is new each time: the client keeps tokens for the life of the process, by app id alone.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        bot_name: str = "毛豆",
        mode: str = "long_connection",
        encrypt_key: str = "a-key-for-tests",
        token: str = "a-verification-token",
    ) -> None:
        self.app_id = f"cli_{secrets.token_hex(8)}"
        self.secret = secrets.token_hex(16)
        self.encrypt_key = encrypt_key
        self.token = token
        self.limits = limits or Limits()
        self.faults = Faults()
        self.world = World(self.app_id, bot_name)
        self.api = Api(self.world, self.secret, self.limits, self.faults)
        self.connections = LongConnections(self.app_id, self.secret, self.limits, self.faults)
        self.webhook = Webhook(encrypt_key, token, self.limits)
        self.registration = Registration(self.app_id, self.secret)
        self._events = Events(self.world, token)
        self.mode = mode
        push = self.connections.push if mode == "long_connection" else self.webhook.push
        self.redelivery = Redelivery(self.limits, self.faults, push)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="feishu-emulator", daemon=True)
        self.port = 0

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Feishu:
        self._thread.start()
        self._await(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for part in (
            self.api,
            Messages(self.api),
            Cards(self.api),
            Files(self.api),
            self.connections,
            self.registration,
        ):
            app.add_routes(part.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self.redelivery.stop()
        await self.connections.stop()
        await self.webhook.stop()
        await self._runner.cleanup()

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _do(self, change: Callable[[], T]) -> T:
        async def on_loop() -> T:
            return change()

        return self._await(on_loop())

    # ── people and chats ─────────────────────────────────────────────────────────────────────────────

    @property
    def bot(self) -> Person:
        return self.world.bot

    def person(self, name: str, *, is_bot: bool = False) -> Person:
        return self._do(lambda: self.world.person(name, is_bot=is_bot))

    def group(self, *members: Person, name: str = "毛豆之友", managers: tuple[Person, ...] = ()) -> Chat:
        """A group with the bot in it; the first member owns it."""
        return self._do(lambda: self.world.chat(name, "group", list(members), list(managers)))

    def topics(self, *members: Person, name: str = "话题群") -> Chat:
        """A group in which every message begins a topic."""
        return self._do(lambda: self.world.chat(name, "topic", list(members), []))

    def direct(self, person: Person) -> Chat:
        return self._do(lambda: self.world.chat("", "p2p", [person], []))

    # ── what members do ──────────────────────────────────────────────────────────────────────────────

    def say(
        self,
        chat: Chat,
        person: Person,
        text: str,
        *,
        mention: tuple[Person | str, ...] = (),
        reply_to: Post | None = None,
        in_thread: bool = False,
        tell: bool = True,
    ) -> Post:
        """A text message; those mentioned stand in front of it. ``tell=False``: the bot is not told of it."""
        keys, entries = [], []
        for number, one in enumerate((one for one in mention if isinstance(one, Person)), start=1):
            keys.append(f"@_user_{number}")
            entries.append(self._events.mention(keys[-1], one))
        if ALL in mention:
            keys.append("@_all")
        return self.post(
            chat,
            person,
            "text",
            {"text": " ".join([*keys, text])},
            mentions=entries,
            reply_to=reply_to,
            in_thread=in_thread,
            tell=tell,
        )

    def post(
        self,
        chat: Chat,
        person: Person,
        type_: str,
        content: dict[str, Any],
        *,
        mentions: list[dict[str, Any]] | None = None,
        reply_to: Post | None = None,
        in_thread: bool = False,
        tell: bool = True,
    ) -> Post:
        """Any message, by its type and content."""

        def change() -> Post:
            post = self.world.post(
                chat,
                person.open_id,
                type_,
                content,
                mentions=mentions,
                reply_to=reply_to,
                in_thread=in_thread or bool(reply_to is not None and reply_to.thread_id),
            )
            if tell and chat.has_bot and self._hears(chat, post):
                self.redelivery.tell(self._events.said(post, chat, person))
            return post

        return self._do(change)

    def _hears(self, chat: Chat, post: Post) -> bool:
        """Without the subscription the app is told nothing; without the scope for all messages, of mentions only."""
        if "im.message.receive_v1" in self.faults.missing_events:
            return False
        mentioned = any(entry["id"]["open_id"] == self.bot.open_id for entry in post.mentions)
        return chat.mode == "p2p" or mentioned or ALL_MESSAGES not in self.faults.missing_scopes

    def upload(self, name: str, content: bytes, kind: str = "file") -> str:
        """A member's file; returns its key, for ``post``."""

        def change() -> str:
            key = self.world.number("img" if kind == "image" else "file")
            self.world.files[key] = (name, content)
            return key

        return self._do(change)

    def mention(self, number: int, person: Person) -> dict[str, Any]:
        """An entry of ``mentions`` for a hand-made message; it stands for ``@_user_<number>``."""
        return self._events.mention(f"@_user_{number}", person)

    def recall(self, post: Post) -> None:
        def change() -> None:
            post.recalled = True
            self.world.see("recalled", post)
            self.redelivery.tell(self._events.recalled(post))

        self._do(change)

    def react(self, message_id: str, person: Person, emoji: str, *, remove: bool = False) -> None:
        """A member's reaction; ``emoji`` is the platform's name, such as ``THUMBSUP``."""

        def change() -> None:
            post = self.world.posts[message_id]
            if remove:
                gone = next(key for key, value in post.reactions.items() if value == (person.open_id, emoji))
                del post.reactions[gone]
            else:
                post.reactions[self.world.number("re")] = (person.open_id, emoji)
            self.redelivery.tell(self._events.reacted(post, person, emoji, added=not remove))

        self._do(change)

    def press(self, message_id: str, person: Person, label: str) -> dict[str, Any] | None:
        """Press the button with this label; returns the bot's answer, None when there was none in time. It waits
        for the bot: call it in a thread where the bot runs on the caller's loop."""
        value = _button(self.world, self.world.posts[message_id], label)
        payload = self._do(lambda: self._events.pressed(self.world.posts[message_id], person, value))
        if self.mode == "long_connection":
            return self._await(self.connections.ask(payload))
        status, _ = self._await(self.webhook.send(payload))
        return {} if status == 200 else None

    def add_bot(self, chat: Chat, by: Person) -> None:
        def change() -> None:
            chat.has_bot = True
            self.redelivery.tell(self._events.bot_moved(chat, by, added=True))

        self._do(change)

    def kick(self, chat: Chat, by: Person) -> None:
        """Remove the bot: from now on every call for this chat is refused."""

        def change() -> None:
            chat.has_bot = False
            self.redelivery.tell(self._events.bot_moved(chat, by, added=False))

        self._do(change)

    # ── what goes wrong ──────────────────────────────────────────────────────────────────────────────

    def expire_tokens(self) -> None:
        self._do(self.api.expire_tokens)

    def drop(self) -> None:
        """All sockets are cut."""
        self._await(self.connections.drop())

    def again(self, event_id: str) -> None:
        """A spurious redelivery of an event."""
        self._do(lambda: self.redelivery.again(event_id))

    def malformed(self, payload: bytes = b'{"schema": "2.0", "header": {') -> bool:
        """Push bytes that are no event; True when the client acknowledged even that. Waits as ``press`` does."""
        return self._await(self.connections.push_raw(payload))

    def tell(self, payload: dict[str, Any]) -> Told:
        """Push a hand-made event."""
        return self._do(lambda: self.redelivery.tell(payload))

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the emulator's parts, such as ``webhook.send(…)``, on its loop."""
        return self._await(work)

    # ── what members see ─────────────────────────────────────────────────────────────────────────────

    def shown(self, chat: Chat) -> list[Shown]:
        """The bot's messages in this chat that are not recalled, oldest first."""

        def look() -> list[Shown]:
            return [
                Shown(
                    post.id, self.world.text_of(post), post.type, post.parent_id, post.thread_id, post.uuid, post.edits
                )
                for post in self.world.posts_of(chat.id)
                if post.sender == self.app_id and not post.recalled
            ]

        return self._do(look)

    def event_ids(self) -> list[str]:
        """The ids of all events so far, oldest first."""
        return list(self.redelivery.told)

    def told(self) -> list[Told]:
        """Each event's story, oldest first."""
        return self._do(lambda: list(self.redelivery.told.values()))


def _button(world: World, post: Post, label: str) -> dict[str, Any]:

    def search(node: Any) -> dict[str, Any] | None:
        if isinstance(node, dict):
            if node.get("tag") == "button" and node.get("text", {}).get("content") == label:
                for behavior in node.get("behaviors", [{"value": node.get("value", {})}]):
                    return dict(behavior.get("value", {}))
            return next((hit for value in node.values() if (hit := search(value)) is not None), None)
        if isinstance(node, list):
            return next((hit for value in node if (hit := search(value)) is not None), None)
        return None

    content = json.loads(post.content)
    if content.get("type") == "card":
        content = world.cards[content["data"]["card_id"]].elements
    found = search(content)
    if found is None:
        raise LookupError(f"no button {label!r} on {post.id}")
    return found
