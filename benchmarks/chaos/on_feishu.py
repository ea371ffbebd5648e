"""Members on the emulated Feishu, which has a thread of its own in the driver's process and outlives the bot.

Every event is pushed until it is acknowledged, each on a ladder of its own: after a death they come in another
order than they happened, and the bot answers in the order in which they came.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, Literal

from benchmarks.chaos.members import Manners, Members
from tests.emulators.feishu import Chat, Feishu, Limits, Post

LADDER_S = (0.4, 0.8, 1.6, *[3.0] * 40)
RATE_LIMITED = 99991400


class FeishuMembers(Members):
    def __init__(self, manners: Manners, dice: random.Random) -> None:
        super().__init__(manners, dice)
        limits = Limits(acknowledge_s=1.0, redelivery_s=LADDER_S, key_window_s=manners.key_window_s)
        self.feishu = Feishu(limits=limits)
        self._chats: dict[str, Chat] = {}

    @property
    def where(self) -> tuple[str, ...]:
        return (self.feishu.url, self.feishu.app_id, self.feishu.secret)

    @property
    def connected(self) -> bool:
        return bool(self.feishu.connections.links)

    @property
    def unacknowledged(self) -> int:
        return sum(not told.acknowledged for told in list(self.feishu.redelivery.told.values()))

    @property
    def redelivered(self) -> int:
        return sum(len(told.pushes) - 1 for told in list(self.feishu.redelivery.told.values()))

    @property
    def absorbed(self) -> int:
        return self.feishu.world.absorbed

    async def __aenter__(self) -> FeishuMembers:
        await asyncio.to_thread(self._open)
        return self

    def _open(self) -> None:
        feishu = self.feishu
        feishu.__enter__()
        feishu.connections.config.ReconnectInterval = 0.1
        self._people = [feishu.person(f"member-{number}") for number in range(7)]
        for number in range(self.manners.rooms):
            chat = feishu.group(*self._people, name=f"room-{number}")
            self._chats[chat.id] = chat
        self.rooms = list(self._chats)
        see = feishu.world.see

        def seeing(what: Literal["sent", "edited", "recalled", "streamed", "reacted"], post: Post) -> None:
            see(what, post)
            self._saw(what, post)

        feishu.world.see = seeing  # type: ignore[method-assign]

    def _saw(self, what: str, post: Post) -> None:
        text = self.feishu.world.text_of(post)
        if post.sender != self.feishu.app_id:
            if what == "sent":
                self.said(post.chat_id, post.id, text)
        elif what == "sent":
            self.shown(post.chat_id, post.id, text, post.parent_id)
        elif what in ("edited", "streamed"):
            self.edited(post.chat_id, post.id, text)
        elif what == "recalled":
            self.recalled(post.chat_id, post.id)

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self.feishu.__exit__)

    async def utter(self, room: str, text: str, *, addressed: bool) -> None:
        mention: tuple[Any, ...] = (self.feishu.bot,) if addressed else ()
        person = self.dice.choice(self._people)
        await asyncio.to_thread(self.feishu.say, self._chats[room], person, text, mention=mention)

    def misbehave(self) -> None:
        feishu, dice = self.feishu, self.dice
        if dice.random() < self.manners.try_later_share:
            feishu.faults.refuse("/reply", RATE_LIMITED, status=429)
        if dice.random() < self.manners.lost_reply_share:
            feishu.faults.refuse("/reply", 1, status=500, after_effect=True, hang_up=True)
        known = feishu.event_ids()
        if known and dice.random() < self.manners.spurious_share:
            feishu.again(dice.choice(known))
