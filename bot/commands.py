"""The one registry of commands: what members can say, who may say it, and what it takes.

Adapters make slash commands and buttons of it, the assistant parses text with it; all of them end in
:meth:`Commands.run`. A command is parsed by code from an authenticated member's own words, never by a model.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot.decision import Reason
from bot.delivery import Button
from bot.errors import MemberError, NotAllowed
from bot.event import Attachment, Member, Role, Room
from bot.rights import ROLE_NAMES, at_least
from bot.room_settings import one_line
from bot.store import Operation
from bot.texts import Text
from bot.values import Values
from bot.words import Words

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""What every platform takes as the name of a slash command."""

SLASHES = "/／"

MAX_ABOUT_CHARS = 100
MAX_OPTIONS = 25
"""Discord's limits on a command's description and on its options, choices and subcommands:
https://discord.com/developers/docs/interactions/application-commands"""


@dataclass(frozen=True, slots=True)
class Argument:
    """``rest`` takes the remainder of the line as it stands; only the last argument may. With ``choices``
    nothing else is accepted, in any case of letters; ``synonyms`` are further spellings of them. A required
    argument with one choice is a word to be typed as it stands."""

    name: str
    about: Text
    required: bool = True
    choices: tuple[str, ...] = ()
    rest: bool = False
    synonyms: Mapping[str, str] = field(default_factory=dict)

    def usage(self) -> str:
        if self.required and len(self.choices) == 1:
            return self.choices[0]
        inside = "|".join(self.choices) if 0 < len(self.choices) <= 4 else self.name
        return f"<{inside}>" if self.required else f"[{inside}]"


@dataclass(frozen=True, slots=True)
class Call:
    """Who called a command, where, and with what. ``at``: Unix seconds. ``reply_to``: the message that the call
    replied to. ``attachments``: of the message that spells it. ``role`` was read from the platform for this call."""

    event_id: int
    room: Room
    member: Member
    role: Role
    language: str
    values: Values
    at: float
    arguments: Mapping[str, str] = field(default_factory=dict)
    message_id: str | None = None
    reply_to: str | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has to say and to do. ``write`` is committed together with the decision and its deliveries;
    ``stop`` ends the room's current work. ``screen_again``: once it is committed, what is planned for the room and has
    not left passes the screen again."""

    text: str
    buttons: tuple[Button, ...] = ()
    write: Operation[object] | None = None
    stop: bool = False
    screen_again: bool = False
    reason: Reason = Reason.COMMAND
    details: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Done]]


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that members can say.

    With ``subcommands`` and no ``handler`` it is a family (``/kb list``). ``aliases`` are further names in text
    (``/帮助``). ``overtakes``: runs at once, beside what the room's lane is doing; otherwise it waits its turn.
    ``slash``: adapters offer it as a slash command. ``visible``: stands in ``/help``.
    """

    name: str
    about: Text
    handler: Handler | None = None
    role: Role = Role.MEMBER
    arguments: tuple[Argument, ...] = ()
    subcommands: tuple[Command, ...] = ()
    aliases: tuple[str, ...] = ()
    overtakes: bool = True
    slash: bool = True
    visible: bool = True

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for a command")
        if (self.handler is None) is (not self.subcommands):
            raise ValueError(f"/{self.name} needs either a handler or subcommands")
        if any(sub.subcommands for sub in self.subcommands):
            raise ValueError(f"/{self.name}: subcommands of subcommands are not understood by platforms")
        required = [argument.required for argument in self.arguments]
        if required != sorted(required, reverse=True):
            raise ValueError(f"/{self.name}: a required argument stands after an optional one")
        if any(argument.rest for argument in self.arguments[:-1]):
            raise ValueError(f"/{self.name}: only the last argument can take the rest")
        for about in (self.about, *(argument.about for argument in self.arguments)):
            if max(len(about.zh), len(about.en)) > MAX_ABOUT_CHARS:
                raise ValueError(f"/{self.name}: a description is longer than {MAX_ABOUT_CHARS} characters")
        listed = [self.subcommands, self.arguments, *(argument.choices for argument in self.arguments)]
        if max(map(len, listed)) > MAX_OPTIONS:
            raise ValueError(f"/{self.name}: more than {MAX_OPTIONS} of a kind")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    def allowed_to(self, role: Role) -> Command | None:
        """The command with those subcommands alone that ``role`` may use; None where nothing is left of it."""
        if role < self.role:
            return None
        if not self.subcommands:
            return self
        subcommands = tuple(sub for sub in self.subcommands if sub.visible and role >= sub.role)
        return replace(self, subcommands=subcommands) if subcommands else None

    @property
    def lowest_role(self) -> Role:
        """The lowest that may do anything of it."""
        return max(self.role, min((sub.role for sub in self.subcommands), default=self.role))


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command as it was called. ``path``: ``("kb", "list")``. ``role``: the highest that its path asks for.

    Of a family that was called without one of its subcommands, the family; ``unknown`` is then the word that names
    none of them.
    """

    command: Command
    path: tuple[str, ...]
    role: Role
    arguments: Mapping[str, str] = field(default_factory=dict)
    unknown: str | None = None

    @property
    def overtakes(self) -> bool:
        return self.command.overtakes


def usage(command: Command, path: tuple[str, ...]) -> str:
    """``/mute [duration]``, ``/kb <list|add>``: the line that shows how a command is called. A family of one
    subcommand is that subcommand's line: its name is a word to type, not a place to fill."""
    if len(command.subcommands) == 1:
        (only,) = command.subcommands
        return usage(only, (*path, only.name))
    if command.subcommands:
        inside = "|".join(sub.name for sub in command.subcommands)
        return f"/{' '.join(path)} <{inside}>"
    return " ".join((f"/{' '.join(path)}", *(argument.usage() for argument in command.arguments)))


