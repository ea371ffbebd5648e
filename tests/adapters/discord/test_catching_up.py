"""What came while we were away is read back: in order, within a bound, and once."""

from __future__ import annotations

import asyncio

from bot.decision import Reason
from bot.tables import inbox
from tests.adapters.discord.conftest import Bot, Home, Place, answered_once, ask, changed
from tests.emulators.discord import DiscordEmulator, RestFault


async def test_down_past_the_window_it_reads_back_what_it_missed(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    before = ask(platform, place, "before")
    await answered_once(platform, before, bot)
    platform.gateway.forget_sessions()
    platform.gateway.drop()
    meanwhile = [ask(platform, place, f"meanwhile {number}") for number in range(3)]
    await platform.until(lambda: len(platform.said(place.room)) == 4)
    after = ask(platform, place, "after")
    await answered_once(platform, after, bot)
    assert platform.gateway.identifies == 2
    asked = [before, *meanwhile, after]
    assert [each.reply_to for each in platform.said(place.room)] == [each.id for each in asked]


async def test_down_altogether_it_reads_back_every_room(platform: DiscordEmulator, place: Place, home: Home) -> None:
    direct = platform.world.direct(place.ann)
    quiet_room = platform.world.channel(place.guild, "quiet")
    async with home.bot() as bot:
        thread = platform.thread(place.room, "a thread", place.ann)
        for channel in (place.room, direct, thread):
            await answered_once(platform, platform.say(channel, place.ann, f"{platform.mention} before"), bot)
    fresh = platform.world.channel(place.guild, "new")
    new_thread = platform.thread(place.room, "new thread", place.ann)
    rooms = (place.room, direct, thread, quiet_room, fresh, new_thread)
    missed = [platform.say(channel, place.ann, f"{platform.mention} meanwhile") for channel in rooms]
    async with home.bot() as bot:
        for question in missed:
            await answered_once(platform, question, bot)


async def test_catching_up_twin_without_it_the_question_is_lost(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    home.settings = changed(home.settings, catch_up_hours=0)
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
    missed = ask(platform, place)
    async with home.bot() as bot:
        await bot.quiet()
        assert platform.replies_to(missed) == []


async def test_a_first_start_reads_nothing_back(platform: DiscordEmulator, place: Place, home: Home) -> None:
    old = ask(platform, place)
    async with home.bot() as bot:
        await bot.quiet()
        assert platform.replies_to(old) == []


async def test_what_is_new_waits_for_what_was_missed(platform: DiscordEmulator, place: Place, home: Home) -> None:
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
    missed = ask(platform, place, "first")
    platform.faults.add(RestFault(500, "GET", "/messages", times=1, delay_s=0.2))
    async with home.bot(connected=False) as bot:
        await platform.until(lambda: bot.platform.client is not None and bot.platform.client.is_ready())
        late = ask(platform, place, "second")
        await answered_once(platform, late, bot)
        await answered_once(platform, missed, bot)
        rows = await bot.decisions(inbox.c.message_id.in_([str(missed.id), str(late.id)]))
        assert [row.message_id for row in rows] == [str(missed.id), str(late.id)]


async def test_a_history_that_cannot_be_read_holds_nobody_up_for_long(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    """What is new goes on after a while, and what was missed is still read – even by the session after."""
    home.settings = changed(home.settings, hold_s=0.3, catch_up_overlap=1)
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
    missed = ask(platform, place, "missed")
    platform.faults.add(RestFault(503, "GET", "/messages$", times=1_000_000))
    async with home.bot(connected=False) as bot:
        await platform.until(lambda: platform.rest.requests.get("GET /channels/{channel}/messages", 0) > 1)
        for number in range(4):
            await answered_once(platform, ask(platform, place, str(number)), bot)
        assert platform.replies_to(missed) == []
        platform.malformed(missed)
        await platform.until(lambda: platform.gateway.identifies == 3)
        platform.faults.clear()
        await answered_once(platform, missed, bot)


async def test_a_room_that_is_closed_to_us_does_not_keep_the_others_waiting(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    closed = platform.world.channel(place.guild, "closed")
    async with home.bot() as bot:
        for channel in (closed, place.room):
            await answered_once(platform, platform.say(channel, place.ann, f"{platform.mention} hi"), bot)
    platform.say(closed, place.ann, f"{platform.mention} missed")
    missed = ask(platform, place)
    platform.faults.denied[closed.id] = 50001
    async with home.bot() as bot:
        await answered_once(platform, missed, bot)


async def test_a_message_that_was_overtaken_is_found_again(platform: DiscordEmulator, place: Place, home: Home) -> None:
    """The second of two was committed and the first was not: the second's mark alone would hide the first."""
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
        platform.gateway.swallow_next(1)
        overtaken = ask(platform, place, "first")
        await answered_once(platform, ask(platform, place, "second"), bot)
    home.settings = changed(home.settings, catch_up_overlap=0)
    async with home.bot() as bot:
        await bot.quiet()
        assert platform.replies_to(overtaken) == []
    home.settings = changed(home.settings, catch_up_overlap=20)
    async with home.bot() as bot:
        await answered_once(platform, overtaken, bot)


async def test_an_edit_while_away_is_answered_anew(platform: DiscordEmulator, place: Place, home: Home) -> None:
    async with home.bot() as bot:
        question = ask(platform, place, "one?")
        answer = await answered_once(platform, question, bot)
    platform.edit(question, f"{platform.mention} two?")
    async with home.bot():
        await platform.until(lambda: "echo: two?" in answer.content)
        assert len(platform.said(place.room)) == 1


async def test_how_far_back_is_bounded(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.settings = changed(home.settings, catch_up_messages=120)
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
    missed = [platform.say(place.room, place.ann, str(number)) for number in range(250)]
    async with home.bot() as bot:
        await bot.quiet()
        known = {row.message_id for row in await bot.decisions()}
        assert [str(each.id) in known for each in missed] == [False] * 130 + [True] * 120


async def test_after_a_long_outage_one_late_word(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.core = home.core.model_copy(update={"answer_within_s": 0.3})
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
    for number in range(20):
        ask(platform, place, str(number))
    await asyncio.sleep(0.4)
    async with home.bot() as bot:
        await platform.until(lambda: len(platform.said(place.room)) == 2)
        await bot.quiet()
        assert len(platform.said(place.room)) == 2
        assert {row.reason for row in await bot.decisions()} >= {Reason.LATE_WORD, Reason.STALE}
