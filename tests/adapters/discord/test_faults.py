"""What can go wrong between Discord and us: one answer, in order, and health that goes red and green again."""

from __future__ import annotations

import asyncio

import pytest

from bot.decision import Reason
from bot.delivery import DeliveryState
from bot.errors import StoreError, UsageError
from bot.event import Event, load_event
from bot.tables import inbox
from bot.testing import Echo
from tests.adapters.discord.conftest import Bot, Home, Place, changed
from tests.emulators.discord import MISSING_PERMISSIONS, DiscordEmulator, Limits, Posted, RestFault


def ask(platform: DiscordEmulator, place: Place, text: str = "how?") -> Posted:
    return platform.say(place.room, place.ann, f"{platform.mention} {text}")


async def answered_once(platform: DiscordEmulator, question: Posted, bot: Bot) -> Posted:
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    await bot.quiet()
    assert len(platform.replies_to(question)) == 1
    return answer


# ── the line ─────────────────────────────────────────────────────────────────────────────────────────────


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


# ── the database ─────────────────────────────────────────────────────────────────────────────────────────


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


class Locked:
    """The inbox refuses every event, as with a database that somebody else has locked."""

    def __init__(self, bot: Bot) -> None:
        client = bot.platform.client
        assert client is not None
        self.arrivals = client._arrivals
        self.accept = self.arrivals.accept
        self.refused = 0
        self.arrivals.accept = self.refuse

    async def refuse(self, event: Event) -> bool:
        self.refused += 1
        raise StoreError("locked")

    def open(self) -> None:
        self.arrivals.accept = self.accept


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


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────


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


async def test_a_ten_megabyte_event_is_read_up_to_a_bound(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.answerer = Echo("That is long.")
    async with home.bot() as bot:
        huge = platform.say(place.room, place.ann, platform.mention + " " + "x" * 10_000_000)
        await answered_once(platform, huge, bot)
        message = load_event((await bot.decision(huge.id)).payload).message  # type: ignore[union-attr]
        assert len(message.text) == home.settings.max_message_chars


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
