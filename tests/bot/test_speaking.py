"""An answer said aloud: the text first, the voice after it, once, and never in the way."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from bot.decision import Reason
from bot.delivery import Audio, Delivery, DeliveryAct, Speech
from bot.errors import ModelError, TryLater, Undeliverable
from bot.event import Attachment, AttachmentKind, Edited, Role, Said
from bot.store import Store
from bot.tables import deliveries
from bot.testing import Bot, BotRoom, KnowsEverything, PaperPlatform
from bot.values import Values
from tests.clock import ManualClock
from tests.waiting import advance_until, until

NOTE = Attachment(AttachmentKind.VOICE, "note-1", "note.ogg", "audio/ogg", 900, 2.0)


class Mouth:
    """A voice at the port. ``gate``: nothing is made before it opens; ``fails``: nothing is made at all. ``lets_go``:
    what is stopped takes until then to end."""

    def __init__(self) -> None:
        self.asked: list[Speech] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False
        self.lets_go: asyncio.Event | None = None

    def speech(self, text: str, language: str, values: Values) -> Speech | None:
        return Speech(text.partition("[")[0].strip(), language)

    async def say(self, speech: Speech) -> Audio:
        self.asked.append(speech)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            if self.lets_go is not None:
                await self.lets_go.wait()
            raise
        if self.fails:
            raise ModelError("nobody can say it")
        return Audio("/nowhere.ogg", 1.5, (1, 2, 3))


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


async def rows(store: Store) -> list[tuple[str, str]]:
    chosen = select(deliveries.c.act, deliveries.c.state).order_by(deliveries.c.id)
    return [(row.act, row.state) for row in await store.read(lambda connection: connection.execute(chosen).all())]


def order(room: BotRoom) -> list[str]:
    """What of ours came into the room, in order: texts, and ``♪`` for a voice message."""
    return ["♪" if each.audio else each.text for each in room.platform.shown.values()]


async def test_a_spoken_question_is_answered_by_text_and_then_by_voice(
    store: Store, clock: ManualClock, mouth: Mouth
) -> None:
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        await room.says("@毛豆 怎么安装", attachments=(NOTE,))
        assert room.heard("echo: 怎么安装")
        assert [audio.duration_s for audio in room.spoken()] == [1.5]
        assert order(room)[1] == "♪"
        assert mouth.asked == [Speech("echo: 怎么安装", "zh")]
        await room.says("@毛豆 再说一次")  # a written one is not spoken
        assert room.spoken() == []


@pytest.mark.parametrize(("mode", "spoken"), [("off", 0), ("always", 1)])
async def test_a_room_says_when_it_wants_to_hear(
    store: Store, clock: ManualClock, mouth: Mouth, mode: str, spoken: int
) -> None:
    platform = PaperPlatform(roles={"anna": Role.ADMIN})
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        room = bot.room()
        await room.says(f"/settings voice {mode}")
        assert room.spoken() == []  # a command is only written
        await room.says("@毛豆 怎么安装", attachments=(NOTE,) if mode == "off" else ())
        assert len(room.spoken()) == spoken


async def test_the_next_answer_does_not_wait_for_a_voice(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    mouth.gate.clear()
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await bot.core.inbox.accept(Said(room.message("@毛豆 二", id="m2")))
        await until(lambda: room.answers("m2"))
        assert room.spoken("m1") == []
        mouth.gate.set()
        await bot.core.idle()
        assert len(room.spoken("m1")) == 1


async def test_a_voice_that_fails_leaves_the_text(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    mouth.fails = True
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        await room.says("@毛豆 怎么安装", attachments=(NOTE,))
        assert room.heard("echo")
        assert room.spoken() == []
        assert await rows(store) == [("send", "sent"), ("speak", "undeliverable")]


async def test_a_crash_before_the_sound_is_made_sends_each_once(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    platform = PaperPlatform()
    mouth.gate.clear()
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: mouth.asked and room.answers("m1"))
    mouth.gate.set()
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        room = bot.room()
        await bot.core.idle()
        assert len(room.answers("m1")) == 1
        assert len(room.spoken("m1")) == 1
        assert await rows(store) == [("send", "sent"), ("speak", "sent")]


async def test_a_crash_while_the_voice_is_sent_sends_it_under_its_key(
    store: Store, clock: ManualClock, mouth: Mouth
) -> None:
    platform = PaperPlatform()

    def lose_the_voice(delivery: Delivery) -> None:
        platform.loses_replies = int(delivery.act is DeliveryAct.SPEAK)

    platform.on_send = lose_the_voice
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: len(platform.attempts) == 2)
    platform.on_send = lambda delivery: None
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        await bot.core.idle()
        assert [delivery.act.value for delivery in platform.attempts] == ["send", "speak", "speak"]
        assert len({delivery.key for delivery in platform.attempts}) == 2
        assert len(bot.room().spoken("m1")) == 1
        assert len(mouth.asked) == 1


async def test_after_an_outage_a_voice_is_too_late(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    mouth.gate.clear()
    async with Bot(store, clock, voice=mouth) as bot:
        await bot.core.inbox.accept(Said(bot.room().message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: mouth.asked)
    mouth.gate.set()
    await clock.advance(3600)
    async with Bot(store, clock, voice=mouth) as bot:
        await bot.core.idle()
        assert bot.room().spoken("m1") == []
        assert (await rows(store))[-1] == ("speak", "undeliverable")


async def test_a_voice_never_comes_without_its_words(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    def refuse_words(delivery: Delivery) -> None:
        if delivery.act is DeliveryAct.SEND:
            raise Undeliverable("kicked")

    platform = PaperPlatform(on_send=refuse_words)
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        room = bot.room()
        await room.says("@毛豆 一", attachments=(NOTE,))
        assert room.spoken() == []
        assert await rows(store) == [("send", "undeliverable"), ("speak", "cancelled")]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_recalled_question_is_not_spoken_about(
    store: Store, clock: ManualClock, mouth: Mouth, fails: bool
) -> None:
    mouth.gate.clear()
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: mouth.asked and room.answers("m1"))
        recall = asyncio.create_task(room.recalls("m1"))
        await until(lambda: not room.answers("m1"))
        mouth.fails = fails
        mouth.gate.set()
        await recall
        assert order(room) == []
        assert ("speak", "cancelled") in await rows(store)


async def test_a_corrected_question_takes_its_old_voice_back(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        await room.says("@毛豆 一", id="m1", attachments=(NOTE,))
        (old,) = [each.id for each in room.platform.shown.values() if each.audio]
        await clock.advance(5)
        changed = room.message("@毛豆 二", id="m1", attachments=(NOTE,))
        await room.happens(Edited(changed, clock.now()))
        assert room.heard("echo: 二", "m1")
        assert old not in room.platform.shown
        assert [speech.text for speech in mouth.asked] == ["echo: 一", "echo: 二"]
        assert len(room.spoken("m1")) == 1


async def test_stop_stops_what_would_be_said(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    mouth.gate.clear()
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: mouth.asked and room.answers("m1"))
        await room.says("@毛豆 /stop")
        mouth.gate.set()
        await bot.core.idle()
        assert room.spoken("m1") == []
        assert ("speak", "cancelled") in await rows(store)
        await room.says("@毛豆 二", attachments=(NOTE,))
        assert len(room.spoken()) == 1


async def test_what_is_asked_while_a_stopped_engine_lets_go_is_said(
    store: Store, clock: ManualClock, mouth: Mouth
) -> None:
    async with Bot(store, clock, voice=mouth) as bot:
        room = bot.room()
        mouth.gate.clear()
        mouth.lets_go = asyncio.Event()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: mouth.asked and room.answers("m1"))
        await bot.core.inbox.accept(Said(room.message("@毛豆 /stop", id="stop")))
        await until(lambda: room.answers("stop"))
        mouth.gate.set()
        await bot.core.inbox.accept(Said(room.message("@毛豆 二", id="m2", attachments=(NOTE,))))
        await until(lambda: room.spoken("m2"))
        assert room.spoken("m1") == []
        mouth.lets_go.set()
        await bot.core.idle()


async def test_a_platform_that_refuses_sound_holds_texts_up_for_a_short_while_only(
    store: Store, clock: ManualClock, mouth: Mouth
) -> None:
    def busy_with_sound(delivery: Delivery) -> None:
        if delivery.act is DeliveryAct.SPEAK:
            raise TryLater(1.0, "uploads are off")

    platform = PaperPlatform(on_send=busy_with_sound)
    async with Bot(store, clock, voice=mouth, platform=platform) as bot:
        room = bot.room()
        await bot.core.inbox.accept(Said(room.message("@毛豆 一", id="m1", attachments=(NOTE,))))
        await until(lambda: len(platform.attempts) == 2)
        began = clock.now()
        await bot.core.inbox.accept(Said(room.message("@毛豆 二", id="m2")))
        await advance_until(clock, lambda: room.answers("m2"))
        assert clock.now() - began <= 25


async def test_a_voice_is_not_remembered_as_a_second_answer(store: Store, clock: ManualClock, mouth: Mouth) -> None:
    knowledge = KnowsEverything()
    async with Bot(store, clock, voice=mouth, knowledge=knowledge) as bot:
        room = bot.room()
        await room.says("@毛豆 一", attachments=(NOTE,))
        await room.says("@毛豆 二")
        earlier = await knowledge.asked[-1].earlier()
        assert [each.text for each in earlier if each.ours] == [room.platform.shown["ours-1"].text]


async def test_without_a_voice_the_text_is_all(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        room = bot.room()
        await room.says("@毛豆 一", attachments=(NOTE,))
        assert (await room.decision()).reason == Reason.FROM_DOCUMENTS
        assert await rows(store) == [("send", "sent")]
