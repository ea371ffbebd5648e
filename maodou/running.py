"""``maodou up`` and ``maodou chat``: open the app, tell where it is, run it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Sequence

import typer

from bot.ports import Clock, Platform
from bot.room_settings import Eagerness
from bot.store import Store
from maodou.app import App
from maodou.config import Settings
from maodou.health_file import telling
from maodou.platforms import configured_platforms, furnish
from maodou.terminal import YOU, Terminal

STOPPING = "\n  正在停止…… 再按一次 Ctrl-C 立即结束 · Stopping … Ctrl-C again ends it at once"


def run_up(settings: Settings) -> None:
    """Until it is stopped. Raises ``UsageError`` and ``StoreError`` with sentences for the operator."""
    from adapters.web.adapter import WebPlatform

    with App.open(settings, configured_platforms) as app:
        furnish(app)

        def announce(platform: Platform) -> None:
            if isinstance(platform, WebPlatform):
                typer.echo(f"\n  毛豆 Maodou      {platform.room_url}\n  运营者 operator  {platform.operator_link()}\n")
            else:
                typer.echo(f"  {platform.name}: connected")

        asyncio.run(_run(app, announce))
    gc.freeze()  # all is closed: what libraries left in memory goes with the process, and need not be looked through


async def _run(app: App, announce: Callable[[Platform], None]) -> None:
    async with telling(app.health, app.settings.data_dir):
        await app.run(announce, _say_stopping)


def _say_stopping() -> None:
    with contextlib.suppress(OSError):  # nobody reads on
        typer.echo(STOPPING, err=True)


def run_chat(settings: Settings) -> None:
    """Until the input ends (Ctrl-D)."""

    terminal: list[Terminal] = []

    def make(settings: Settings, store: Store, clock: Clock) -> Sequence[Platform]:
        terminal.append(Terminal(clock))
        return terminal

    # Whoever types here is alone: nobody else could answer first, and what the documents know is wanted. They could
    # give every command of ours in a shell, too.
    rooms = {**settings.rooms, "unasked": Eagerness.HELPFUL, "unasked_pause_s": 0}
    core = settings.core.model_copy(update={"operators": (*settings.core.operators, YOU.key)})
    with App.open(settings.model_copy(update={"rooms": rooms, "core": core}), make) as app:
        typer.echo("Write to the room; @maodou addresses it. Ctrl-D ends.\n", err=True)
        terminal[0].settled = app.core.idle
        asyncio.run(app.run(leave=_say_stopping))
