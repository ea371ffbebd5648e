"""What was planned and does not leave, because the filter changed: it was not sent, and is not counted as sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, insert, select, update

from bot.commands import Commands
from bot.core import Core
from bot.delivery import Delivery, DeliveryState
from bot.errors import TryLater
from bot.event import Room, Said
from bot.planning import waiting
from bot.retention import Retention
from bot.scopes import Scopes
from bot.settings import CoreSettings
from bot.store import Store
from bot.tables import deliveries, rooms
from bot.testing import BotRoom, Echo, KnowsEverything, PaperPlatform
from maodou.config import ROOM_SETTINGS, Settings
from maodou.reading import make_reading
from recommender.stages import Stage, State
from recommender.tables import entries, suggestions
from recommender.taking_out import taken_out
from recommender.why_not import Fate, Step, why_not
from tests.clock import ManualClock
from tests.recommender.shelves import SUBJECTS, Shelves, open_shelves
from tests.recommender.test_digests import Without
from tests.waiting import advance_until, until


def _link(connection: Connection, entry: int) -> str:
    return str(connection.execute(select(entries.c.link).where(entries.c.id == entry)).scalar_one())


class Held:
    """A house whose platform takes nothing until it is told to."""

    def __init__(self, house: Shelves, screen: Without, *, joins: bool = True) -> None:
        self.house, self.screen, self.is_open, self.refused = house, screen, False, 0
        if joins:
            house.core.outbox.when_taken_out(taken_out)
        house.platform.on_send = self._on_send

    def _on_send(self, delivery: Delivery) -> None:
        if not self.is_open:
            self.refused += 1
            raise TryLater(20.0, "not now")

    async def plan(self, room: BotRoom, slot: str) -> None:
        row = {"key": room.room.key, "platform": "paper", "id": room.room.id, "kind": "group", "seen_at": 0.0}
        await self.house.store.write(lambda connection: connection.execute(insert(rooms), row))
        origin = f"digest:{room.room.key}:{slot}"
        post = await self.house.editor.make(room.room, self.house.clock.now(), origin)
        assert post is not None
        assert await self.house.core.outbox.post(origin, room.room, post.contents, write=post.write)
        await until(lambda: self.refused > 0)

    async def hide(self, room: BotRoom, word: str) -> None:
        self.screen.word = word
        await self.house.core.outbox.screen_again(room.room)

    async def through(self) -> None:
        self.is_open = True
        await advance_until(self.house.clock, lambda: not self.house.core.outbox.busy())


@pytest.fixture
async def held(store: Store, clock: ManualClock) -> AsyncIterator[Held]:
    screen = Without("")
    async with open_shelves(store, clock, screen=screen) as house:
        yield Held(house, screen)


async def test_an_entry_that_was_taken_out_comes_when_the_filter_lets_it_pass(held: Held) -> None:
    house, room = held.house, held.house.room()
    (loaf,) = await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:1])
    (star,) = await house.publish(await house.subscribe(room, "stars"), SUBJECTS["telescopes"][:1])
    await held.plan(room, "monday")
    await held.hide(room, "Sourdough")
    assert await house.state_of(room, loaf) == (State.FILTERED, Stage.SCREEN, "explicit")
    assert (await house.state_of(room, star))[0] == State.SENT
    await held.through()
    (shown,) = house.platform.shown.values()
    assert "Sourdough" not in shown.text
    assert "planet" in shown.text
    assert len(shown.buttons) == 3  # the other entry's
    told = await house.store.read(lambda connection: why_not(connection, room.room.key, _link(connection, loaf), "en"))
    assert told.stopped == Step.FILTER
    held.screen.word = ""
    tomorrow = await house.send_digest(room, "tuesday")
    assert tomorrow is not None
    assert "Sourdough" in tomorrow
    assert "planet" not in tomorrow


async def test_a_digest_that_is_cancelled_leaves_its_entries_as_they_were(held: Held) -> None:
    house, room = held.house, held.house.room()
    loaves = await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:2])
    await held.plan(room, "monday")
    await held.hide(room, "dough")
    for entry in loaves:
        assert (await house.state_of(room, entry))[:2] == (State.FILTERED, Stage.SCREEN)
    await held.through()
    assert not house.platform.shown


async def test_what_goes_only_with_the_rest_waits_again(held: Held) -> None:
    house, room = held.house, held.house.room()
    (loaf,) = await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:1])
    await held.plan(room, "monday")

    def take_out(connection: Connection) -> set[str]:
        (delivery,) = waiting(connection)
        return taken_out(connection, delivery, {f"**1.** [Sourdough]({_link(connection, loaf)})": ""})

    assert await house.store.write(take_out) == {f"/rate {loaf} {kind}" for kind in ("like", "dislike", "less")}
    assert await house.state_of(room, loaf) == (State.WAITING, Stage.WAIT, "")


async def test_what_was_folded_into_it_takes_part_again(held: Held) -> None:
    house, room = held.house, held.house.room()
    text = SUBJECTS["bread"][0]
    (loaf,) = await house.publish(await house.subscribe(room, "bread"), (text,))
    (again,) = await house.publish(await house.subscribe(room, "bakers"), (text,))
    await held.plan(room, "monday")
    folded = again if (await house.state_of(room, loaf))[0] == State.SENT else loaf
    assert (await house.state_of(room, folded))[1] == Stage.DUPLICATE
    await held.hide(room, "Sourdough")
    assert (await house.state_of(room, folded))[0] == State.WAITING


async def test_a_suggestion_that_was_taken_out_is_suggested_again(held: Held) -> None:
    house, room = held.house, held.house.room()
    await house.subscribe(room, "bread")
    now = house.clock.now()
    row = {
        "room": room.room.key,
        "link": "https://sky.example/1",
        "title": "A new star",
        "feed": "https://sky.example/f",
    }
    more = {"source": "Sky", "shared": "Stars", "message_id": "m1", "member": "paper:a", "published_at": now, "at": now}
    await house.store.write(lambda connection: connection.execute(insert(suggestions), {**row, **more}))
    await held.plan(room, "monday")
    await held.hide(room, "A new star")
    origins = await house.store.read(
        lambda connection: connection.execute(select(suggestions.c.origin)).scalars().all()
    )
    assert origins == [None]
    held.screen.word = ""
    await held.through()
    shown = await house.send_digest(room, "tuesday")
    assert shown is not None
    assert "A new star" in shown


async def test_what_was_withdrawn_before_it_left_is_not_called_sent(held: Held) -> None:
    house, room = held.house, held.house.room()
    (loaf,) = await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:1])
    await held.plan(room, "monday")

    def withdrawn(connection: Connection) -> Fate:
        connection.execute(update(deliveries).values(state=DeliveryState.CANCELLED.value))
        return why_not(connection, room.room.key, _link(connection, loaf), "en")

    told = await house.store.write(withdrawn)
    assert told.stopped == Step.SENT
    assert "withdrawn" in told.why


async def test_what_a_member_asked_for_is_screened_again_before_it_leaves(held: Held) -> None:
    house, room = held.house, held.house.room()
    (loaf,) = await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:1])
    (star,) = await house.publish(await house.subscribe(room, "stars"), SUBJECTS["telescopes"][:1])
    await house.core.inbox.accept(Said(room.message("/recommend")))
    await until(lambda: held.refused > 0)
    await held.hide(room, "Sourdough")
    assert await house.state_of(room, loaf) == (State.FILTERED, Stage.SCREEN, "explicit")
    assert (await house.state_of(room, star))[0] == State.SENT
    await held.hide(room, "planet")
    assert (await house.state_of(room, star))[0] == State.FILTERED
    await held.through()
    (shown,) = house.platform.shown.values()
    assert "Sourdough" not in shown.text
    assert "planet" not in shown.text
    assert "may not be shown" in shown.text


class Filtered(Without):
    async def shows_labelled(self, room: Room) -> bool:
        return False


async def test_the_whole_is_joined_so(store: Store, clock: ManualClock) -> None:
    screen, paper = Filtered(""), PaperPlatform()
    scopes = Scopes(store, clock, ROOM_SETTINGS, configured={"language": "en"})
    core = Core.build(
        store,
        {"paper": paper},
        KnowsEverything(),
        Echo(),
        settings=CoreSettings(),
        clock=clock,
        screen=screen,
        scopes=scopes,
        retention=Retention(store, clock),
        commands=Commands(),
    )
    settings = await asyncio.to_thread(Settings)  # it looks where it is
    joined = make_reading(settings, core, screen)  # type: ignore[arg-type]
    await core.start()
    house = Shelves(core, paper, scopes, joined.schedule.digester, clock, store)  # type: ignore[arg-type]
    held, room = Held(house, screen, joins=False), house.room()
    (loaf,) = await house.publish(await house.subscribe(room, "bread"), SUBJECTS["bread"][:1])
    await held.plan(room, "monday")
    await held.hide(room, "Sourdough")
    assert (await house.state_of(room, loaf))[0] == State.FILTERED
    await joined.aclose()
    await core.close(0)
