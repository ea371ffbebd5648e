"""``/model`` says what serves the room, and tells its cost to operators alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bot.commands import Call
from bot.event import Member, Role, Room, RoomKind
from llm.commands import ModelCommands
from llm.errors import Failure
from llm.meter import Tally
from llm.settings import ModelSettings

SETTINGS = ModelSettings.model_validate(
    {
        "endpoints": [
            {"url": "http://127.0.0.1:23333/v1", "model": "internlm3-8b-instruct"},
            {"url": "https://models.example/v1", "model": "big"},
        ]
    }
)
TALLY = Tally("internlm3-8b-instruct at 127.0.0.1:23333", 12, 1, 3_400, 560, 0.5, "CNY", {Failure.SLOW: 2})


@dataclass
class Model:
    """Stands in for the client: its health and its counts, as they are told."""

    ill: str | None = None

    def health(self) -> str | None:
        return self.ill

    def tallies(self) -> tuple[Tally, ...]:
        return (TALLY,)


async def said(commands: ModelCommands, role: Role = Role.MEMBER, language: str = "en") -> str:
    room = Room("web", "room", "Room", RoomKind.GROUP)
    values: Any = {}
    call = Call(1, room, Member("web", "m", "M"), role, language, values, 0.0)
    assert commands.command.handler is not None
    return (await commands.command.handler(call)).text


@pytest.mark.parametrize(("language", "word"), [("zh", "原句"), ("en", "own words")])
async def test_without_a_model_it_says_where_answers_come_from(language: str, word: str) -> None:
    assert word in await said(ModelCommands(None, None), language=language)


async def test_members_see_names_and_health_and_no_address() -> None:
    text = await said(ModelCommands(SETTINGS, Model()))
    assert "written by internlm3-8b-instruct" in text
    assert "When that fails: big." in text
    assert "It is well." in text
    assert "127.0.0.1" not in text
    assert "CNY" not in text
    assert "left alone" in await said(ModelCommands(SETTINGS, Model("The model failed …")))


@pytest.mark.parametrize(("language", "line"), [
    ("en", "12 calls since the start, 2 failed; 3400 tokens read, 560 written; 0.5000 CNY; 1 calls told no tokens"),
    ("zh", "启动以来 12 次，失败 2 次，读 3400 写 560 个词元，0.5000 CNY，其中 1 次没有告知用量"),
])  # fmt: skip
async def test_operators_see_what_it_cost(language: str, line: str) -> None:
    assert line in await said(ModelCommands(SETTINGS, Model()), Role.OPERATOR, language)
