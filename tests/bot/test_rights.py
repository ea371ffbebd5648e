"""Roles are read from the platform when they are used; what cannot be read is the lowest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from bot.errors import UsageError
from bot.event import Member, Role, Room, RoomKind
from bot.ports import Platform
from bot.rights import ROLE_NAMES, Rights, at_least

ROOM = Room("web", "lobby")
ANNA = Member("web", "anna")


class Roles:
    """A platform as far as rights need one."""

    def __init__(self, answer: Callable[[], Role]) -> None:
        self.answer = answer
        self.asked = 0

    async def role(self, room: Room, member: Member) -> Role:
        self.asked += 1
        return self.answer()


def rights(answer: Callable[[], Role], operators: tuple[str, ...] = ()) -> Rights:
    return Rights({"web": cast(Platform, Roles(answer))}, operators)


async def test_a_role_is_read_again_each_time() -> None:
    now = [Role.ADMIN]
    web = Roles(lambda: now[0])
    read = Rights({"web": cast(Platform, web)})
    assert await read.role(ROOM, ANNA) is Role.ADMIN
    now[0] = Role.MEMBER
    assert await read.role(ROOM, ANNA) is Role.MEMBER
    assert web.asked == 2


async def test_an_operator_is_one_on_their_own_platform_alone() -> None:
    read = rights(lambda: Role.MEMBER, ("web:anna",))
    assert await read.role(ROOM, ANNA) is Role.OPERATOR
    assert await read.role(ROOM, Member("web", "annabel")) is Role.MEMBER
    assert not read.is_operator(Member("discord", "anna"))


async def test_no_platform_makes_an_operator() -> None:
    assert await rights(lambda: Role.OPERATOR).role(ROOM, ANNA) is Role.OWNER


def _fails() -> Role:
    raise ConnectionError("the platform is away")


async def test_a_role_that_cannot_be_read_is_the_lowest() -> None:
    assert await rights(_fails).role(ROOM, ANNA) is Role.MEMBER
    assert await rights(lambda: Role.OWNER).role(Room("feishu", "x"), ANNA) is Role.MEMBER
    assert await rights(lambda: Role.OWNER).role(ROOM, Member("discord", "anna")) is Role.MEMBER


async def test_a_platform_that_does_not_answer_gives_no_right() -> None:
    class Slow:
        async def role(self, room: Room, member: Member) -> Role:
            await asyncio.sleep(60)
            return Role.OWNER

    assert await Rights({"web": cast(Platform, Slow())}, timeout_s=0.01).role(ROOM, ANNA) is Role.MEMBER


async def test_who_is_cancelled_stays_cancelled() -> None:
    async def role(room: Room, member: Member) -> Role:
        raise asyncio.CancelledError

    web = Roles(lambda: Role.OWNER)
    web.role = role  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await Rights({"web": cast(Platform, web)}).role(ROOM, ANNA)


async def test_in_a_direct_room_one_runs_ones_own_room_and_no_more() -> None:
    direct = Room("web", "dm", RoomKind.DIRECT)
    assert await rights(lambda: Role.MEMBER).role(direct, ANNA) is Role.MODERATOR
    assert await rights(_fails).role(direct, ANNA) is Role.MODERATOR


@pytest.mark.parametrize("operator", ["anna", "web:", ":anna", ""])
def test_an_operator_without_a_platform_is_a_wrong_setting(operator: str) -> None:
    with pytest.raises(UsageError, match="platform:id"):
        Rights({}, (operator,))


def test_who_may_is_said_in_words() -> None:
    assert at_least(Role.ADMIN, "en") == "admin, owner or operator"
    assert at_least(Role.OPERATOR, "zh") == "运营者"
    assert set(ROLE_NAMES) == set(Role)
