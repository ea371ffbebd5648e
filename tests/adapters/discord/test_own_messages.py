"""What we say ourselves comes back from Discord: nobody builds, keeps or answers it, and its deletion is no recall."""

from __future__ import annotations

import discord

from adapters.discord.client import OUR_LAST_MESSAGES
from bot.tables import inbox
from tests.adapters.discord.conftest import Bot, Place
from tests.emulators.discord import DiscordEmulator


def client_of(bot: Bot) -> discord.Client:
    assert bot.platform.client is not None
    return bot.platform.client


async def test_discord_py_builds_others_messages_and_none_of_ours(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    question = platform.say(place.room, place.ann, f"{platform.mention} how do beans sprout?")
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    after = platform.say(place.room, place.ann, "thanks")  # the gateway keeps the order: the answer came before
    await platform.until(lambda: any(each.id == after.id for each in client_of(bot).cached_messages))
    assert answer.id not in {each.id for each in client_of(bot).cached_messages}
    assert {question.id, after.id} <= {each.id for each in client_of(bot).cached_messages}
    await bot.quiet()
    assert {row.kind for row in await bot.decisions()} == {"said"}
    assert await bot.decisions(inbox.c.message_id == str(answer.id)) == []


async def test_an_answer_that_is_deleted_is_no_recall_and_a_question_is(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    question = platform.say(place.room, place.ann, f"{platform.mention} one?")
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    await bot.quiet()
    platform.delete(answer)
    other = platform.say(place.room, place.ann, "never mind")
    platform.delete(other)
    while not await bot.decisions(inbox.c.kind == "recalled"):
        await bot.quiet()
    (recalled,) = await bot.decisions(inbox.c.kind == "recalled")
    assert recalled.message_id == str(other.id)


async def test_of_our_messages_only_the_last_ids_are_kept(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    client = client_of(bot)
    heard = client._connection.parsers["MESSAGE_CREATE"]
    before = len(client.cached_messages)
    for number in range(OUR_LAST_MESSAGES + 5):
        heard({"id": str(number), "author": {"id": str(platform.world.bot.id)}})
    assert list(client._ours) == list(range(5, OUR_LAST_MESSAGES + 5))  # type: ignore[attr-defined]
    assert len(client.cached_messages) == before
