"""Slash commands and buttons through the real client: acknowledged in time, answered in place, once."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord import slash
from bot.commands import Argument, Call, Command, Commands, Done
from bot.decision import Outcome
from bot.delivery import Button
from bot.event import Event
from bot.tables import inbox
from bot.texts import Text
from tests.adapters.discord.conftest import Bot, Home, Locked, Place, ask
from tests.emulators.discord import DiscordEmulator, Limits, RestFault


async def test_the_commands_are_told_once_and_only_when_they_changed(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    put = "PUT /applications/{app}/commands"
    async with home.bot():
        names = {command["name"] for command in platform.messages.commands}
        assert {"help", "why", "stop", "mute", "settings"} <= names
        assert platform.rest.requests[put] == 1
        platform.gateway.invalidate()
        await platform.until(lambda: platform.gateway.identifies == 2)
    async with home.bot():
        assert platform.rest.requests[put] == 1
    platform.messages.commands[0]["description"] = "what an older version said"
    async with home.bot():
        assert platform.rest.requests[put] == 2


async def test_a_failure_to_tell_them_does_not_keep_the_bot_away(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    platform.faults.add(RestFault(403, "GET", "/commands"))
    async with home.bot() as bot:
        question = ask(platform, place)
        await platform.until(lambda: platform.replies_to(question))
        assert bot.platform.health() is None


async def test_a_slash_command_is_answered_in_its_place(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = platform.slash(place.room, place.ann, "help")
    await platform.until(lambda: asked.response is not None and "/why" in asked.response.content)
    await bot.quiet()
    assert asked.answered_after_s is not None
    assert asked.answered_after_s < 3
    assert len(platform.said(place.room)) == 1
    (event,) = await bot.decisions(inbox.c.kind == "pressed")
    assert event.outcome == Outcome.DONE
    (delivery,) = await bot.deliveries()
    assert asked.response is not None
    assert delivery.message_id == str(asked.response.id)


async def test_a_slash_command_in_a_direct_room(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = platform.slash(platform.world.direct(place.ann), place.ann, "help")
    await platform.until(lambda: asked.response is not None and "/why" in asked.response.content)


async def test_a_right_is_checked_when_it_is_used(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    refused = platform.slash(place.room, place.ann, "mute", duration="2h")
    await platform.until(lambda: refused.response is not None and refused.response.content)
    (event,) = await bot.decisions(inbox.c.kind == "pressed")
    assert (event.outcome, event.reason) == (Outcome.REFUSED, "not_allowed")
    moderators = platform.world.role(place.guild, "mods", 1 << 13)
    platform.demote(place.guild, place.ann, [moderators.id])
    platform.slash(place.room, place.ann, "mute", duration="2h")
    await platform.until(lambda: len(platform.said(place.room)) == 2 and platform.said(place.room)[1].content)
    assert (await bot.decisions(inbox.c.kind == "pressed"))[1].outcome == Outcome.DONE


async def test_a_button_does_what_it_says_under_an_opaque_id(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    guild = platform.world.guild("Peas")
    guild.joined = False
    platform.world.join(guild, place.ann)
    lobby = platform.world.channel(guild, "lobby")
    platform.let_in(guild)
    (greeting,) = await platform.until(lambda: platform.said(lobby))
    (button,) = greeting.components[0]["components"]
    assert "help" not in button["custom_id"]
    pressed = platform.press(greeting, place.ann, button["label"])
    await platform.until(lambda: pressed.response is not None and "/why" in pressed.response.content)
    assert greeting.content


async def test_a_forged_button_does_nothing(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    question = ask(platform, place)
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    answer.components = [{"type": 1, "components": [{"type": 2, "label": "x", "custom_id": "/mute 2h"}]}]
    platform.press(answer, place.ann, "x")
    await platform.until(lambda: platform.said(place.room)[1:] and platform.said(place.room)[1].content)
    (event,) = await bot.decisions(inbox.c.kind == "pressed")
    assert event.outcome == Outcome.REFUSED


async def test_a_redelivered_interaction_is_answered_once(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = platform.slash(place.room, place.ann, "help")
    platform.gateway.repeat_last()
    await platform.until(lambda: asked.response is not None and asked.response.content)
    await bot.quiet()
    assert len(await bot.decisions(inbox.c.kind == "pressed")) == 1
    assert len(platform.said(place.room)) == 1


async def test_a_slow_commit_does_not_cost_the_acknowledgement(
    platform: DiscordEmulator, place: Place, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.client.COMMIT_WITHIN_S", 0.05)
    client = bot.platform.client
    assert client is not None
    accept = client._arrivals.accept

    async def slowly(event: Event) -> bool:
        await asyncio.sleep(0.3)
        return await accept(event)

    client._arrivals.accept = slowly
    asked = platform.slash(place.room, place.ann, "help")
    await platform.until(lambda: asked.response is not None and asked.response.content)
    assert asked.answered_after_s is not None
    assert asked.answered_after_s < 0.3


async def test_what_is_not_kept_is_said_to_the_member_alone(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    Locked(bot)
    asked = platform.slash(place.room, place.ann, "help")
    await platform.until(lambda: asked.response is not None)
    assert asked.response is not None
    assert asked.response.flags & 64
    assert "try again" in asked.response.content


async def test_an_acknowledgement_that_came_too_late_is_made_up_for_in_the_room(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    platform.limits = Limits(heartbeat_s=0.5, interaction_answer_s=-1)
    platform.slash(place.room, place.ann, "help")
    (answer,) = await platform.until(lambda: platform.said(place.room))
    assert "/why" in answer.content


async def test_the_next_life_completes_what_this_one_acknowledged(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    async with home.bot() as bot:
        platform.faults.add(RestFault(503, "PATCH", "@original", times=1000))
        asked = platform.slash(place.room, place.ann, "help")
        await platform.until(lambda: asked.answered_after_s is not None)
        await asyncio.sleep(0.2)
    platform.faults.clear()
    async with home.bot() as bot:
        await platform.until(lambda: asked.response is not None and "/why" in asked.response.content)
        await bot.quiet()
        assert len(platform.said(place.room)) == 1


async def test_past_the_tokens_end_it_is_said_in_the_room(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    platform.limits = Limits(heartbeat_s=0.5, interaction_token_s=-1)
    asked = platform.slash(place.room, place.ann, "help")
    await platform.until(lambda: len(platform.said(place.room)) == 2)
    assert asked.response is not None
    assert "/why" in platform.said(place.room)[1].content


async def done(call: Call) -> Done:
    return Done("done", buttons=(Button("again", "/kb list"),))


KB = Command(
    "kb",
    Text(zh="知识库", en="knowledge"),
    subcommands=(
        Command("list", Text(zh="列出", en="list them"), done),
        Command(
            "add",
            Text(zh="添加", en="add one"),
            done,
            arguments=(
                Argument("name", Text(zh="名字", en="its name")),
                Argument("kind", Text(zh="种类", en="what kind"), required=False, choices=("a", "b")),
            ),
        ),
    ),
)


def test_a_family_becomes_subcommands_in_both_languages() -> None:
    hidden = Command("secret", Text(zh="密", en="hidden"), done, slash=False)
    (family,) = slash.payloads((KB, hidden))
    assert family["description_localizations"]["zh-CN"] == "知识库"
    listing, adding = family["options"]
    assert (listing["type"], adding["type"]) == (1, 1)
    name, kind = adding["options"]
    assert (name["required"], kind["required"]) == (True, False)
    assert [choice["value"] for choice in kind["choices"]] == ["a", "b"]


@pytest.mark.parametrize(
    "typed",
    ["docs", "my docs", 'say "hi"', "it's", '"quoted', "「a b」", "  spaced   out ", "a\nb", "'\"“「『", "$(x)"],
)
def test_whatever_is_typed_into_a_field_stays_one_argument(typed: str) -> None:
    data = {
        "name": "kb",
        "options": [{"name": "add", "type": 1, "options": [{"name": "name", "type": 3, "value": typed}]}],
    }
    invocation = Commands((KB,)).parse(slash._line(data))
    assert invocation is not None
    assert invocation.path == ("kb", "add")
    assert set(invocation.arguments) == {"name"}
    expected = " ".join(typed.split())
    if set("\"「『“'") & set(expected) != set("\"「『“'"):
        assert invocation.arguments["name"] == expected
