"""What Discord refuses, loses or puts off on our way out: one answer, or a delivery that says what became of it."""

from __future__ import annotations

import asyncio

import pytest

from bot.delivery import DeliveryState
from bot.testing import Echo
from tests.adapters.discord.conftest import Bot, Home, Place, answered_once, ask, changed
from tests.emulators.discord import MISSING_PERMISSIONS, DiscordEmulator, Limits, RestFault


async def test_an_answer_whose_acknowledgement_was_lost_is_there_once(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    platform.faults.add(RestFault(503, "POST", "/messages$", performed=True))
    await answered_once(platform, ask(platform, place), bot)
    platform.faults.add(RestFault(method="POST", path="/messages$", performed=True, abort=True))
    await answered_once(platform, ask(platform, place), bot)


async def test_nonce_twin_without_it_the_answer_is_there_twice(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    platform.limits = Limits(heartbeat_s=0.5, nonce_window_s=-1)
    platform.faults.add(RestFault(503, "POST", "/messages$", performed=True))
    question = ask(platform, place)
    await platform.until(lambda: len(platform.replies_to(question)) == 2)


async def test_past_the_nonces_window_it_looks_before_it_sends(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    """The answer was sent, the mark was not made, and the process died for longer than Discord knows nonces."""
    home.settings = changed(home.settings, key_window_s=0.001)
    platform.limits = Limits(heartbeat_s=0.5, nonce_window_s=-1)
    async with home.bot() as bot:
        platform.faults.add(RestFault(503, "POST", "/messages$", performed=True))
        question = ask(platform, place)
        await answered_once(platform, question, bot)
        platform.faults.add(RestFault(503, "POST", "/messages$"))
        await answered_once(platform, ask(platform, place, "again"), bot)


async def test_where_it_cannot_look_the_delivery_is_uncertain(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    home.settings = changed(home.settings, key_window_s=0.001)
    platform.limits = Limits(heartbeat_s=0.5, nonce_window_s=-1)
    async with home.bot() as bot:
        platform.faults.add(RestFault(503, "POST", "/messages$", performed=True))
        platform.faults.add(RestFault(403, "GET", "/messages$", code=50001))
        await answered_once(platform, ask(platform, place), bot)
        assert [row.state for row in await bot.deliveries()] == [DeliveryState.UNCERTAIN]


@pytest.mark.parametrize(
    "fault",
    [
        RestFault(429, "POST", "/messages$", retry_after_s=0.05),
        RestFault(429, "POST", "/messages$", via=False),
        RestFault(503, "POST", "/messages$", times=3),
        RestFault(method="POST", path="/messages$", abort=True),
    ],
    ids=["429", "429 without Via", "503 three times", "cut line"],
)
async def test_a_refusal_for_now_is_waited_out(
    platform: DiscordEmulator, place: Place, home: Home, fault: RestFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.refusals.PAUSE_WHEN_BANNED_S", 0.05)
    platform.faults.add(RestFault(**{name: getattr(fault, name) for name in fault.__slots__}))
    async with home.bot() as bot:
        await answered_once(platform, ask(platform, place), bot)


async def test_kicked_while_answering_is_undeliverable(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.answerer = Echo("too late", delay_s=0.2)
    async with home.bot() as bot:
        question = ask(platform, place)
        await asyncio.sleep(0.1)
        platform.kick(place.guild)
        await asyncio.sleep(0.2)
        await bot.quiet()
        assert platform.replies_to(question) == []
        (delivery,) = await bot.deliveries()
        assert delivery.state == DeliveryState.UNDELIVERABLE
        assert "50001" in delivery.error
        assert bot.platform.health() is None


async def test_without_permission_is_undeliverable_and_the_room_goes_on(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    platform.faults.denied[place.room.id] = MISSING_PERMISSIONS
    denied = ask(platform, place)
    await bot.quiet()
    platform.faults.clear()
    await answered_once(platform, ask(platform, place), bot)
    assert platform.replies_to(denied) == []
    states = [(row.state, "50013" in row.error) for row in await bot.deliveries()]
    assert states == [(DeliveryState.UNDELIVERABLE, True), (DeliveryState.SENT, False)]


async def test_a_call_given_up_in_the_pause_of_the_whole_bot_holds_up_no_other(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    """The sign that an answer is made meets the limit of the whole bot, and is taken away while it waits."""
    home.answerer = Echo("One.", delay_s=0.6)
    pause = platform.faults.add(RestFault(429, "POST", "/typing$", retry_after_s=30, whole_bot=True))
    async with home.bot():
        for words in ("one?", "two?"):
            asked = platform.say(place.room, place.ann, f"{platform.mention} {words}")
            await platform.until(lambda asked=asked: platform.replies_to(asked), 5)  # type: ignore[misc]
    assert pause.times == 0
