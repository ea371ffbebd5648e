"""Group situations on Discord, through the real client: who is answered, where, and with what."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.decision import Outcome, Reason
from bot.errors import MemberError, PlatformError
from bot.event import Member, Role, Room, RoomKind, load_event
from bot.tables import feedback, inbox, rooms
from bot.testing import Echo
from tests.adapters.discord.conftest import Bot, Home, Place
from tests.emulators.discord import Act, DiscordEmulator, RestFault, Upload
from tests.emulators.discord.world import Channel


async def test_a_mention_is_answered_once_where_it_was_said(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    question = platform.say(place.room, place.ann, f"{platform.mention} how do beans sprout?")
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    assert "echo: how do beans sprout?" in answer.content
    await bot.quiet()
    assert len(platform.said(place.room)) == 1
    decision = await bot.decision(question.id)
    assert (decision.outcome, decision.reason) == (Outcome.ANSWERED, Reason.FROM_DOCUMENTS)


async def test_two_mentions_are_answered_in_order(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    first = platform.say(place.room, place.ann, f"{platform.mention} one?")
    second = platform.say(place.room, place.ann, f"{platform.mention} two?")
    await platform.until(lambda: len(platform.said(place.room)) == 2)
    assert [each.reply_to for each in platform.said(place.room)] == [first.id, second.id]


async def test_among_themselves_members_are_left_alone(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    said = platform.say(place.room, place.ann, "lunch?")
    await bot.quiet()
    assert platform.said(place.room) == []
    assert (await bot.decision(said.id)).reason == Reason.NOT_ADDRESSED


async def test_a_reply_to_the_bot_addresses_it_with_and_without_a_ping(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    question = platform.say(place.room, place.ann, f"{platform.mention} one?")
    (answer,) = await platform.until(lambda: platform.replies_to(question))
    quiet = platform.say(place.room, place.ann, "and two?", reply_to=answer, ping=False)
    loud = platform.say(place.room, place.ann, "and three?", reply_to=answer)
    await platform.until(lambda: platform.replies_to(quiet) and platform.replies_to(loud))
    event = load_event((await bot.decision(quiet.id)).payload)
    assert event.kind == "said"
    assert (event.message.addressed, event.message.reply_to) == ("reply", str(answer.id))
    assert load_event((await bot.decision(loud.id)).payload).message.addressed == "reply"  # type: ignore[union-attr]


async def test_a_reply_to_somebody_else_does_not(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    theirs = platform.say(place.room, place.ann, "beans")
    reply = platform.say(place.room, place.ann, "which?", reply_to=theirs)
    await bot.quiet()
    assert load_event((await bot.decision(reply.id)).payload).message.addressed == "none"  # type: ignore[union-attr]


async def test_the_bots_own_role_is_a_mention_and_everyone_is_not(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    role = next(role for role in place.guild.roles.values() if role.bot_id == platform.world.bot.id)
    by_role = platform.say(place.room, place.ann, f"<@&{role.id}> help")
    everyone = platform.say(place.room, place.ann, "@everyone lunch")
    await platform.until(lambda: platform.replies_to(by_role))
    await bot.quiet()
    assert load_event((await bot.decision(by_role.id)).payload).message.text == "help"  # type: ignore[union-attr]
    assert load_event((await bot.decision(everyone.id)).payload).message.addressed == "none"  # type: ignore[union-attr]


async def test_markup_in_code_mentions_nobody(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    typed = platform.say(place.room, place.ann, f"`{platform.mention}` is how it is written")
    await bot.quiet()
    assert load_event((await bot.decision(typed.id)).payload).message.addressed == "none"  # type: ignore[union-attr]


async def test_names_are_readable_and_ours_is_taken_out(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    bob = platform.member(place.guild, "Bob")
    other = platform.world.channel(place.guild, "recipes")
    text = f"{platform.mention} ask <@{bob.id}> in <#{other.id}> <:bean:123456>"
    asked = platform.say(place.room, place.ann, text)
    await platform.until(lambda: platform.replies_to(asked))
    event = load_event((await bot.decision(asked.id)).payload)
    # The gateway has not told of the new channel, so its markup stays.
    assert event.message.text == f"ask @Bob in <#{other.id}> :bean:"  # type: ignore[union-attr]


async def test_a_hostile_name_is_shown_plain(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    mallory = platform.member(place.guild, "Mal\u202elory\u200b\n\x07 @everyone")
    asked = platform.say(place.room, mallory, f"{platform.mention} hi")
    invisible = platform.member(place.guild, "\u200b\u2060")
    nameless = platform.say(place.room, invisible, f"{platform.mention} hi")
    await platform.until(lambda: platform.replies_to(asked) and platform.replies_to(nameless))
    assert load_event((await bot.decision(asked.id)).payload).message.author.name == "Mallory @everyone"  # type: ignore[union-attr]
    assert load_event((await bot.decision(nameless.id)).payload).message.author.name == str(invisible.id)  # type: ignore[union-attr]


async def test_in_a_thread_it_answers_in_the_thread(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    place.room.nsfw = False
    thread = platform.thread(place.room, "sprouting", place.ann)
    asked = platform.say(thread, place.ann, f"{platform.mention} and then?")
    await platform.until(lambda: platform.replies_to(asked))
    assert platform.said(place.room) == []
    room = load_event((await bot.decision(asked.id)).payload).room
    assert (room.kind, room.parent, room.space) == ("thread", str(place.room.id), str(place.guild.id))


async def test_a_direct_message_needs_no_mention(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    stranger = platform.world.user("Stranger")
    direct = platform.world.direct(stranger)
    asked = platform.say(direct, stranger, "hello?")
    await platform.until(lambda: platform.replies_to(asked))
    assert load_event((await bot.decision(asked.id)).payload).room.kind == "direct"


async def test_other_bots_and_our_own_words_are_not_answered(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    other = platform.member(place.guild, "Parrot", bot=True)
    parroted = platform.say(place.room, other, f"{platform.mention} hi")
    await bot.quiet()
    assert platform.said(place.room) == []
    assert (await bot.decision(parroted.id)).reason == Reason.FROM_BOT
    asked = platform.say(place.room, place.ann, f"{platform.mention} hi")
    await platform.until(lambda: platform.replies_to(asked))
    await bot.quiet()
    assert len(await bot.decisions()) == 2


async def test_joins_and_pins_are_not_said_to_anyone(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    platform.say(place.room, place.ann, "", type=7)
    platform.say(place.room, place.ann, "", type=6)
    await bot.quiet()
    assert await bot.decisions() == []


async def test_everyone_is_shown_and_not_pinged(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.answerer = Echo(f"@everyone and @here and <@{place.ann.id}> look")
    async with home.bot():
        asked = platform.say(place.room, place.ann, f"{platform.mention} shout")
        (answer,) = await platform.until(lambda: platform.replies_to(asked))
        assert "@everyone" in answer.content
        assert not answer.pinged_everyone
        assert answer.pinged == ()


async def test_an_edited_question_is_answered_anew_in_place(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = platform.say(place.room, place.ann, f"{platform.mention} one?")
    (answer,) = await platform.until(lambda: platform.replies_to(asked))
    platform.unfurl(asked)
    platform.edit(asked, f"{platform.mention} two?")
    platform.unfurl(asked)
    await platform.until(lambda: "echo: two?" in answer.content)
    await bot.quiet()
    assert len(platform.said(place.room)) == 1
    assert len(await bot.decisions(inbox.c.kind == "edited")) == 1


async def test_a_deleted_question_takes_its_answer_along(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = platform.say(place.room, place.ann, f"{platform.mention} one?")
    await platform.until(lambda: platform.replies_to(asked))
    platform.delete(asked)
    await platform.until(lambda: not platform.said(place.room))
    assert (await bot.decision(asked.id)).payload is None


async def test_many_deleted_at_once_too(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = [platform.say(place.room, place.ann, f"{platform.mention} {number}?") for number in range(3)]
    await platform.until(lambda: len(platform.said(place.room)) == 3)
    platform.delete_many(asked)
    await platform.until(lambda: not platform.said(place.room))


async def test_thumbs_are_feedback_as_long_as_they_stand(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    asked = platform.say(place.room, place.ann, f"{platform.mention} one?")
    (answer,) = await platform.until(lambda: platform.replies_to(asked))

    async def value() -> int | None:
        await bot.quiet()
        rows = await bot.core.store.read(lambda connection: connection.execute(feedback.select()).all())
        return rows[0].value if rows else None

    platform.react(asked, place.ann, "👍")  # on her own message: no rating
    platform.react(answer, place.ann, "🌱")
    assert await value() is None
    platform.react(answer, place.ann, "👍🏽")
    assert await value() == 1
    platform.react(answer, place.ann, "👎")
    platform.unreact(answer, place.ann, "👍🏽")
    assert await value() == -1
    platform.unreact(answer, place.ann, "👎")
    assert await value() is None


async def test_a_long_answer_is_split_without_loss(platform: DiscordEmulator, place: Place, home: Home) -> None:
    text = "\n\n".join(f"Paragraph {number}: " + "bean " * 60 for number in range(20))
    home.answerer = Echo(text)
    async with home.bot():
        asked = platform.say(place.room, place.ann, f"{platform.mention} all of it")
        await platform.until(lambda: len(platform.said(place.room)) >= 4)
        await platform.until(lambda: "Sources" in platform.said(place.room)[-1].content)
        parts = platform.said(place.room)
        assert all(len(each.content) <= 2000 for each in parts)
        words = " ".join(each.content for each in parts).split()
        assert words[: len(text.split())] == text.split()
        assert parts[0].reply_to == asked.id


async def test_a_slow_answer_is_typed_and_streamed(platform: DiscordEmulator, place: Place, home: Home) -> None:
    home.answerer = Echo("One. ", "Two. ", "Three.", delay_s=0.35)
    home.core = home.core.model_copy(update={"stream_after_s": 0.3})
    async with home.bot() as bot:
        asked = platform.say(place.room, place.ann, f"{platform.mention} slowly")
        await platform.until(lambda: any("Three." in each.content for each in platform.replies_to(asked)))
        await bot.quiet()
        assert len(platform.said(place.room)) == 1
        assert platform.shown(Act.TYPING, place.room)
        texts = [entry.text for entry in platform.shown(Act.EDITED, place.room)]
        assert texts[-1].startswith("One. Two. Three.")


async def test_attachments_come_along_and_can_be_fetched(
    platform: DiscordEmulator, place: Place, bot: Bot, tmp_path: Path
) -> None:
    files = [Upload(f"{number}.png", "image/png", b"%d" % number) for number in range(100)]
    asked = platform.say(place.room, place.ann, f"{platform.mention} these", files=files)
    await platform.until(lambda: platform.replies_to(asked))
    message = load_event((await bot.decision(asked.id)).payload).message  # type: ignore[union-attr]
    assert len(message.attachments) == 100
    fetched = await bot.platform.fetch(message.attachments[42], tmp_path, 1000)
    assert fetched.read_bytes() == b"42"
    # The address has run out, but the message still stands.
    platform.faults.cdn.append(RestFault(403))
    assert (await bot.platform.fetch(message.attachments[43], tmp_path, 1000)).read_bytes() == b"43"
    with pytest.raises(MemberError):
        await bot.platform.fetch(message.attachments[44], tmp_path, 1)
    platform.faults.cdn += [RestFault(abort=True), RestFault(abort=True)]  # the client itself asks again once
    with pytest.raises(PlatformError, match="the file did not come"):
        await bot.platform.fetch(message.attachments[44], tmp_path, 1000)
    platform.faults.cdn.append(RestFault(403))
    platform.faults.add(RestFault(501, "GET", "/messages/"))
    with pytest.raises(PlatformError, match="the file did not come"):
        await bot.platform.fetch(message.attachments[44], tmp_path, 1000)
    platform.delete(asked)
    platform.faults.cdn.append(RestFault(404))
    with pytest.raises(MemberError):
        await bot.platform.fetch(message.attachments[45], tmp_path, 1000)


async def test_a_voice_message_is_known_as_one(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    ogg = Upload("voice-message.ogg", "audio/ogg", b"OggS")
    spoken = platform.say(platform.world.direct(place.ann), place.ann, "", files=[ogg], voice=(2.5, "AAAA"))
    await bot.quiet()
    (attachment,) = load_event((await bot.decision(spoken.id)).payload).message.attachments  # type: ignore[union-attr]
    assert (attachment.kind, attachment.duration_s) == ("voice", 2.5)


async def test_an_age_restricted_room_and_its_threads_are_known(
    platform: DiscordEmulator, place: Place, home: Home
) -> None:
    adult = platform.world.channel(place.guild, "late-night", nsfw=True)
    whole = platform.world.guild("Casino", nsfw_level=3)
    platform.world.join(whole, place.ann)
    table = platform.world.channel(whole, "table")
    async with home.bot() as bot:
        thread = platform.thread(adult, "later", place.ann)
        said = [platform.say(each, place.ann, "hi") for each in (place.room, adult, thread, table)]
        await bot.quiet()
        restricted = [load_event((await bot.decision(each.id)).payload).room.age_restricted for each in said]
        assert restricted == [False, True, True, True]


async def test_who_can_be_in_a_room_is_asked_when_it_matters(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    adult = platform.world.channel(place.guild, "late-night", nsfw=True)
    thread = platform.thread(adult, "later", place.ann)
    whole = platform.world.guild("Casino", nsfw_level=3)
    platform.world.join(whole, place.ann)
    table = platform.world.channel(whole, "table")

    async def restricted(channel: Channel, parent: Channel | None = None) -> bool:
        assert channel.guild is not None
        kind = RoomKind.THREAD if parent else RoomKind.GROUP
        room = Room(
            "discord",
            str(channel.id),
            kind,
            parent=str(parent.id) if parent else None,
            space=str(channel.guild.id),
            age_restricted=True,  # as it once was: what Discord says now is what counts
        )
        return (await bot.platform.standing(room)).age_restricted

    assert [await restricted(each) for each in (place.room, adult, table)] == [False, True, True]
    assert await restricted(thread, adult)
    adult.nsfw = False
    assert not await restricted(adult)
    assert not await restricted(thread, adult)
    direct = Room("discord", "77", RoomKind.DIRECT)
    assert not (await bot.platform.standing(direct)).age_restricted


async def test_roles_are_read_when_they_are_used(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    room = Room("discord", str(place.room.id), space=str(place.guild.id))
    moderators = platform.world.role(place.guild, "mods", 1 << 13)
    admins = platform.world.role(place.guild, "admins", 1 << 5)

    async def role(user_id: int) -> Role:
        return await bot.platform.role(room, Member("discord", str(user_id)))

    assert await role(place.guild.owner_id) is Role.OWNER
    assert await role(place.ann.id) is Role.MEMBER
    platform.demote(place.guild, place.ann, [moderators.id])
    assert await role(place.ann.id) is Role.MODERATOR
    platform.demote(place.guild, place.ann, [admins.id])
    assert await role(place.ann.id) is Role.ADMIN
    platform.demote(place.guild, place.ann)
    assert await role(place.ann.id) is Role.MEMBER


async def test_it_says_hello_once_when_it_is_added(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    await bot.quiet()
    guild = platform.world.guild("Peas")
    guild.joined = False
    lobby = platform.world.channel(guild, "lobby")
    platform.let_in(guild)
    await platform.until(lambda: platform.said(lobby))
    platform.kick(guild)
    await bot.quiet()
    rows = await bot.core.store.read(lambda connection: connection.execute(rooms.select()).all())
    assert [row.removed_at is not None for row in rows if row.id == str(lobby.id)] == [True]
    platform.let_in(guild)
    await bot.quiet()
    assert len(platform.said(lobby)) == 1


async def test_after_a_return_the_rooms_that_are_still_there_are_ours_again_and_one_hello_is_said(
    platform: DiscordEmulator, place: Place, bot: Bot
) -> None:
    other, closed = (platform.world.channel(place.guild, name) for name in ("other", "closed"))

    async def left() -> set[str]:
        chosen = rooms.select().where(rooms.c.removed_at.is_not(None))
        return {row.id for row in await bot.core.store.read(lambda connection: connection.execute(chosen).all())}

    channels = (place.room, other, closed)
    for channel in channels:
        platform.say(channel, place.ann, "hi")
    await bot.quiet()
    platform.kick(place.guild)
    await bot.quiet()
    assert await left() == {str(channel.id) for channel in channels}
    platform.remove_channel(closed)
    platform.let_in(place.guild)
    await bot.quiet()
    assert await left() == {str(closed.id)}
    assert sum(len(platform.said(channel)) for channel in channels) == 1


async def test_a_removed_room_is_noted(platform: DiscordEmulator, place: Place, bot: Bot) -> None:
    platform.say(place.room, place.ann, "hi")
    await bot.quiet()
    platform.remove_channel(place.room)
    await bot.quiet()
    assert [row.kind for row in await bot.decisions()] == ["said", "removed"]
