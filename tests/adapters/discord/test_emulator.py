"""The local Discord, lived in by the unmodified discord.py: if these pass, a story told on it means something."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import discord
import pytest

from tests.adapters.discord.conftest import FAST, Place
from tests.emulators.discord import Act, DiscordEmulator, Limits, RestFault, Upload

pytestmark = pytest.mark.usefixtures("pointed")


class Listener(discord.Client):
    """A bare client that keeps what it hears."""

    def __init__(self, **options: object) -> None:
        intents = discord.Intents.default()
        intents.message_content = True
        super().__init__(intents=intents, guild_ready_timeout=0.05, heartbeat_timeout=1.5, **options)  # type: ignore[arg-type]
        self.heard: list[discord.Message] = []
        self.readies = 0
        self.interacted: list[discord.Interaction] = []
        self.answer: Callable[[discord.Message], Awaitable[object]] | None = None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No pause between identifies."""

    async def on_ready(self) -> None:
        self.readies += 1

    async def on_message(self, message: discord.Message) -> None:
        if message.author.id == self.user.id:  # type: ignore[union-attr]
            return
        self.heard.append(message)
        if self.answer is not None:
            await self.answer(message)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interacted.append(interaction)


@asynccontextmanager
async def connected(platform: DiscordEmulator, client: Listener) -> AsyncIterator[Listener]:
    task = asyncio.create_task(client.start(platform.token))
    try:
        await platform.until(lambda: client.readies or task.done())
        if task.done():
            task.result()
        yield client
    finally:
        await client.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def client(platform: DiscordEmulator, place: Place) -> AsyncIterator[Listener]:
    async with connected(platform, Listener()) as listener:
        yield listener


