"""The tenant: people, chats, messages, cards and files, and a log of what members would see.

The world is what the REST calls change and what the events tell of. It knows no HTTP. All ids are counted,
so that two runs of one test name things alike.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

TENANT = "tenant_1"

ChatMode = Literal["group", "p2p", "topic"]


@dataclass(slots=True)
class Person:
    """A member of the tenant. The bot is one too; its ``open_id`` is what a mention of it carries."""

    open_id: str
    name: str
    is_bot: bool = False

    @property
    def ids(self) -> dict[str, str]:
        tail = self.open_id.removeprefix("ou_")
        return {"open_id": self.open_id, "union_id": f"on_{tail}", "user_id": tail}


@dataclass(slots=True)
class Chat:
    id: str
    name: str
    mode: ChatMode
    owner: str
    managers: list[str]
    members: list[str]
    has_bot: bool = True
    external: bool = False


@dataclass(slots=True)
class Post:
    """A message. ``content`` is the JSON string of its type, as the platform stores it.

    ``sender``: an ``open_id``, or the app's id for the bot's own.
    """

    id: str
    chat_id: str
    sender: str
    sender_type: Literal["user", "app"]
    type: str
    content: str
    created_ms: int
    updated_ms: int
    mentions: list[dict[str, Any]] = field(default_factory=list)
    root_id: str | None = None
    parent_id: str | None = None
    thread_id: str | None = None
    edits: int = 0
    recalled: bool = False
    uuid: str | None = None
    reactions: dict[str, tuple[str, str]] = field(default_factory=dict)  # reaction id -> (operator, emoji)


@dataclass(slots=True)
class CardEntity:
    """A CardKit card. ``elements`` in order; ``sequence`` of the last accepted change."""

    id: str
    elements: list[dict[str, Any]]
    made_at: float
    streaming: bool
    summary: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of the log: what changed before the members' eyes, in order."""

    what: Literal["sent", "edited", "recalled", "streamed", "reacted"]
    chat_id: str
    message_id: str
    text: str
    at: float


class World:
    def __init__(self, app_id: str, bot_name: str, limits_now: Any = time.time) -> None:
        self.app_id = app_id
        self.now = limits_now
        self.people: dict[str, Person] = {}
        self.chats: dict[str, Chat] = {}
        self.posts: dict[str, Post] = {}
        self.cards: dict[str, CardEntity] = {}
        self.files: dict[str, tuple[str, bytes]] = {}  # key -> (name, bytes)
        self.audio: dict[str, int | None] = {}  # key -> its length in ms, as it was told with the upload
        self.keys: dict[tuple[str, str], tuple[str, float]] = {}  # (chat, uuid) -> (message id, first used at)
        self.absorbed = 0  # sends that found a message under their key
        self.log: list[Seen] = []
        self._numbers: dict[str, int] = {}
        self.bot = self.person(bot_name, is_bot=True)

    def number(self, prefix: str) -> str:
        """The next id of a kind: ``om_1``, ``om_2``, …"""
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return f"{prefix}_{self._numbers[prefix]}"

    def person(self, name: str, *, is_bot: bool = False) -> Person:
        person = Person(self.number("ou"), name, is_bot)
        self.people[person.open_id] = person
        return person

    def chat(self, name: str, mode: ChatMode, members: list[Person], managers: list[Person]) -> Chat:
        chat = Chat(
            self.number("oc"),
            name,
            mode,
            owner=members[0].open_id if members else "",
            managers=[person.open_id for person in managers],
            members=[person.open_id for person in members],
        )
        self.chats[chat.id] = chat
        return chat

    def post(
        self,
        chat: Chat,
        sender: str,
        type_: str,
        content: dict[str, Any],
        *,
        mentions: list[dict[str, Any]] | None = None,
        reply_to: Post | None = None,
        in_thread: bool = False,
        uuid: str | None = None,
    ) -> Post:
        """Add a message. A reply inside a topic, or one that opens a topic, carries the topic's id; in a topic
        chat every message that answers nothing begins a topic of its own."""
        now_ms = int(self.now() * 1000)
        post = Post(
            id=self.number("om"),
            chat_id=chat.id,
            sender=sender,
            sender_type="app" if sender == self.app_id else "user",
            type=type_,
            content=json.dumps(content, ensure_ascii=False),
            created_ms=now_ms,
            updated_ms=now_ms,
            mentions=mentions or [],
            uuid=uuid,
        )
        if reply_to is not None:
            post.root_id = reply_to.root_id or reply_to.id
            post.parent_id = reply_to.id
            root = self.posts[post.root_id]
            if in_thread and root.thread_id is None:
                root.thread_id = self.number("omt")
            if in_thread or reply_to.thread_id is not None:
                post.thread_id = root.thread_id
                post.parent_id = root.id  # inside a topic both are the root
        elif chat.mode == "topic":
            post.thread_id = self.number("omt")
        self.posts[post.id] = post
        self.see("sent", post)
        return post

    def see(self, what: Literal["sent", "edited", "recalled", "streamed", "reacted"], post: Post) -> None:
        self.log.append(Seen(what, post.chat_id, post.id, self.text_of(post), self.now()))

    def posts_of(self, chat_id: str) -> Iterator[Post]:
        return (post for post in self.posts.values() if post.chat_id == chat_id)

    def text_of(self, post: Post) -> str:
        """What a member reads: the text, the post's lines, or the card's Markdown."""
        content = json.loads(post.content)
        if post.type == "text":
            return str(content.get("text", ""))
        if post.type == "post":
            return _text_of_rich(content)
        if post.type == "interactive":
            if content.get("type") == "card":
                card = self.cards.get(content["data"]["card_id"])
                return _text_of_elements(card.elements) if card is not None else ""
            body = content.get("body", content)
            return _text_of_elements(body.get("elements", []))
        return f"[{post.type}]"


def _text_of_rich(content: dict[str, Any]) -> str:
    language = next(iter(content.values()), {}) if "content" not in content else content
    lines = ["".join(str(part.get("text", "")) for part in line) for line in language.get("content", [])]
    title = str(language.get("title") or "")
    return "\n".join([title, *lines] if title else lines)


def _text_of_elements(elements: list[dict[str, Any]]) -> str:
    lines: list[str] = []
    for element in elements:
        if element.get("tag") in ("markdown", "plain_text"):
            lines.append(str(element.get("content", "")))
        elif element.get("tag") == "button":
            lines.append(f"[{element['text']['content']}]")
        for inner in ("elements", "columns", "actions"):
            if inner in element:
                lines.append(_text_of_elements(element[inner]))
    return "\n".join(lines)
