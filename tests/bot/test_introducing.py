"""Questions about the bot itself: answered before the documents are asked, to whoever addresses it, screened."""

from __future__ import annotations

from bot.decision import Outcome, Reason
from bot.event import Room
from bot.ports import Shown
from bot.store import Store
from bot.testing import Bot
from tests.clock import ManualClock


class Introduced:
    """Stands at the port: one question, two sentences."""

    def is_asked(self, text: str) -> bool:
        return text == "你是谁"

    async def about_itself(self, text: str, language: str) -> tuple[str, ...]:
        return ("我是豆豆。", "我住在这里。")


class HidesHome:
    async def show(self, room: Room, text: str) -> Shown:
        return Shown(None, "home") if "住" in text else Shown(text)


class HidesAll:
    async def show(self, room: Room, text: str) -> Shown:
        return Shown(None, "all")


async def test_it_says_who_it_is_and_why_it_knew(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, introduction=Introduced()) as bot:
        room = bot.room()
        await room.says("@毛豆 你是谁")
        assert room.answers() == ["我是豆豆。我住在这里。"]
        decision = await room.decision()
        assert (decision.outcome, decision.reason) == (Outcome.ANSWERED, Reason.ABOUT_ITSELF)


async def test_what_is_not_about_itself_goes_to_the_documents(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, introduction=Introduced()) as bot:
        room = bot.room()
        await room.says("@毛豆 怎么安装？")
        room.heard("echo: 怎么安装？")


async def test_unasked_it_does_not_introduce_itself(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, introduction=Introduced()) as bot:
        room = bot.room()
        await room.says("你是谁")
        await room.silent(Reason.NOT_ADDRESSED)


async def test_without_an_introduction_the_documents_are_asked(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock) as bot:
        room = bot.room()
        await room.says("@毛豆 你是谁")
        room.heard("echo: 你是谁")


async def test_its_own_words_pass_the_screen_sentence_by_sentence(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, introduction=Introduced(), screen=HidesHome()) as bot:
        room = bot.room()
        await room.says("@毛豆 你是谁")
        assert room.answers() == ["我是豆豆。"]


async def test_when_nothing_of_it_may_be_shown_it_says_so(store: Store, clock: ManualClock) -> None:
    async with Bot(store, clock, introduction=Introduced(), screen=HidesAll()) as bot:
        room = bot.room()
        await room.says("@毛豆 你是谁")
        decision = await room.decision()
        assert (decision.outcome, decision.reason) == (Outcome.REFUSED, Reason.SCREENED)