async def test_a_mention_is_heard_and_a_reply_seen(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    client.answer = lambda message: message.reply("In water, overnight.")
    question = platform.say(place.room, place.ann, f"{platform.mention} how?")
    (reply,) = await platform.until(lambda: platform.replies_to(question))
    assert reply.content == "In water, overnight."
    heard = client.heard[0]
    assert [user.id for user in heard.mentions] == [platform.world.bot.id]
    assert isinstance(heard.author, discord.Member)
    assert isinstance(heard.channel, discord.TextChannel)


async def test_a_reply_carries_what_it_answers(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    first = platform.say(place.room, place.ann, "beans")
    platform.say(place.room, place.ann, "which?", reply_to=first)
    await platform.until(lambda: len(client.heard) == 2)
    reference = client.heard[1].reference
    assert reference is not None
    assert isinstance(reference.resolved, discord.Message)
    assert reference.resolved.content == "beans"


async def test_edit_react_type_and_delete(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    question = platform.say(place.room, place.ann, "?")
    await platform.until(lambda: client.heard)
    channel = client.heard[0].channel
    async with channel.typing():
        ours = await channel.send("one")
    await ours.edit(content="two")
    await client.heard[0].add_reaction("👀")
    assert [each.content for each in platform.said(place.room)] == ["two"]
    assert question.reactions == {"👀": [platform.world.bot.id]}
    await ours.delete()
    assert platform.said(place.room) == []
    assert platform.shown(Act.TYPING, place.room)
    assert platform.shown(Act.DELETED, place.room)


async def test_history_reads_both_ways(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    said = [platform.say(place.room, place.ann, f"line {number}") for number in range(250)]
    channel = client.get_channel(place.room.id)
    assert isinstance(channel, discord.TextChannel)
    after = discord.Object(said[99].id)
    forward = [message.content async for message in channel.history(after=after, limit=None, oldest_first=True)]
    assert forward == [message.content for message in said[100:]]
    latest = [message.content async for message in channel.history(limit=3)]
    assert latest == ["line 249", "line 248", "line 247"]


async def test_a_dropped_socket_resumes_and_replays(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.gateway.drop()
    for number in range(5):
        platform.say(place.room, place.ann, f"meanwhile {number}")
    await platform.until(lambda: len(client.heard) == 5)
    assert [message.content for message in client.heard] == [f"meanwhile {number}" for number in range(5)]
    assert (platform.gateway.identifies, platform.gateway.resumes) == (1, 1)


async def test_past_the_window_it_identifies_anew_and_nothing_is_replayed(
    platform: DiscordEmulator, place: Place, client: Listener
) -> None:
    platform.gateway.forget_sessions()
    platform.gateway.drop()
    platform.say(place.room, place.ann, "lost")
    await platform.until(lambda: client.readies == 2)
    platform.say(place.room, place.ann, "heard")
    await platform.until(lambda: client.heard)
    assert [message.content for message in client.heard] == ["heard"]
    assert (platform.gateway.identifies, platform.gateway.refused_resumes) == (2, 1)


async def test_op_7_and_op_9_bring_it_back(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.gateway.reconnect()
    await platform.until(lambda: platform.gateway.resumes == 1)
    platform.gateway.invalidate()
    await platform.until(lambda: client.readies == 2)
    platform.say(place.room, place.ann, "still there?")
    await platform.until(lambda: client.heard)


async def test_a_silent_socket_is_noticed(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.gateway.go_silent()
    platform.say(place.room, place.ann, "into the void")
    await platform.until(lambda: client.heard)
    assert platform.gateway.resumes == 1


async def test_redelivery_and_disorder(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.say(place.room, place.ann, "once")
    platform.gateway.repeat_last()
    platform.gateway.reverse_next(3)
    for number in range(3):
        platform.say(place.room, place.ann, str(number))
    await platform.until(lambda: len(client.heard) == 5)
    assert [message.content for message in client.heard] == ["once", "once", "2", "1", "0"]


async def test_a_slash_command_is_deferred_edited_and_followed_up(
    platform: DiscordEmulator, place: Place, client: Listener
) -> None:
    asked = platform.slash(place.room, place.ann, "why", message="42")
    await platform.until(lambda: client.interacted)
    interaction = client.interacted[0]
    assert interaction.user.id == place.ann.id
    await interaction.response.defer(thinking=True)
    await interaction.edit_original_response(content="because")
    await interaction.followup.send("and so")
    assert asked.answered_after_s is not None
    assert [message.content for message in platform.said(place.room)] == ["because", "and so"]


async def test_an_interaction_answered_too_late_is_unknown(place: Place, platform: DiscordEmulator) -> None:
    platform.limits = Limits(heartbeat_s=0.5, interaction_answer_s=0.05)
    async with connected(platform, Listener()) as client:
        platform.slash(place.room, place.ann, "why")
        await platform.until(lambda: client.interacted)
        await asyncio.sleep(0.06)
        with pytest.raises(discord.NotFound) as refused:
            await client.interacted[0].response.defer()
        assert refused.value.code == 10062


async def test_a_thread_is_made_and_spoken_in(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.say(place.room, place.ann, "long story")
    await platform.until(lambda: client.heard)
    thread = await client.heard[0].create_thread(name="story")
    await thread.send("tell")
    platform.say(platform.world.channels[thread.id], place.ann, "once upon a time")
    await platform.until(lambda: len(client.heard) == 2)
    assert isinstance(client.heard[1].channel, discord.Thread)


async def test_a_direct_message_is_heard(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.say(platform.world.direct(place.ann), place.ann, "psst")
    await platform.until(lambda: client.heard)
    assert isinstance(client.heard[0].channel, discord.DMChannel)


async def test_files_go_up_and_come_down(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    ogg = Upload("voice-message.ogg", "audio/ogg", b"OggS" * 100)
    platform.say(place.room, place.ann, "", files=[ogg], voice=(1.5, "AAAA"))
    await platform.until(lambda: client.heard)
    attachment = client.heard[0].attachments[0]
    assert attachment.is_voice_message()
    assert attachment.duration == 1.5
    assert await attachment.read() == ogg.body
    await client.heard[0].channel.send(file=discord.File(io.BytesIO(b"leaf"), "leaf.txt"))
    assert platform.said(place.room)[0].files[0].body == b"leaf"


async def test_a_nonce_is_recognised_within_its_window_only(
    platform: DiscordEmulator, place: Place, client: Listener
) -> None:
    channel = client.get_channel(place.room.id)
    assert isinstance(channel, discord.TextChannel)
    first = await channel.send("hello", nonce="key-1")
    again = await channel.send("hello", nonce="key-1")
    assert first.id == again.id
    platform.limits = Limits(nonce_window_s=0.0)
    await channel.send("hello", nonce="key-1")
    assert len(platform.said(place.room)) == 2


async def test_limits_are_failures(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    channel = client.get_channel(place.room.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.HTTPException) as too_long:
        await channel.send("x" * 2001)
    assert (too_long.value.status, too_long.value.code) == (400, 50035)
    with pytest.raises(discord.HTTPException) as empty:
        await channel.send("  ")
    assert empty.value.code == 50006
    with pytest.raises(discord.HTTPException) as long_nonce:
        await channel.send("x", nonce="n" * 26)
    assert long_nonce.value.code == 50035


async def test_the_sixth_message_in_a_window_waits(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    platform.limits = Limits(window_s=0.6)
    channel = client.get_channel(place.room.id)
    assert isinstance(channel, discord.TextChannel)
    began = asyncio.get_running_loop().time()
    for number in range(7):
        await channel.send(str(number))
    assert asyncio.get_running_loop().time() - began >= 0.6
    assert len(platform.said(place.room)) == 7


async def test_429_with_via_is_retried_and_without_is_raised(
    platform: DiscordEmulator, place: Place, client: Listener
) -> None:
    channel = client.get_channel(place.room.id)
    assert isinstance(channel, discord.TextChannel)
    platform.faults.add(RestFault(429, "POST", "/messages", retry_after_s=0.05))
    await channel.send("patience")
    platform.faults.add(RestFault(429, "POST", "/messages", via=False))
    with pytest.raises(discord.HTTPException) as banned:
        await channel.send("banned")
    assert banned.value.status == 429


async def test_kicked_and_denied(platform: DiscordEmulator, place: Place, client: Listener) -> None:
    channel = client.get_channel(place.room.id)
    assert isinstance(channel, discord.TextChannel)
    platform.faults.denied[place.room.id] = 50013
    with pytest.raises(discord.Forbidden):
        await channel.send("may I?")
    platform.faults.clear()
    platform.kick(place.guild)
    with pytest.raises(discord.Forbidden) as kicked:
        await channel.send("may I?")
    assert kicked.value.code == 50001


async def test_a_malformed_event_ends_a_bare_client(platform: DiscordEmulator, place: Place) -> None:
    client = Listener()
    task = asyncio.create_task(client.start(platform.token))
    await platform.until(lambda: client.readies)
    platform.malformed(platform.say(place.room, place.ann, "poison"))
    with pytest.raises((TypeError, AttributeError)):
        await task
    await client.close()


async def test_a_wrong_token_and_a_missing_intent_are_told(platform: DiscordEmulator, place: Place) -> None:
    client = Listener()
    with pytest.raises(discord.LoginFailure):
        await client.start("not the token")
    await client.close()
    platform.allowed_intents = 0
    client = Listener()
    with pytest.raises(discord.PrivilegedIntentsRequired):
        await client.start(platform.token)
    await client.close()


async def test_without_the_content_intent_only_mentions_have_text(platform: DiscordEmulator, place: Place) -> None:
    client = Listener()
    client.intents.message_content = False
    client._connection._intents.message_content = False
    async with connected(platform, client):
        platform.say(place.room, place.ann, "among ourselves")
        platform.say(place.room, place.ann, f"{platform.mention} to you")
        await platform.until(lambda: len(client.heard) == 2)
        assert [message.content for message in client.heard] == ["", f"{platform.mention} to you"]


def test_the_fast_limits_are_the_real_ones_otherwise() -> None:
    assert (FAST.content_chars, FAST.sends, FAST.interaction_answer_s) == (2000, 5, 3.0)
