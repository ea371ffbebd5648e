"""The questions on a local Feishu, which has a thread of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from benchmarks.messages.stage import Stage
from tests.emulators.feishu import Chat, Feishu, Limits, Post


class FeishuStage(Stage):
    def __init__(self, rooms: int, feishu: Feishu | None = None) -> None:
        super().__init__()
        self.feishu = feishu or Feishu(limits=Limits.off())
        self.rooms: list[Chat] = []
        self._count = rooms
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> FeishuStage:
        feishu = self.feishu
        await asyncio.to_thread(feishu.__enter__)
        self.asker = feishu.person("Asker")
        self.rooms = [feishu.group(self.asker, name=f"room-{number}") for number in range(self._count)]
        post = feishu.world.post

        def watch(chat: Chat, sender: str, type_: str, content: dict[str, Any], **fields: Any) -> Post:
            message = post(chat, sender, type_, content, **fields)
            if sender == feishu.app_id and message.parent_id is not None:
                self._loop.call_soon_threadsafe(self.saw, message.parent_id)
            return message

        feishu.world.post = watch  # type: ignore[method-assign]
        return self

    async def __aexit__(self, *error: Any) -> None:
        await asyncio.to_thread(self.feishu.__exit__, *error)

    def say(self, room: Chat, number: int) -> str:
        return self.feishu.say(room, self.asker, f"question {number}", mention=(self.feishu.bot,)).id

    def command(self, kind: str, database: Path) -> list[str]:
        feishu = self.feishu
        return ["benchmarks.messages.feishu_bots", kind, feishu.url, feishu.app_id, feishu.secret, str(database)]
