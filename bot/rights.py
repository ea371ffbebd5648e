"""Who may do what: five roles, read from the platform at the moment a right is used.

A role is never remembered: a moderator of yesterday may be a guest today. Operators are named in
``config.yaml`` by platform and id, because no platform can know them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import structlog

from bot.errors import UsageError
from bot.event import Member, Role, Room, RoomKind
from bot.ports import Platform
from bot.texts import Text

log = structlog.get_logger(__name__)

ROLE_NAMES: Mapping[Role, Text] = {
    Role.MEMBER: Text(zh="成员", en="member"),
    Role.MODERATOR: Text(zh="协管员", en="moderator"),
    Role.ADMIN: Text(zh="管理员", en="admin"),
    Role.OWNER: Text(zh="群主", en="owner"),
    Role.OPERATOR: Text(zh="运营者", en="operator"),
}


class Rights:
    """``operators``: ``platform:id`` of each, as in ``Member.key``. Raises ``UsageError`` for anything else."""

    def __init__(
        self, platforms: Mapping[str, Platform], operators: Collection[str] = (), *, timeout_s: float = 3.0
    ) -> None:
        for operator in operators:
            platform, _, member_id = operator.partition(":")
            if not platform or not member_id:
                raise UsageError(f"The operator {operator!r} must be written as platform:id, such as web:anna.")
        self._platforms = platforms
        self._operators = frozenset(operators)
        self._timeout_s = timeout_s

    def is_operator(self, member: Member) -> bool:
        return member.key in self._operators

    async def role(self, room: Room, member: Member) -> Role:
        """The member's role in this room now. What cannot be read counts as ``MEMBER``.

        In a direct room the one who talks to us runs the room: at least ``MODERATOR``. Not more, since
        commands that reach beyond the room ask for more.
        """
        if self.is_operator(member):
            return Role.OPERATOR
        role = await self._read(room, member)
        return max(role, Role.MODERATOR) if room.kind is RoomKind.DIRECT else role

    async def _read(self, room: Room, member: Member) -> Role:
        platform = self._platforms.get(room.platform)
        if platform is None or member.platform != room.platform:
            log.warning("rights.role_unread", room=room.key, member=member.key, error="no such platform")
            return Role.MEMBER
        try:
            async with asyncio.timeout(self._timeout_s):
                role = await platform.role(room, member)
        except Exception as error:  # noqa: BLE001 – whatever an adapter raises, the answer is the lowest right
            log.warning(
                "rights.role_unread", room=room.key, member=member.key, error=str(error) or type(error).__name__
            )
            return Role.MEMBER
        return min(role, Role.OWNER)


def at_least(role: Role, language: str) -> str:
    """Who has this role or more, as words: “moderator, admin, owner or operator”."""
    named = [ROLE_NAMES[each].in_language(language) for each in Role if each >= role]
    if len(named) == 1:
        return named[0]
    last = "或" if language == "zh" else " or "
    return ("、" if language == "zh" else ", ").join(named[:-1]) + last + named[-1]
