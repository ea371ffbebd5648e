"""``/help``: what the one who asks may do here, and how it is typed."""

from __future__ import annotations

from bot.commands import Argument, Call, Command, Commands, Done, not_allowed, usage
from bot.errors import MemberError
from bot.event import Role
from bot.rights import at_least
from bot.texts import Text

ABOUT = Text(zh="列出我会做的事，或者说明一个命令", en="list what I can do, or explain one command")
ARGUMENT = Text(zh="要说明的命令", en="the command to explain")
INTRO = Text(zh="直接问我就行。另外有这些命令：", en="Just ask me. Besides, there are these commands:")
MORE = Text(zh="`/help 命令` 说明其中一个。", en="`/help command` explains one of them.")
ALSO = Text(zh="也可以写成：{names}", en="Also: {names}")
WHO = Text(zh="谁可以用：{who}", en="Who may use it: {who}")
OPTIONAL = Text(zh="（可以不写）", en=" (may be left out)")
UNKNOWN = Text(zh="没有这样的命令。`/help` 列出所有命令。", en="There is no such command. `/help` lists what there is.")

FIRST = ("help", "why", "stop", "wrong")
"""What everybody needs most; the other commands follow by name."""


class Help:
    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.command = Command(
            "help",
            ABOUT,
            self.run,
            arguments=(Argument("command", ARGUMENT, required=False, rest=True),),
            aliases=("帮助",),
        )

    async def run(self, call: Call) -> Done:
        asked = call.arguments.get("command")
        return Done(self._list(call) if asked is None else self._explain(call, asked))

    def _list(self, call: Call) -> str:
        lines = [
            f"- `{usage(allowed, (command.name,))}` – {command.about.in_language(call.language)}"
            for command in sorted(self._commands, key=_place)
            if command.visible and (allowed := command.allowed_to(call.role)) is not None
        ]
        return "\n".join((INTRO.in_language(call.language), *lines, "", MORE.in_language(call.language)))

    def _explain(self, call: Call, asked: str) -> str:
        words = asked.casefold().lstrip("/／").split()
        command = self._commands.get(words[0]) if words else None
        if command is None or len(words) > 2 or (len(words) == 2 and not command.subcommands):
            raise MemberError(UNKNOWN)
        path: tuple[str, ...] = (command.name,)
        needed = command.role
        if len(words) == 2:
            sub = next((each for each in command.subcommands if words[1] in each.names), None)
            if sub is None:
                raise MemberError(UNKNOWN)
            path, needed, command = (command.name, sub.name), max(needed, sub.role), sub
        allowed = command.allowed_to(call.role) if call.role >= needed else None
        if allowed is None:
            raise not_allowed(path, max(needed, command.lowest_role), call.role)
        return "\n".join(_explanation(allowed, path, needed, call.language))


def _place(command: Command) -> tuple[int, str]:
    return FIRST.index(command.name) if command.name in FIRST else len(FIRST), command.name


def _explanation(command: Command, path: tuple[str, ...], needed: Role, language: str) -> list[str]:
    lines = [f"`{usage(command, path)}` – {command.about.in_language(language)}"]
    for sub in command.subcommands:
        lines.append(f"- `{usage(sub, (*path, sub.name))}` – {sub.about.in_language(language)}")
    for argument in command.arguments:
        optional = "" if argument.required else OPTIONAL.in_language(language)
        choices = f": {', '.join(f'`{choice}`' for choice in argument.choices)}" if argument.choices else ""
        lines.append(f"- `{argument.name}`{optional} – {argument.about.in_language(language)}{choices}")
    if command.aliases:
        names = ", ".join(f"`/{' '.join((*path[:-1], alias))}`" for alias in command.aliases)
        lines.append(ALSO.in_language(language, names=names))
    if needed > Role.MEMBER:
        lines.append(WHO.in_language(language, who=at_least(needed, language)))
    return lines
