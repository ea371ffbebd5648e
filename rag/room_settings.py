"""What a room can set about its documents."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from bot.event import Role
from bot.room_settings import Setting, one_of
from bot.texts import Text


class Givers(StrEnum):
    """Who may give documents to a room's knowledge base; each waits for a moderator."""

    NOBODY = "nobody"
    MODERATORS = "moderators"
    MEMBERS = "members"

    @property
    def role(self) -> Role:
        return {Givers.NOBODY: Role.OPERATOR, Givers.MODERATORS: Role.MODERATOR, Givers.MEMBERS: Role.MEMBER}[self]


UPLOADS = Setting(
    "uploads",
    Givers.MEMBERS,
    one_of(Givers),
    Text(zh="谁可以提交文档（协管员确认后才生效）", en="who may give documents (a moderator approves each)"),
    choices=tuple(Givers),
)

KNOWLEDGE_SETTINGS: tuple[Setting[Any], ...] = (UPLOADS,)
