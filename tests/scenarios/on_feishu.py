"""The stage on Feishu: the real lark-oapi over its long connection to the emulator. A group for each situation."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from adapters.feishu.adapter import FeishuPlatform
from tests.adapters.feishu.conftest import settings_for
from tests.emulators.feishu import Chat, Feishu, Limits, Person
from tests.scenarios.situation import DIRECT, THREAD, React, Say, Situation
from tests.scenarios.stage import Ours, Stage

PEOPLE = {"owner": "群主", "ann": "安妮", "ben": "Ben", "rogue": "Mal\u202elory\u200b\n@everyone", "stranger": "路人"}
EMOJI = {"👍": "THUMBSUP", "👎": "ThumbsDown"}
NO_PERMISSION = 230027
"""Any refusal will do: the adapter knows none by its number."""


class FeishuStage(Stage):
    name = "feishu"

    def __init__(self, folder: Path, feishu: Feishu) -> None:
        super().__init__(folder)
        self.feishu = feishu
        self.people: dict[str, Person] = {key: feishu.person(name) for key, name in PEOPLE.items()}
        self.people["parrot"] = feishu.person("Parrot", is_bot=True)
        self.chats: list[Chat] = []
        self.platform = FeishuPlatform(settings_for(feishu, sends_per_s=0, edits_per_s=0))
        self.build(self.platform)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path, situations: Sequence[Situation]) -> AsyncIterator[FeishuStage]:
        feishu = Feishu(limits=Limits(acknowledge_s=2.0))
        await asyncio.to_thread(feishu.__enter__)
        try:
            stage = cls(folder, feishu)
            async with stage.receiving(stage.platform):
                yield stage
        finally:
            await asyncio.to_thread(feishu.__exit__)

    @property
    def room(self) -> Chat:
        return self.chats[0]

    @property
    def room_key(self) -> str:
        return f"feishu:{self.room.id}"

    async def open(self, situation: Situation) -> None:
        members = [person for key, person in self.people.items() if key != "stranger"]
        self.chats = [self.feishu.group(*members, name=situation.name)]
        self.thread: str | None = None
        if situation.own_place:
            self.room.has_bot = False

    async def say(self, step: Say) -> str:
        chat = self.room
        if step.where == DIRECT:
            chat = next((each for each in self.chats if each.mode == "p2p"), None) or self.feishu.direct(
                self.people["stranger"]
            )
            self.chats += [chat] if chat not in self.chats else []
        reply = await self.reply(step)
        if step.where == THREAD and reply is None:
            reply = self.thread or (self.feishu.say(chat, self.people["ann"], "发芽", tell=False)).id
            self.thread = reply
        type_, content, mentions = self._content(step)
        post = self.feishu.post(
            chat,
            self.people[step.by],
            type_,
            content,
            mentions=mentions,
            reply_to=self.feishu.world.posts[reply] if reply else None,
            in_thread=step.where == THREAD,
        )
        return post.id

    def _content(self, step: Say) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
        if step.voice:
            return "audio", {"file_key": self.feishu.upload("v.ogg", b"OggS"), "duration": 2500}, []
        if step.file:
            key = self.feishu.upload(step.file, b"beans: 1")
            return "file", {"file_key": key, "file_name": step.file}, []
        mentions: list[dict[str, Any]] = []

        def mark(found: re.Match[str]) -> str:
            name = found[1]
            if name == "all":
                return "@_all"
            person = self.feishu.bot if name == "bot" else self.people[name]
            mentions.append(self.feishu.mention(len(mentions) + 1, person))
            return f"@_user_{len(mentions)}"

        if step.text == "{image}":
            return "image", {"image_key": self.feishu.upload("bean.png", b"PNG", "image")}, []
        text = re.sub(r"\{(bot|all|\w+)\}", lambda found: found[0] if found[1] == "image" else mark(found), step.text)
        if "{image}" not in text:
            return "text", {"text": text}, mentions
        lines: list[list[dict[str, Any]]] = []
        for number, part in enumerate(text.split("{image}")):
            if number:
                lines.append([{"tag": "img", "image_key": self.feishu.upload("bean.png", b"PNG", "image")}])
            pieces = [piece for piece in re.split(r"(@_user_\d+|@_all)", part) if piece.strip()]
            lines.append([_piece(piece) for piece in pieces])
        return "post", {"title": "", "content": lines}, mentions

    async def edit(self, message_id: str, text: str) -> None:
        raise NotImplementedError("the platform tells nobody")

    async def recall(self, message_id: str) -> None:
        self.feishu.recall(self.feishu.world.posts[message_id])

    async def react(self, message_id: str, step: React) -> None:
        ann = self.people["ann"]
        if step.takes_back:
            self.feishu.react(message_id, ann, EMOJI[step.takes_back], remove=True)
        if step.emoji:
            self.feishu.react(message_id, ann, EMOJI[step.emoji])

    async def press(self, message_id: str, by: str) -> None:
        (label,) = re.findall(r"\[([^\[\]]+)\]\s*$", self._text(message_id))
        await asyncio.to_thread(self.feishu.press, message_id, self.people[by], label)

    def _text(self, message_id: str) -> str:
        return self.feishu.world.text_of(self.feishu.world.posts[message_id])

    async def slash(self, command: str, by: str) -> None:
        raise NotImplementedError("there is no menu")

    async def add_bot(self) -> None:
        self.feishu.add_bot(self.room, self.people["owner"])

    async def remove_bot(self) -> None:
        self.feishu.kick(self.room, self.people["owner"])

    async def forbid(self) -> None:
        self.feishu.faults.refuse("/reply", NO_PERMISSION, times=1)

    async def settle(self) -> None:
        await self.until(lambda: all(told.acknowledged or told.given_up for told in self.feishu.told()))
        await asyncio.sleep(0.02)

    async def shown(self) -> list[Ours]:
        ours = [each for chat in self.chats for each in self.feishu.shown(chat)]
        ours.sort(key=lambda each: int(each.id.partition("_")[2]))
        # In a topic the platform names the root as what is replied to: it tells no more than the thread.
        return [Ours(each.id, each.text, each.parent_id) for each in ours]


def _piece(piece: str) -> dict[str, str]:
    if piece.startswith("@_"):
        return {"tag": "at", "user_id": piece}
    return {"tag": "text", "text": piece}
