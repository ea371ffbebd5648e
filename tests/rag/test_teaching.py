"""What a room teaches the gate: examples in words, and reactions that an admin has confirmed, which count half."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from bot.commands import Commands
from bot.event import Reacted, Role, RoomKind
from bot.retention import Retention
from bot.store import Store
from bot.testing import Bot, BotRoom, PaperPlatform
from rag.commands import KnowledgeCommands
from rag.examples import EXAMPLES, Example, Examples
from rag.feedback import WEIGHT, WITHIN_S
from rag.gate.model import Rows, fit
from rag.library import Library
from rag.sources import Sources
from rag.teaching_commands import TeachingCommands
from rag.upload_commands import UploadCommands
from tests.clock import ManualClock


@pytest.fixture
async def bot(store: Store, clock: ManualClock, library: Library, folder: Path) -> AsyncIterator[Bot]:
    await asyncio.to_thread(library.add, folder, "default")
    teaching = TeachingCommands(store, per_member=2)
    uploads = UploadCommands(store, library, {})
    family = KnowledgeCommands(library, uploads, Sources(library, clock), teaching.family).command
    platform = PaperPlatform(roles={"mia": Role.MODERATOR, "ada": Role.ADMIN})
    async with Bot(store, clock, platform=platform, commands=Commands((family,))) as opened:
        yield opened


async def taught(store: Store) -> list[Example]:
    return await asyncio.to_thread(Examples(store).of, ("default",))


async def answered(room: BotRoom, text: str) -> str:
    """The id of the answer to a question of Anna's."""
    question = await room.says(f"@maodou {text}", by="anna")
    (answer,) = [each.id for each in room.platform.shown.values() if each.reply_to == question]
    return answer


async def react(room: BotRoom, answer: str, by: str, *emoji: str) -> None:
    await room.happens(Reacted(room.room, answer, room.member(by), emoji, room._clock.now()))


async def test_examples_are_said_or_pointed_at(bot: Bot, store: Store) -> None:
    room = bot.room()
    await room.says("/kb good How do I install it?", by="mia")
    room.heard("1 good and 0 bad")
    chat = await room.says("has anybody seen my umbrella?", by="ben")
    await room.says("/kb bad", by="mia", reply_to=chat)
    room.heard("1 good and 1 bad")
    answer = await answered(room, "What is it?")
    await room.says("/kb bad", by="mia", reply_to=answer)
    assert [(each.text, each.good, each.author) for each in await taught(store)] == [
        ("How do I install it?", True, ""),
        ("has anybody seen my umbrella?", False, "paper:ben"),
        ("What is it?", False, "paper:anna"),
    ]


async def test_members_and_whoever_is_alone_with_us_do_not_teach(bot: Bot, store: Store) -> None:
    room, direct = bot.room(), bot.room("dm", kind=RoomKind.DIRECT)
    await room.says("/kb good How do I install it?", by="ben")
    room.heard("is for")
    await direct.says("/kb good How do I install it?", by="ben")
    direct.heard("say it in the group")
    await room.says("/kb good", by="mia")
    room.heard("Which message?")
    assert await taught(store) == []


async def test_reactions_are_learnt_when_an_admin_says_so_and_not_before(bot: Bot, store: Store) -> None:
    room = bot.room()
    liked, disliked = await answered(room, "How do I install it?"), await answered(room, "Is it nice today?")
    await react(room, liked, "ben", "👍")
    await react(room, liked, "cleo", "👍")
    await react(room, disliked, "ben", "👎")
    assert await taught(store) == []
    await room.says("/kb feedback", by="mia")
    room.heard("is for")
    await room.says("/kb feedback", by="ada")
    told = room.heard("👍2 👎0 (to be answered) How do I install it?")
    assert "👍0 👎1 (to be left alone) Is it nice today?" in told
    number = told.partition("**")[2].partition("**")[0]
    await room.says(f"/kb feedback {number}", by="ada")
    room.heard("Say yes or no")
    await room.says(f"/kb feedback {number} yes", by="ada")
    assert await taught(store) == [Example("How do I install it?", True, "paper:ada", "paper:anna", WEIGHT)]
    await room.says("/kb feedback all no", by="ada")
    room.heard("1 set aside")
    await room.says("/kb feedback", by="ada")
    room.heard("is waiting")
    assert len(await taught(store)) == 1


async def test_one_member_counts_a_few_times_and_not_for_ever(bot: Bot, clock: ManualClock) -> None:
    room = bot.room()
    for number in range(4):
        await react(room, await answered(room, f"question {number}?"), "ben", "👍")
        await clock.advance(1)
    await room.says("/kb feedback", by="ada")
    told = room.heard("question 3?")
    assert "question 2?" in told
    assert "question 1?" not in told, "the two newest of this member count"
    await clock.advance(WITHIN_S + 1)
    await room.says("/kb feedback", by="ada")
    room.heard("is waiting")


async def test_even_reactions_other_rooms_and_withdrawn_ones_say_nothing(bot: Bot) -> None:
    room, other = bot.room(), bot.room("r2")
    even, withdrawn = await answered(room, "even?"), await answered(room, "withdrawn?")
    await react(room, even, "ben", "👍")
    await react(room, even, "cleo", "👎")
    await react(room, withdrawn, "ben", "👍")
    await react(room, withdrawn, "ben")
    await react(other, await answered(other, "elsewhere?"), "ben", "👍")
    await room.says("/kb feedback", by="ada")
    room.heard("is waiting")


async def test_words_weigh_more_than_reactions(library: Library, folder: Path, store: Store) -> None:
    await asyncio.to_thread(library.add, folder, "default")
    examples = Examples(store)
    await asyncio.to_thread(examples.add, "default", [Example("How?", True)])
    added = await asyncio.to_thread(examples.add, "default", [Example("how?", False, weight=WEIGHT)])
    assert (added.changed, (await taught(store))[0].good) == (0, True)
    await asyncio.to_thread(examples.add, "default", [Example("Why?", True, weight=WEIGHT)])
    await asyncio.to_thread(examples.add, "default", [Example("why?", False)])
    assert [(each.good, each.weight) for each in await taught(store)] == [(True, 1.0), (False, 1.0)]


async def test_whose_words_it_was_can_have_them_forgotten(bot: Bot, store: Store, clock: ManualClock) -> None:
    room = bot.room()
    answer = await answered(room, "How do I install it?")
    await room.says("/kb good", by="mia", reply_to=answer)
    await room.says("/kb bad so long", by="mia")
    await store.write(Retention(store, clock, erasers=(EXAMPLES,)).erase_member(room.member("anna")))
    assert [each.text for each in await taught(store)] == ["so long"]


def test_an_example_of_half_the_weight_moves_the_model_half_as_far() -> None:
    rows = Rows.of([(np.array([0]), np.array([1.0])), (np.array([1]), np.array([1.0]))], 2)
    labels, offset = np.array([1.0, 0.0]), np.zeros(2)
    full, half = fit(rows, labels, offset), fit(rows, labels, offset, counts=np.array([WEIGHT, WEIGHT]))
    assert 0.4 < half[0] / full[0] < 0.65
    assert np.allclose(full, fit(rows, labels, offset, counts=np.ones(2)))
