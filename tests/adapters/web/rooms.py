"""What the tests of the web room are made of: an inbox, a library, an assistant, and a room that is served."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Connection, delete

from adapters.web.adapter import WebPlatform
from adapters.web.desks import Base, Document
from adapters.web.members import WebMember
from adapters.web.names import Name, look_of
from adapters.web.posting import Post, Posting
from adapters.web.tables import web_members, web_messages, web_reactions
from bot.delivery import Button, Content, Delivery, DeliveryAct, DeliveryState, delivery_key
from bot.errors import StoreError
from bot.event import Event, Room, Said
from bot.tables import audit, settings

ANSWER = """支持 **ONNX Runtime** 和 TensorRT [1]。

```python
print("后端")
```

| 后端 | 设备 |
|---|---|
| ncnn | 手机与其他没有显卡的设备，名字也可以写得很长很长 |

**来源**

- [1] docs/backends.md › 推理后端
"""


def delivery(room: Room, text: str, origin: str = "q", **more: Any) -> Delivery:
    buttons = more.pop("buttons", ())
    return Delivery(
        id=1,
        key=delivery_key(origin, 0),
        room=room,
        act=DeliveryAct.SEND,
        content=Content(text, buttons),
        state=DeliveryState.PLANNED,
        planned_at=0.0,
        **more,
    )


@dataclass
class Inbox:
    """Takes events like the core's: once each, and not at all while ``broken``."""

    events: dict[str, Event] = field(default_factory=dict)
    broken: bool = False
    heard: Callable[[Said], Awaitable[None]] | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, event: Event) -> bool:
        if self.broken:
            raise StoreError("The database took no write: database is locked")
        if event.key in self.events:
            return False
        self.events[event.key] = event
        if isinstance(event, Said) and self.heard is not None:
            task = asyncio.ensure_future(self.heard(event))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return True

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events.values() if event.kind == kind]


@dataclass
class FakeLibrary:
    """The knowledge tab's other side, in memory."""

    bases_: dict[str, dict[str, int]] = field(default_factory=lambda: {"default": {"guide/install.md": 2048}})

    async def bases(self) -> list[Base]:
        return [Base(name, len(documents)) for name, documents in self.bases_.items()]

    async def documents(self, base: str) -> list[Document]:
        return [Document(source, "indexed", "", 3, size) for source, size in self.bases_[base].items()]

    async def add(self, base: str, files: Any, who: str) -> str:
        for name, path in files:
            self.bases_.setdefault(base, {})[name] = (await asyncio.to_thread(path.stat)).st_size
        return f"added {len(files)}"

    async def remove(self, base: str, source: str | None, who: str) -> str:
        if source is None:
            del self.bases_[base]
        else:
            del self.bases_[base][source]
        return "removed"


async def join(platform: WebPlatform, name: str) -> WebMember:
    return await platform.members.join(Name(name, look_of(name)))


async def say(posting: Posting, author: WebMember, text: str, **more: Any) -> None:
    await posting.post(author, Post(text, more.pop("draft", ""), **more))


@dataclass
class Served:
    """A room that is being served."""

    platform: WebPlatform
    inbox: Inbox

    @property
    def url(self) -> str:
        return self.platform.room_url

    @property
    def room(self) -> Room:
        return self.platform.room.room

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=20)

    @contextlib.asynccontextmanager
    async def joined(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        async with self.client() as client:
            answer = await client.post("/join", data={"name": name})
            assert answer.status_code == 303, answer.text
            yield client

    async def empty(self) -> None:
        """As on the first day, but for the numbers of the messages."""

        def clear(connection: Connection) -> None:
            for table in (web_members, web_messages, web_reactions, audit, settings):
                connection.execute(delete(table))

        await self.platform.room.store.write(clear)
        await self.platform.room.refresh()
        self.inbox.events.clear()
        self.inbox.broken = False

    async def answers(self, said: Said) -> None:
        """The assistant of these tests: thinks, begins, and completes its answer to a mention."""
        message = said.message
        if not message.is_addressed:
            return
        await self.platform.thinking(message.room, message.id)
        await asyncio.sleep(0.3)
        begun = delivery(message.room, ANSWER[:20], message.id, reply_to=message.id)
        message_id = await self.platform.send(begun)
        await asyncio.sleep(0.1)
        buttons = (Button("换个说法", "/again", id="opaque-1"),)
        await self.platform.edit(message.room, message_id, Content(ANSWER, buttons))


@contextlib.asynccontextmanager
async def serving(platform: WebPlatform, inbox: Inbox) -> AsyncIterator[Served]:
    platform.bind()
    running = asyncio.create_task(platform.run(inbox.accept))
    try:
        async with asyncio.timeout(60):
            while platform.health() is not None and not running.done():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        if running.done():
            await running
        served = Served(platform, inbox)
        inbox.heard = served.answers
        yield served
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for task in tuple(inbox.tasks):
            task.cancel()
