"""What was planned and has not left, when the filter changes."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.delivery import Content, Delivery
from bot.errors import TryLater
from bot.event import Member, RoomKind, Said
from bot.outbox import Outbox
from bot.scopes import scope_of
from bot.store import Store
from bot.tables import deliveries
from bot.testing import BotRoom
from moderation.judging import Filter
from tests.clock import ManualClock
from tests.moderation.conftest import House, open_house
from tests.waiting import advance_until, until

DIGEST = Content("Today\n\n1. A durian festival opens\n\n2. The weather stays fine")
BAD_DIGEST = Content("Today\n\n1. Free porn video here")


class Gate:
    """Lets nothing of these words through until it is opened."""

    def __init__(self, house: House, words: str) -> None:
        self.is_open = False
        self.refused = 0
        self._words = words
        house.platform.on_send = self._on_send

    def _on_send(self, delivery: Delivery) -> None:
        if not self.is_open and self._words in delivery.content.text:
            self.refused += 1
            raise TryLater(20.0, "not now")


async def known(house: House, id: str = "r1", **details: object) -> BotRoom:
    room = house.room(id, **details)
    await room.says("hello")
    return room


async def posted(house: House, room: BotRoom, content: Content, origin: str = "digest-1") -> None:
    assert await house.core.outbox.post(origin, room.room, [content])


async def through(house: House, gate: Gate) -> None:
    gate.is_open = True
    await advance_until(house.clock, lambda: not house.core.outbox.busy())


async def states(house: House) -> dict[str, str]:
    rows = await house.core.store.read(
        lambda connection: connection.execute(select(deliveries.c.content, deliveries.c.state)).all()
    )
    return {content: state for content, state in rows if content is not None}


async def told(house: House, room: BotRoom, line: str, by: str) -> None:
    """A command, whose reply waits behind what does not leave."""
    await house.core.inbox.accept(Said(room.message(line, by=by)))
    await house.core.lanes.idle()


async def test_a_digest_leaves_without_the_entry_that_was_hidden_meanwhile(feishu: House) -> None:
    room, gate = await known(feishu), Gate(feishu, "Today")
    await posted(feishu, room, DIGEST)
    await until(lambda: gate.refused > 0)
    await told(feishu, room, "/filter add durian", "mo")
    await through(feishu, gate)
    [shown] = [text for text in room.shown if "Today" in text]
    assert "durian" not in shown
    assert "weather" in shown
    assert any("durian" in text for text in room.shown)  # the command's own reply names the word


async def test_without_it_the_hidden_entry_would_leave(feishu: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Outbox, room: object) -> None:
        return

    monkeypatch.setattr(Outbox, "screen_again", nothing)
    room, gate = await known(feishu), Gate(feishu, "Today")
    await posted(feishu, room, DIGEST)
    await until(lambda: gate.refused > 0)
    await told(feishu, room, "/filter add durian", "mo")
    await through(feishu, gate)
    assert any("Today" in text and "durian" in text for text in room.shown)


async def test_a_post_of_which_nothing_is_left_is_cancelled(feishu: House) -> None:
    room = feishu.room()
    await room.says("/filter nsfw off confirm", by="olga")
    gate = Gate(feishu, "Today")
    await posted(feishu, room, BAD_DIGEST)
    await until(lambda: gate.refused > 0)
    await told(feishu, room, "/filter nsfw on", "adam")
    await through(feishu, gate)
    assert not any("Today" in text for text in room.shown)
    assert [state for content, state in (await states(feishu)).items() if "Today" in content] == ["cancelled"]


async def test_an_addressed_answer_becomes_the_word_that_says_so(feishu: House) -> None:
    feishu.answers.sentences = ("The durian smells [1].",)
    room, gate = feishu.room(), Gate(feishu, "smells")
    await feishu.core.inbox.accept(Said(room.message("@maodou what smells?", id="q1")))
    await until(lambda: gate.refused > 0)
    await told(feishu, room, "/filter add durian", "mo")
    await through(feishu, gate)
    [answer] = room.answers("q1")
    assert "smells" not in answer
    assert "may not be shown" in answer


async def test_what_waits_behind_another_is_screened_too_and_threads_follow(feishu: House) -> None:
    room, other = await known(feishu), await known(feishu, "r2")
    thread = await known(feishu, "t1", kind=RoomKind.THREAD, parent="r1")
    gate = Gate(feishu, "Today")
    for number, place in enumerate((room, thread, other)):
        await posted(feishu, place, DIGEST, f"digest-{number}")
    await posted(feishu, room, Content("Today\n\nMore durian\n\nMore weather"), "digest-9")
    await until(lambda: gate.refused >= 3)
    await told(feishu, room, "/filter add durian", "mo")
    await through(feishu, gate)
    digests = [text for place in (room, thread) for text in place.shown if "Today" in text]
    assert len(digests) == 3
    assert not any("durian" in text for text in digests)
    assert any("durian" in text for text in other.shown)


async def test_what_is_in_the_room_stays(feishu: House) -> None:
    room = await known(feishu)
    await posted(feishu, room, DIGEST)
    await feishu.core.idle()
    await room.says("/filter add durian", by="mo")
    assert any("festival" in text for text in room.shown)


async def test_a_change_just_before_the_end_is_kept_by_the_next_life(
    store: Store, clock: ManualClock, words: Filter
) -> None:
    first = await open_house(store, clock, words, "feishu")
    room, gate = await known(first), Gate(first, "Today")
    await posted(first, room, DIGEST)
    await until(lambda: gate.refused > 0)
    await first.core.close(0)
    who = Member("feishu", "mo").key
    await store.write(first.scopes.change(scope_of(room.room), "filter_words", ("durian",), who=who, message_id=None))
    second = await open_house(store, clock, words, "feishu")
    await second.core.idle()
    texts = [each.text for each in second.platform.shown.values()]
    assert any("weather" in text for text in texts)
    assert not any("durian" in text for text in texts)
    await second.core.close(0)
