"""The stage in the web room: what a page posts, through the adapter's own doors. There is one room for all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from sqlalchemy import select

from adapters.web.adapter import WebPlatform
from adapters.web.members import WebMember
from adapters.web.names import Name, look_of
from adapters.web.posting import Post, Posting
from adapters.web.settings import WebSettings
from adapters.web.tables import web_messages
from bot.event import Added, Role
from tests.scenarios.situation import React, Say, Situation
from tests.scenarios.stage import Ours, Stage

PEOPLE = {"ann": "安妮", "ben": "Ben", "owner": "房主", "rogue": "Mal\u202elory\u200b\n＠everyone"}


class WebStage(Stage):
    name = "web"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        settings = WebSettings(port=0, posts_per_minute=100_000)
        self.platform = WebPlatform(self.store, settings, self.clock, folder)
        self.core = self.build(self.platform)
        self.posting = Posting(self.platform.room, self.accept)
        self.people: dict[str, WebMember] = {}
        self._after = 0
        self._drafts = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path, situations: Sequence[Situation]) -> AsyncIterator[WebStage]:
        stage = cls(folder)
        await stage.core.start()
        await stage.platform.room.open()
        try:
            for key, name in PEOPLE.items():
                stage.people[key] = await stage.platform.members.join(Name(name, look_of(name)))
            await stage.platform.members.set_role(
                stage.people["owner"].id, Role.OWNER, who="operator:test", scope="room:web:lobby"
            )
            await stage.accept(Added(stage.platform.room.room, stage.clock.now(), id="opened"))
            await stage.core.idle()
            yield stage
        finally:
            await stage.platform.room.close()
            await stage.core.close(0)
            stage.store.close()

    @property
    def room_key(self) -> str:
        return self.platform.room.room.key

    async def open(self, situation: Situation) -> None:
        self._after = max(map(int, self.platform.room.transcript.shown), default=0)
        scope = f"room:{self.room_key}"
        for name in await self.core.scopes.at(scope):
            await self.store.write(self.core.scopes.reset(scope, name, who="operator:test"))

    async def say(self, step: Say) -> str:
        self._drafts += 1
        uploads = [("bean.png", b"\x89PNG\r\n\x1a\n")] * step.text.count("{image}")
        if step.file:
            uploads.append((step.file, b"beans: 1"))
        files = []
        for number, (name, body) in enumerate(uploads):
            path = self.folder / f"{self._drafts}-{number}"
            path.write_bytes(body)
            files.append((name, path))
        reply = await self.reply(step)
        before = set(self.platform.room.transcript.shown)
        post = Post(self._text(step.text), f"d{self._drafts}", int(reply) if reply else None, tuple(files))
        await self.posting.post(self.people[step.by], post)
        shown = self.platform.room.transcript.shown
        return next(key for key in shown if key not in before and shown[key]["author"] == self.people[step.by].id)

    def _text(self, text: str) -> str:
        people = {key: f"@{member.name}" for key, member in self.people.items()}
        return text.format(bot="@毛豆", all="@everyone", image="", **people).strip()

    async def edit(self, message_id: str, text: str) -> None:
        await self.posting.edit(self.people["ann"], int(message_id), self._text(text))

    async def recall(self, message_id: str) -> None:
        await self.posting.recall(self.people["ann"], int(message_id))

    async def react(self, message_id: str, step: React) -> None:
        await self.posting.react(self.people["ann"], int(message_id), step.emoji or None)

    async def press(self, message_id: str, by: str) -> None:
        await self.posting.press(self.people[by], int(message_id), 0)

    async def slash(self, command: str, by: str) -> None:
        raise NotImplementedError("there is no menu")

    async def add_bot(self) -> None:
        raise NotImplementedError("the room is its own")

    async def remove_bot(self) -> None:
        raise NotImplementedError("the room is its own")

    async def forbid(self) -> None:
        raise NotImplementedError("there are no rights")

    async def settle(self) -> None:
        return

    async def shown(self) -> list[Ours]:
        table = web_messages
        ours = table.c.author.is_(None) & table.c.recalled_at.is_(None) & (table.c.id > self._after)
        query = select(table.c.id, table.c.text, table.c.reply_to).where(ours).order_by(table.c.id)
        rows = await self.store.read(lambda connection: connection.execute(query).all())
        return [Ours(str(row.id), row.text, str(row.reply_to) if row.reply_to else None) for row in rows]
