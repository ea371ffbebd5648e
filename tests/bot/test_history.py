"""What a question is read with: the room's last messages, and the one that it replies to."""

from __future__ import annotations

import pytest

from bot.event import Edited, Member, Message, Recalled, Room, RoomKind, Said
from bot.ports import Utterance
from bot.store import Store
from bot.testing import Bot, BotRoom, Echo, KnowsEverything
from tests.clock import ManualClock


async def earlier(bot: Bot) -> list[tuple[str, bool]]:
    """Text and whether it is the quoted one, of what the last question was read with."""
    assert isinstance(bot.knowledge, KnowsEverything)
    return [(each.text, each.quoted) for each in await bot.knowledge.asked[-1].earlier()]


async def chatter(room: BotRoom, count: int) -> None:
    for number in range(count):
        await room.says(f"闲聊 {number}", by="cleo")


async def test_the_quoted_message_is_read_last_however_old_it_is(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, context_messages=3) as bot:
        room = bot.room()
        error = await room.says("安装时报错 E42", by="ben")
        await chatter(room, 5)
        await room.says("@毛豆 这是什么意思？", reply_to=error)
        assert await earlier(bot) == [("闲聊 3", False), ("闲聊 4", False), ("安装时报错 E42", True)]


async def test_without_a_quotation_the_last_messages_are_read(store: Store, clock: ManualClock) -> None:
    """The twin: it is the reply that brings the old message back."""
    async with Bot(store, clock, context_messages=3) as bot:
        room = bot.room()
        await room.says("安装时报错 E42", by="ben")
        await chatter(room, 5)
        await room.says("@毛豆 这是什么意思？")
        assert await earlier(bot) == [("闲聊 2", False), ("闲聊 3", False), ("闲聊 4", False)]


async def test_a_recent_message_is_not_read_twice(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, context_messages=3) as bot:
        room = bot.room()
        error = await room.says("安装时报错 E42", by="ben")
        await room.says("怎么办", by="ben")
        await room.says("@毛豆 这是什么意思？", reply_to=error)
        assert await earlier(bot) == [("怎么办", False), ("安装时报错 E42", True)]


async def test_our_own_answer_can_be_quoted(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, answerer=Echo("先下载。")) as bot:
        room = bot.room()
        await room.says("@毛豆 怎么安装？")
        ours = next(iter(bot.platform.shown))
        await chatter(room, 9)
        await room.says("@毛豆 这一步怎么做？", reply_to=ours)
        assert isinstance(bot.knowledge, KnowsEverything)
        last = (await bot.knowledge.asked[-1].earlier())[-1]
        assert (last.text.splitlines()[0], last.ours, last.quoted) == ("先下载。", True, True)


async def test_what_was_rewritten_is_quoted_as_it_stands(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        room = bot.room()
        asked = room.message("@毛豆 怎么安装？")
        await room.happens(Said(asked))
        clock_now = clock.now()
        await room.happens(Edited(room.message("@毛豆 怎么卸载？", id=asked.id), clock_now + 1))
        ours = next(iter(bot.platform.shown))
        await room.says("@毛豆 这一步怎么做？", reply_to=ours)
        assert (await earlier(bot))[-1][0].startswith("echo: 怎么卸载？")
        await room.says("@毛豆 你觉得呢？", reply_to=asked.id)
        assert (await earlier(bot))[-1] == ("怎么卸载？", True)


@pytest.mark.parametrize("erased", ["recalled", "forgotten"])
async def test_erasing_a_message_erases_the_quotation(store: Store, clock: ManualClock, erased: str) -> None:
    async with Bot(store, clock) as bot:
        room = bot.room()
        error = await room.says("我的密码是 hunter2", by="ben")
        if erased == "recalled":
            await room.happens(Recalled(room.room, error, clock.now()))
        else:
            await room.says("@毛豆 /forget me", by="ben")
        await room.says("@毛豆 这是什么意思？", reply_to=error)
        assert not any("hunter2" in text or quoted for text, quoted in await earlier(bot))


async def test_a_message_of_another_room_is_not_quoted(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        secret = await bot.room("r2").says("这是别的群", by="ben")
        await bot.room("r1").says("@毛豆 这是什么意思？", reply_to=secret)
        assert await earlier(bot) == []


async def test_a_thread_may_quote_what_it_hangs_from(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        room = bot.room("r1")
        error = await room.says("安装时报错 E42", by="ben")
        thread = bot.room("t1", kind=RoomKind.THREAD, parent="r1")
        await thread.says("@毛豆 这是什么意思？", reply_to=error)
        assert await earlier(bot) == [("安装时报错 E42", True)]


async def test_no_context_is_no_quotation_either(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, context_messages=0) as bot:
        room = bot.room()
        error = await room.says("安装时报错 E42", by="ben")
        await room.says("@毛豆 这是什么意思？", reply_to=error)
        assert await earlier(bot) == []


async def test_who_said_it_is_told(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        room = Room("paper", "r1")
        said = Message("m1", room, Member("paper", "ben", "Ben"), "安装时报错 E42", sent_at=clock.now())
        await bot.room().happens(Said(said))
        await bot.room().says("@毛豆 这是什么意思？", reply_to="m1")
        assert isinstance(bot.knowledge, KnowsEverything)
        assert await bot.knowledge.asked[-1].earlier() == (Utterance("Ben", "安装时报错 E42", quoted=True),)
