"""What a room can set: one definition a setting, and the settings of the core.

A feature adds its own definitions beside its code; ``maodou/app.py`` joins them all in one ``Scopes``
(``bot/scopes.py``), from which the assistant reads on each message and ``/settings`` writes.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from bot.errors import MemberError
from bot.event import Role
from bot.texts import Text

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_VALUE_CHARS = 1_000
"""The longest value that a member may give to a setting."""


class Level(StrEnum):
    """Where a setting can stand; the later wins over the earlier."""

    GLOBAL = "global"
    PLATFORM = "platform"
    SPACE = "space"
    ROOM = "room"
    THREAD = "thread"
    MEMBER = "member"


ROOM_LEVELS = (Level.GLOBAL, Level.PLATFORM, Level.SPACE, Level.ROOM, Level.THREAD)
ALL_LEVELS = (*ROOM_LEVELS, Level.MEMBER)

NAME = re.compile(r"[a-z][a-z0-9_]*")


def show_value(value: object) -> str:
    """A value as a member would type it; lists are joined by ``, ``."""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting.

    ``parse`` makes a value of what a member typed and raises ``ValueError`` on anything else; what it returns
    is stored as JSON, and read back by ``parse(show(stored))``, so a stored value that no longer parses counts
    as not set. ``allowed`` says what may be typed where ``choices`` do not say it already. ``role`` may change
    it for a room; ``visible`` ones stand in ``/settings``.
    """

    name: str
    default: T
    parse: Callable[[str], T]
    about: Text
    role: Role = Role.MODERATOR
    levels: tuple[Level, ...] = ROOM_LEVELS
    choices: tuple[str, ...] = ()
    allowed: Text | None = None
    show: Callable[[object], str] = show_value
    visible: bool = True

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for a setting: small letters, digits and _")

    def canonical(self, value: object) -> T:
        """The value as ``parse`` gives it, from a stored or a given one. Raises ``ValueError``."""
        return self.parse(self.show(value))

    def role_at(self, level: Level) -> Role:
        """Who may change it at a level: one's own is one's own, a room's follows ``role``, and what reaches
        beyond one room is the operator's – an admin of one Feishu group has no say in the whole tenant."""
        if level is Level.MEMBER:
            return Role.MEMBER
        if level in (Level.ROOM, Level.THREAD):
            return self.role
        return Role.OPERATOR

    def from_member(self, typed: str) -> T:
        """What a member typed, as a value. Raises ``MemberError`` that says what is allowed."""
        try:
            if len(typed) > MAX_VALUE_CHARS:
                raise ValueError("too long")
            return self.parse(typed.strip())
        except ValueError:
            pass
        allowed = self.what_is_allowed()
        shown = one_line(typed)
        raise MemberError(
            Text(
                zh=BAD_VALUE.in_language("zh", name=self.name, value=shown, allowed=allowed.zh),
                en=BAD_VALUE.in_language("en", name=self.name, value=shown, allowed=allowed.en),
            )
        )

    def what_is_allowed(self) -> Text:
        if self.choices:
            listed = " | ".join(f"`{choice}`" for choice in self.choices)
            return Text(zh=listed, en=listed)
        return self.allowed or Text(zh="见说明", en="see its description")


BAD_VALUE = Text(
    zh="`{name}` 不能设成“{value}”。可以用：{allowed}。",
    en="`{name}` cannot be “{value}”. Allowed: {allowed}.",
)


def one_line(typed: str, max_chars: int = 40) -> str:
    """What a member typed, short and harmless enough to be quoted back: one line, no code marks."""
    flat = " ".join(typed.replace("`", "'").split())
    return flat if len(flat) <= max_chars else flat[: max_chars - 1] + "…"


# ── how values are typed ─────────────────────────────────────────────────────────────────────────────────


def one_of(kind: type[E]) -> Callable[[str], E]:
    """Parses the value of an enum, in any case."""
    return lambda typed: kind(_plain(typed).casefold())


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(typed: str) -> int:
        number = int(_plain(typed))
        if not low <= number <= high:
            raise ValueError(f"{number} is not within {low} to {high}")
        return number

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    def parse(typed: str) -> float:
        value = float(_plain(typed))
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{value} is not within {low} to {high}")
        return value

    return parse


def names(pattern: str, *, max_count: int) -> Callable[[str], tuple[str, ...]]:
    """A list, separated by commas (``,`` ``，`` ``、``) or semicolons; each name matches ``pattern`` whole."""
    compiled = re.compile(pattern)

    def parse(typed: str) -> tuple[str, ...]:
        parts = [part.strip() for part in re.split(r"[,，、;；\n]", typed)]
        found = tuple(dict.fromkeys(part for part in parts if part))
        if found in ((), ("none",), ("无",)):
            return ()
        if len(found) > max_count or not all(compiled.fullmatch(part) for part in found):
            raise ValueError(f"not a list of up to {max_count} names")
        return found

    return parse


def _plain(typed: str) -> str:
    """Full-width digits and letters as their plain forms."""
    return unicodedata.normalize("NFKC", typed).strip()


