"""The town on Feishu: the real lark-oapi over its long connection to the emulator."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from adapters.feishu.adapter import FeishuPlatform
from tests.adapters.feishu.conftest import settings_for
from tests.emulators.feishu import Feishu, Limits, Person
from tests.recommender.town import ForwardClock, Ours, Town, living


class FeishuTown(Town):
    switcher = "owner"

    def __init__(self, feishu: Feishu, *parts: Any) -> None:
        super().__init__(*parts)
        self.feishu = feishu
        self.owner, self.ann = feishu.person("群主"), feishu.person("安妮")
        self.group = feishu.group(self.owner, self.ann)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator[FeishuTown]:
        clock = ForwardClock()
        feishu = Feishu(limits=Limits(acknowledge_s=5.0))
        feishu.world.now = clock.now
        await asyncio.to_thread(feishu.__enter__)
        given = settings_for(feishu, sends_per_s=0, edits_per_s=0)
        try:
            async with living(folder, lambda *_: FeishuPlatform(given), clock=clock) as (app, server):
                yield cls(feishu, app, server, clock)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(feishu.__exit__)

    async def say(self, person: Person, text: str) -> None:
        await asyncio.to_thread(self.feishu.say, self.group, person, text)

    async def press(self, person: Person, message: Ours, label: str) -> None:
        await asyncio.to_thread(self.feishu.press, message.id, person, label)

    async def shown(self) -> Sequence[Ours]:
        return [Ours(each.id, each.text, _labels(each.text)) for each in self.feishu.shown(self.group)]


def _labels(text: str) -> tuple[str, ...]:
    """A card's text is told with its buttons in brackets, links with theirs before an address."""
    return tuple(re.findall(r"\[([^\[\]\n]+)\](?!\()", text))
