"""The commands that every room has, whatever is installed: ``/help``, ``/why``, ``/stop``, ``/mute``,
``/settings``, ``/my`` and ``/forget``. One module each; ``bot/core.py`` adds them to the registry."""

from __future__ import annotations

from bot.builtin.choosing import Choosing
from bot.builtin.forgetting import Forgetting
from bot.builtin.help import Help
from bot.builtin.quiet import Quiet
from bot.builtin.why import Why
from bot.commands import Command, Commands
from bot.retention import Retention
from bot.scopes import Scopes
from bot.store import Store


def builtin_commands(commands: Commands, store: Store, scopes: Scopes, retention: Retention) -> tuple[Command, ...]:
    """``commands`` is the registry that ``/help`` lists: ``commands.add(*builtin_commands(commands, …))``."""
    quiet, choosing = Quiet(scopes), Choosing(store, scopes)
    return (
        Help(commands).command,
        Why(store, retention.retention_days).command,
        quiet.stop_command,
        quiet.mute_command,
        choosing.settings_command,
        choosing.my_command,
        Forgetting(store, retention).command,
    )