def show_names(value: object) -> str:
    """The list as typed; the empty one as ``none``."""
    return show_value(value) or "none"


# ── the settings of the core ─────────────────────────────────────────────────────────────────────────────


class Language(StrEnum):
    """``auto``: the language of the message that is answered."""

    AUTO = "auto"
    ZH = "zh"
    EN = "en"


class Eagerness(StrEnum):
    """How readily it speaks unasked: a room's setting. ``quiet`` aims at precision ≥ .9."""

    OFF = "off"
    QUIET = "quiet"
    HELPFUL = "helpful"


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


def switch(typed: str) -> Switch:
    """``on`` or ``off``, also said as 开 and 关."""
    said = _plain(typed).casefold()
    return Switch({"开": "on", "关": "off"}.get(said, said))


LANGUAGE = Setting(
    "language",
    Language.AUTO,
    one_of(Language),
    Text(zh="我用什么语言说话；auto 跟随提问", en="the language I speak; auto follows the question"),
    levels=ALL_LEVELS,
    choices=tuple(Language),
)
UNASKED = Setting(
    "unasked",
    Eagerness.OFF,
    one_of(Eagerness),
    Text(
        zh="没人叫我时我说不说话：off 不说，quiet 只在很有把握时说，helpful 文档能答就说",
        en="whether I speak unasked: off never, quiet only when very sure, helpful when the documents can answer",
    ),
    choices=tuple(Eagerness),
)
UNASKED_PER_HOUR = Setting(
    "unasked_per_hour",
    4,
    whole_number(0, 60),
    Text(zh="没人叫我时，一小时最多说几次", en="how often in an hour I may speak unasked"),
    allowed=Text(zh="0 到 60 的整数", en="a whole number from 0 to 60"),
)
UNASKED_PAUSE_S = Setting(
    "unasked_pause_s",
    20.0,
    number(0, 3600),
    Text(
        zh="没人叫我时，先等几秒，让人先答",
        en="seconds I wait before speaking unasked, so that a person may answer first",
    ),
    allowed=Text(zh="0 到 3600 的秒数", en="seconds, from 0 to 3600"),
)
KNOWLEDGE = Setting[tuple[str, ...]](
    "knowledge",
    ("default",),
    names(r"[A-Za-z0-9\u3400-\u9fff][\w.-]{0,63}", max_count=20),
    Text(zh="这里可以读哪些知识库", en="the knowledge bases that may be read here"),
    # Whoever names a base here reads it: a room's admin must not open another community's documents.
    role=Role.OPERATOR,
    allowed=Text(
        zh="知识库的名字，用逗号分开；none 表示没有", en="names of knowledge bases, with commas; none for none"
    ),
    show=show_names,
)
MUTED_UNTIL = Setting(
    "muted_until",
    0.0,
    number(0, 1e11),
    Text(zh="静音到什么时候（Unix 秒），由 /mute 设置", en="muted until then (Unix seconds); set by /mute"),
    allowed=Text(zh="Unix 时间，秒", en="a Unix time in seconds"),
    visible=False,
)
NAMES = Setting[tuple[str, ...]](
    "names",
    ("毛豆", "maodou"),
    names(r"\S.{0,31}", max_count=10),
    Text(zh="叫我这些名字也算叫我", en="names that I listen to"),
    allowed=Text(zh="最多 10 个名字，用逗号分开；none 表示没有", en="up to 10 names, with commas; none for none"),
    show=show_names,
)


class Aloud(StrEnum):
    """When an answer is also said aloud. ``reply``: when the question was a voice message."""

    OFF = "off"
    REPLY = "reply"
    ALWAYS = "always"


VOICE = Setting(
    "voice",
    Aloud.REPLY,
    one_of(Aloud),
    Text(
        zh="什么时候把回答也念出来：off 从不，reply 用语音提问时，always 每次",
        en="when an answer is also spoken: off never, reply when the question was spoken, always each time",
    ),
    choices=tuple(Aloud),
)


class Listening(StrEnum):
    """Which voice messages are heard. ``addressed``: those meant for us."""

    ADDRESSED = "addressed"
    ALL = "all"


VOICE_LISTEN = Setting(
    "voice_listen",
    Listening.ADDRESSED,
    one_of(Listening),
    Text(
        zh="听哪些语音：addressed 只听对我说的，all 都听；由 /voice listen 设置",
        en="which voice messages I hear: addressed those to me, all every one; set by /voice listen",
    ),
    choices=tuple(Listening),
)
GREETING = Setting(
    "greeting",
    Switch.ON,
    switch,
    Text(zh="被拉进群时要不要自我介绍一次", en="whether I introduce myself once when added to a room"),
    choices=tuple(Switch),
)

CORE_SETTINGS: tuple[Setting[Any], ...] = (
    LANGUAGE,
    UNASKED,
    UNASKED_PER_HOUR,
    UNASKED_PAUSE_S,
    KNOWLEDGE,
    MUTED_UNTIL,
    NAMES,
    GREETING,
    VOICE,
    VOICE_LISTEN,
)
