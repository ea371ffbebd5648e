"""The line to Discord and the database behind it, when they fail: one answer, in order, and health that goes red and
green again."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import UsageError
from bot.event import load_event
from bot.testing import Echo
from tests.adapters.discord.conftest import Bot, Home, Locked, Place, answered_once, ask, changed
from tests.emulators.discord import DiscordEmulator, RestFault


async def test_a_redelivered_message_is_answered_once(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    question = ask(platform, place)
    platform.gateway.repeat_last()
    await answered_once(platform, question, bot)
    question = ask(platform, place)
    await answered_once(platform, question, bot)


async def test_redelivery_across_a_restart_is_answered_once(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    async with home.bot() as bot:
        question = ask(platform, place)
        await answered_once(platform, question, bot)
    async with home.bot() as bot:
        platform.gateway.message_event("MESSAGE_CREATE", question)
        await answered_once(platform, question, bot)


async def test_a_dropped_socket_resumes_and_answers_what_came_meanwhile(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    platform.gateway.drop()
    questions = [ask(platform, place, str(number)) for number in range(3)]
    for question in questions:
        await answered_once(platform, question, bot)
    assert [each.reply_to for each in platform.said(place.room)] == [each.id for each in questions]
    assert platform.gateway.identifies == 1
    assert bot.platform.health() is None


async def test_a_silent_line_is_noticed(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    platform.gateway.go_silent()
    await answered_once(platform, ask(platform, place), bot)


async def test_a_malformed_event_costs_a_moment_and_no_message(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    await answered_once(platform, ask(platform, place), bot)
    poison = platform.world.post(place.room, place.ann, "poison")
    for how in ("null_reference", "no_content", "update_without_author", "not_an_object"):
        sessions = platform.gateway.identifies
        platform.malformed(poison, how)
        question = ask(platform, place, how)
        await answered_once(platform, question, bot)
        await platform.until(lambda sessions=sessions: platform.gateway.identifies > sessions)  # type: ignore[misc]
        await bot.connected()
    assert bot.platform.health() is None


async def test_a_failed_first_connection_is_tried_again(platform: DiscordEmulator, place: Place, home: Home) -> None:
    platform.gateway.refuse = 2
    platform.faults.add(RestFault(503, "GET", "/users/@me"))
    platform.faults.add(RestFault(429, "GET", "/users/@me", via=False))
    async with home.bot() as bot:
        assert bot.platform.health() is None
        await answered_once(platform, ask(platform, place), bot)


async def test_health_is_red_while_discord_is_away(platform: DiscordEmulator, place: Place, home: Home) -> None:
    await platform.stop()
    async with home.bot(connected=False) as bot:
        await asyncio.sleep(0.3)
        assert "begins again" in (bot.platform.health() or "")
        await platform.start()
        await bot.connected()
        assert bot.platform.health() is None
        await answered_once(platform, ask(platform, place), bot)


async def test_a_wrong_token_is_said_and_not_tried_again(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.settings = changed(home.settings, token=type(home.settings.token)("wrong"))
    async with home.bot(connected=False) as bot:
        await platform.until(lambda: "MAODOU_DISCORD_TOKEN" in (bot.platform.health() or ""))
        asked = platform.rest.invalid
        await asyncio.sleep(0.3)
        assert platform.rest.invalid == asked


async def test_a_missing_intent_is_said(platform: DiscordEmulator, place: Place, home: Home) -> None:
    platform.allowed_intents = 0
    async with home.bot(connected=False) as bot:
        await platform.until(lambda: "Message Content Intent" in (bot.platform.health() or ""))
    home.settings = changed(home.settings, message_content=False)
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)


def test_without_a_token_it_does_not_start(home: Home) -> None:
    home.settings = changed(home.settings, token=type(home.settings.token)(" "))
    with pytest.raises(UsageError, match="MAODOU_DISCORD_TOKEN"):
        asyncio.run(anext(aiter_of(home)))


async def aiter_of(home: Home):  # type: ignore[no-untyped-def]
    async with home.bot() as bot:
        yield bot


async def test_a_ten_megabyte_event_is_read_up_to_a_bound(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.answerer = Echo("That is long.")
    async with home.bot() as bot:
        huge = platform.say(place.room, place.ann, platform.mention + " " + "x" * 10_000_000)
        await answered_once(platform, huge, bot)
        message = load_event((await bot.decision(huge.id)).payload).message  # type: ignore[union-attr]
        assert len(message.text) == home.settings.max_message_chars


async def test_while_the_database_takes_nothing_messages_wait_in_order(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
        locked = Locked(bot)
        questions = [ask(platform, place, str(number)) for number in range(4)]
        await platform.until(lambda: locked.refused >= 2)
        assert len(platform.said(place.room)) == 1
        locked.open()
        for question in questions:
            await answered_once(platform, question, bot)
        assert [each.reply_to for each in platform.said(place.room)][1:] == [each.id for each in questions]


async def test_what_was_never_committed_is_read_back_by_the_next_life(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
        locked = Locked(bot)
        question = ask(platform, place)
        await platform.until(lambda: locked.refused)
    async with home.bot() as bot:
        await answered_once(platform, question, bot)


async def test_too_many_waiting_are_dropped_and_read_back(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.settings = changed(home.settings, held_events=2)
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)
        locked = Locked(bot)
        questions = [ask(platform, place, str(number)) for number in range(5)]
        await platform.until(lambda: locked.refused >= 2)
        await asyncio.sleep(0.1)
        locked.open()
        for question in questions:
            await answered_once(platform, question, bot)
