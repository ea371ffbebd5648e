"""What a room can set about the filter, and where its switch may be off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.event import Role, Room
from bot.ports import Standing
from bot.room_settings import Level, Setting, Switch, names, show_names, switch
from bot.texts import Text
from bot.values import Values
from moderation.categories import OPTIONAL, Category

MAX_WORDS = 100
"""Of a room's own words, and of its exceptions."""

MAX_WORD_CHARS = 32


def _categories(typed: str) -> tuple[str, ...]:
    found = names(r"[a-z]+", max_count=len(OPTIONAL))(typed.casefold())
    if not set(found) <= {str(each) for each in OPTIONAL}:
        raise ValueError("not a list of optional categories")
    return found


NSFW = Setting(
    "nsfw_filter",
    Switch.ON,
    switch,
    Text(zh="NSFW 过滤，由 /filter nsfw 开关", en="the NSFW filter; switched by /filter nsfw"),
    role=Role.ADMIN,
    levels=(Level.ROOM, Level.THREAD),
    choices=tuple(Switch),
    visible=False,  # its switch asks for a second step, and for more than a role
)
ALSO = Setting[tuple[str, ...]](
    "filter_also",
    (),
    _categories,
    Text(zh="另外还过滤什么：dance 舞蹈区，profanity 粗口", en="what else is filtered: dance sections, profanity"),
    allowed=Text(zh="dance、profanity，用逗号分开；none 表示没有", en="dance, profanity, with commas; none for none"),
    show=show_names,
)
WORDS = Setting[tuple[str, ...]](
    "filter_words",
    (),
    names(rf"\S.{{0,{MAX_WORD_CHARS - 1}}}", max_count=MAX_WORDS),
    Text(zh="本群自己要隐藏的词，由 /filter add 添加", en="this room's own words to hide; added by /filter add"),
    show=show_names,
    visible=False,
)
EXCEPTIONS = Setting[tuple[str, ...]](
    "filter_exceptions",
    (),
    names(rf"\S.{{0,{MAX_WORD_CHARS - 1}}}", max_count=MAX_WORDS),
    Text(zh="本群的例外，由 /filter allow 添加", en="this room's exceptions; added by /filter allow"),
    show=show_names,
    visible=False,
)

FILTER_SETTINGS: tuple[Setting[Any], ...] = (NSFW, ALSO, WORDS, EXCEPTIONS)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may switch the filter off on a platform, and whether only where the platform itself restricts the age."""

    role: Role
    age_restricted_only: bool = False


POLICIES: Mapping[str, Policy] = {"discord": Policy(Role.ADMIN, age_restricted_only=True)}
OTHERWISE = Policy(Role.OWNER)
"""On platforms that know no restriction by age, Feishu and the web room among them."""


def policy_of(room: Room) -> Policy:
    return POLICIES.get(room.platform, OTHERWISE)


def may_be_off(room: Room, standing: Standing | None) -> bool:
    """Whether the filter can be off in this room. ``standing``: as the platform says; None when it does not."""
    if standing is None or standing.external:
        return False
    return standing.age_restricted or not policy_of(room).age_restricted_only


def is_switched_off(values: Values) -> bool:
    """Whether somebody switched it off in this room. A default from ``config.yaml`` does not count: nobody with the
    right confirmed it for the room."""
    return values[NSFW] is Switch.OFF and values.origin(NSFW.name) is not None


def extra_categories(values: Values) -> tuple[Category, ...]:
    return tuple(Category(each) for each in values[ALSO])
