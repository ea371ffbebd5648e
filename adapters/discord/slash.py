"""Slash commands: the registry's commands as Discord wants them, and what a member picked as a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import discord
import structlog

from adapters.discord import events
from bot.commands import Argument, Command
from bot.event import Pressed
from bot.texts import Text

log = structlog.get_logger(__name__)

Json = dict[str, Any]

SUBCOMMAND, STRING = 1, 3
IN_SERVERS, IN_DIRECT = 0, 1
CHINESE = ("zh-CN", "zh-TW")
"""https://discord.com/developers/docs/interactions/application-commands"""


def payloads(commands: Iterable[Command]) -> list[Json]:
    """The commands as Discord's application commands; described in English, with Chinese beside it."""
    return [
        _described(command.name, command.about)
        | {
            "type": 1,
            "contexts": [IN_SERVERS, IN_DIRECT],
            "integration_types": [0],
            "options": _subcommands(command) if command.subcommands else _arguments(command.arguments),
        }
        for command in commands
        if command.slash
    ]


def _described(name: str, about: Text) -> Json:
    return {
        "name": name,
        "description": about.en,
        "description_localizations": dict.fromkeys(CHINESE, about.zh),
    }


def _subcommands(command: Command) -> list[Json]:
    return [
        _described(sub.name, sub.about) | {"type": SUBCOMMAND, "options": _arguments(sub.arguments)}
        for sub in command.subcommands
    ]


def _arguments(arguments: tuple[Argument, ...]) -> list[Json]:
    options = []
    for argument in arguments:
        option = _described(argument.name, argument.about) | {"type": STRING, "required": argument.required}
        if argument.choices:
            option["choices"] = [{"name": choice, "value": choice} for choice in argument.choices]
        options.append(option)
    return options


async def synchronise(client: discord.Client, commands: Iterable[Command]) -> bool:
    """Tell Discord our commands where it has others; True when it had. Discord allows 200 new ones a day, so
    what it has is read first. Raises ``discord.HTTPException``."""
    application = client.application_id
    if application is None:
        raise RuntimeError("the client has not logged in")
    wanted = payloads(commands)
    known: list[Any] = await client.http.get_global_commands(application)
    if _equal(known, wanted):
        return False
    await client.http.bulk_upsert_global_commands(application, wanted)
    log.info("discord.commands_changed", commands=len(wanted))
    return True


def _equal(known: list[Any], wanted: list[Json]) -> bool:
    """Whether Discord has all of this and nothing else; it adds keys of its own, and leaves out what is empty."""
    by_name = {each.get("name"): each for each in known}
    return len(known) == len(wanted) and all(_contains(by_name.get(each["name"], {}), each) for each in wanted)


def _contains(known: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        # Localisations are not told unless asked for, and a change of them comes with one of the English text.
        keys = (key for key in wanted if key != "description_localizations")
        return isinstance(known, Mapping) and all(_contains(known.get(key), wanted[key]) for key in keys)
    if isinstance(wanted, list):
        known = known or []
        return len(known) == len(wanted) and all(map(_contains, known, wanted))
    return bool(known == wanted) or (not wanted and not known)


def pressed(interaction: discord.Interaction) -> Pressed | None:
    """The event of a slash command or a button; None for what we never offer."""
    room = events.room_of(interaction.channel)
    data: Mapping[str, Any] = interaction.data or {}
    if room is None:
        return None
    button: str | None = None
    command: str | None = None
    if interaction.type is discord.InteractionType.application_command:
        command = _line(data)
    elif interaction.type is discord.InteractionType.component:
        button = str(data.get("custom_id", ""))
    else:
        return None
    return Pressed(
        room=room,
        member=events.member_of(interaction.user),
        interaction_id=str(interaction.id),
        at=interaction.created_at.timestamp(),
        button=button,
        command=command,
        message_id=str(interaction.message.id) if interaction.message is not None else None,
        language="zh" if str(interaction.locale).startswith("zh") else "en",
    )


def _line(data: Mapping[str, Any]) -> str:
    """``/kb add "my docs"``: what a member would have typed."""
    words = [f"/{data.get('name', '')}"]
    options = data.get("options") or []
    if options and options[0].get("type") == SUBCOMMAND:
        words.append(str(options[0].get("name", "")))
        options = options[0].get("options") or []
    words += [_quoted(str(option.get("value", ""))) for option in options]
    return " ".join(words)


def _quoted(value: str) -> str:
    """One argument as one word, whatever a member put into its field."""
    value = " ".join(value.split())
    if value and " " not in value and value[0] not in "\"'“‘「『＂":
        return value
    for opening, closing in (('"', '"'), ("「", "」"), ("『", "』"), ("“", "”"), ("'", "'")):
        if opening not in value and closing not in value:
            return f"{opening}{value}{closing}"
    return '"' + value.replace('"', "'") + '"'