class UnknownCommand(MemberError):
    reason = Reason.UNKNOWN_COMMAND


class BadArguments(MemberError):
    reason = Reason.BAD_ARGUMENTS


UNKNOWN = Text(
    zh="没有 `/{name}` 这个命令。{near}`/help` 列出所有命令。",
    en="There is no `/{name}`. {near}`/help` lists what there is.",
)
NEAR = Text(zh="你是说 `{near}` 吗？", en="Did you mean `{near}`? ")
UNKNOWN_SUBCOMMAND = Text(
    zh="`/{path}` 没有“{word}”。{near}用法：`{usage}`", en="`/{path}` has no “{word}”. {near}Usage: `{usage}`"
)
NO_SUBCOMMAND = Text(
    zh="`/{path}` 后面还要说做什么。用法：`{usage}`", en="`/{path}` needs one more word. Usage: `{usage}`"
)
MISSING = Text(zh="还少一项：{about}。用法：`{usage}`", en="Something is missing: {about}. Usage: `{usage}`")
TOO_MANY = Text(zh="多了“{word}”，看不懂。用法：`{usage}`", en="I do not understand “{word}” here. Usage: `{usage}`")
NO_CHOICE = Text(
    zh="“{word}”不在可选之列：{choices}。{near}用法：`{usage}`",
    en="“{word}” is not one of {choices}. {near}Usage: `{usage}`",
)
OPEN_QUOTE = Text(zh="引号没有成对。用法：`{usage}`", en="A quotation mark is not closed. Usage: `{usage}`")
NOT_ALLOWED = Text(
    zh="只有{who}能用 `/{path}`，你在这里是{role}。",
    en="`/{path}` is for: {who}. Your role here: {role}.",
)


class Commands:
    """The commands of one running Maodou. Features add theirs before the first message comes."""

    def __init__(self, commands: tuple[Command, ...] = ()) -> None:
        self._commands: list[Command] = []
        self._by_name: dict[str, Command] = {}
        self.add(*commands)

    def add(self, *commands: Command) -> None:
        """Raises ``ValueError`` where a name or an alias is taken."""
        for command in commands:
            for name in command.names:
                if name in self._by_name:
                    raise ValueError(f"two commands are named /{name}")
            self._by_name |= dict.fromkeys(command.names, command)
            self._commands.append(command)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands)

    def get(self, name: str) -> Command | None:
        """By name or alias."""
        return self._by_name.get(name)

    # ── from text ────────────────────────────────────────────────────────────────────────────────────

    def parse(self, text: str, *, addressed: bool = True) -> Invocation | None:
        """The command that ``text`` spells, or None when it is none.

        Where it is not ``addressed`` to us, a slash before a word we do not know is somebody else's; and
        ``/usr/bin`` is never a command. Raises ``UnknownCommand`` and ``BadArguments`` with the sentence for the
        member; what a family has for them depends on who asks, so :meth:`run` says it.
        """
        if not any(slash in text for slash in SLASHES):
            return None
        words = Words(text)
        name = _command_name(words.next_plain())
        if name is None:
            return None
        command = self._by_name.get(name)
        if command is None:
            if not addressed:
                return None
            alias = max(
                (each for each in self._by_name if _runs_on(each, name) and each in text), key=len, default=None
            )
            if alias is None:
                raise _unknown(name, self._by_name)
            return self.parse(f"/{alias} {text.partition(alias)[2]}")
        if not command.subcommands:
            return Invocation(command, (command.name,), command.role, _arguments(command, (command.name,), words))
        return self._parse_subcommand(command, words)

    @staticmethod
    def _parse_subcommand(command: Command, words: Words) -> Invocation:
        word = words.next_plain()
        sub = _by_name(command).get(_folded(word)) if word is not None else None
        if sub is None:
            return Invocation(command, (command.name,), command.role, unknown=word)
        path = (command.name, sub.name)
        return Invocation(sub, path, max(command.role, sub.role), _arguments(sub, path, words))

    # ── to its handler ───────────────────────────────────────────────────────────────────────────────

    async def run(self, invocation: Invocation, call: Call) -> Done:
        """Check the right, then do it. Raises ``NotAllowed``, or what ``MemberError`` the handler raises."""
        if call.role < invocation.role:
            raise not_allowed(invocation.path, invocation.role, call.role)
        handler = invocation.command.handler
        if handler is None:
            raise _incomplete(invocation, call.role)
        return await handler(replace(call, arguments=invocation.arguments))


def _incomplete(invocation: Invocation, role: Role) -> MemberError:
    """What a family says that was called without one of its subcommands: which there are for this role."""
    family, path = invocation.command, invocation.path
    allowed = family.allowed_to(role)
    if allowed is None:
        return not_allowed(path, family.lowest_role, role)
    line = usage(allowed, path)
    word = invocation.unknown
    if word is None:
        return BadArguments(both(NO_SUBCOMMAND, path=family.name, usage=line))
    near = _nearest(_folded(word), _by_name(allowed), before=f"/{family.name} ")
    return BadArguments(both(UNKNOWN_SUBCOMMAND, path=family.name, word=one_line(word), near=near, usage=line))


def _by_name(family: Command) -> dict[str, Command]:
    """The subcommands by each of their names."""
    return {name: sub for sub in family.subcommands for name in sub.names}


def not_allowed(path: tuple[str, ...], needed: Role, has: Role) -> NotAllowed:
    """The refusal that says who may."""
    line, name = " ".join(path), ROLE_NAMES[has]
    return NotAllowed(
        Text(
            zh=NOT_ALLOWED.in_language("zh", who=at_least(needed, "zh"), path=line, role=name.zh),
            en=NOT_ALLOWED.in_language("en", who=at_least(needed, "en"), path=line, role=name.en),
        )
    )


def _command_name(word: str | None) -> str | None:
    """``/Why?`` is ``why``; None for a path, a lone slash, or a word without one."""
    if word is None or word[0] not in SLASHES:
        return None
    name = _folded(word[1:]).rstrip("?!.,。、")
    return name if name and re.fullmatch(r"[^\W\d_][\w-]*", name) else None


def _runs_on(alias: str, name: str) -> bool:
    """Chinese is written without spaces: ``/静音2小时`` is ``/静音 2小时``."""
    return not alias.isascii() and name.startswith(alias)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()


def _arguments(command: Command, path: tuple[str, ...], words: Words) -> dict[str, str]:
    line = usage(command, path)
    found: dict[str, str] = {}
    for argument in command.arguments:
        try:
            word = words.rest() if argument.rest else words.next()
        except ValueError:
            raise BadArguments(both(OPEN_QUOTE, usage=line)) from None
        if word is None:
            if argument.required:
                raise BadArguments(both(MISSING, about=argument.about, usage=line))
            break
        found[argument.name] = _chosen(argument, word, line) if argument.choices else word
    left = words.rest()
    if left is not None:
        raise BadArguments(both(TOO_MANY, word=one_line(left), usage=line))
    return found


def _chosen(argument: Argument, word: str, line: str) -> str:
    folded = {_folded(choice): choice for choice in argument.choices}
    choice = argument.synonyms.get(word) or folded.get(_folded(word))
    if choice is None:
        listed = ", ".join(f"`{each}`" for each in argument.choices)
        near = _nearest(_folded(word), folded)
        raise BadArguments(both(NO_CHOICE, word=one_line(word), choices=listed, near=near, usage=line))
    return choice


def _unknown(name: str, known: Mapping[str, Command]) -> UnknownCommand:
    visible = {each: command for each, command in known.items() if command.visible}
    return UnknownCommand(both(UNKNOWN, name=one_line(name), near=_nearest(name, visible, before="/")))


def _nearest(word: str, known: Mapping[str, object], before: str = "") -> Text:
    """“Did you mean …?”, or nothing."""
    near = difflib.get_close_matches(word[:64], known, n=1, cutoff=0.6)
    return both(NEAR, near=f"{before}{near[0]}") if near else Text(zh="", en="")


def both(text: Text, **values: str | Text) -> Text:
    """The sentence filled in both languages. Filled at once, so that nothing a member typed is a template."""
    zh = {name: value.zh if isinstance(value, Text) else value for name, value in values.items()}
    en = {name: value.en if isinstance(value, Text) else value for name, value in values.items()}
    return Text(zh=text.in_language("zh", **zh), en=text.in_language("en", **en))
