"""``maodou connect …``: a platform from nothing to a bot that can be invited, its secret kept and its section made.

Discord: ``maodou connect discord`` and one token. Feishu: ``maodou connect feishu`` and one scan. Either may be
run again: it mends what is missing and leaves the rest as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.errors import UsageError

if TYPE_CHECKING:
    from adapters.discord.settings import DiscordSettings
    from adapters.feishu.settings import FeishuSettings
    from maodou.feishu_app import NewApp

app = typer.Typer(help="Set up Discord or Feishu.", no_args_is_help=True)

TOKEN = "MAODOU_DISCORD_TOKEN"
SECRET = "MAODOU_FEISHU_APP_SECRET"
PORTAL = "https://discord.com/developers/applications"


@app.command()
def discord(
    context: typer.Context,
    mentions_only: Annotated[
        bool, typer.Option("--mentions-only", help="Hear only who mentions it: needs no privileged intent.")
    ] = False,
    new_token: Annotated[bool, typer.Option("--new-token", help="Ask for the token, though there is one.")] = False,
) -> None:
    """Check the bot's token and its intents, keep it, and print the link that invites the bot."""
    import asyncio

    from pydantic import SecretStr

    from adapters.discord.invitation import PERMISSIONS, look_up
    from maodou.config_file import config_path, configure_section, keep_secret

    config = config_path(context.obj)
    settings = _discord_settings(config)
    token = "" if new_token else settings.token.get_secret_value().strip()
    token = token or _ask_for_token()
    found = asyncio.run(look_up(settings.model_copy(update={"token": SecretStr(token)})))
    typer.echo(f"✓ The token is good: it is {found.name} ({found.id}).")
    kept = keep_secret(config, TOKEN, token)
    typer.echo(f"✓ Kept in {kept}, which only you can read.")
    if configure_section(config, "discord", {"message_content": False} if mentions_only else {}):
        typer.echo(f"✓ {config} has its section `discord`.")
    typer.echo(f"\nInvite it (whoever opens this chooses the server):\n  {found.invite_url}")
    typer.echo(f"  with these rights and no more: {', '.join(PERMISSIONS)}")
    if not found.reads_messages and not mentions_only and settings.message_content:
        typer.echo("")
        raise UsageError(
            f"One thing is missing: the Message Content Intent is off. Switch it on at {PORTAL}/{found.id}/bot – or "
            "run `maodou connect discord --mentions-only`, and it hears only who mentions it. Then: maodou up."
        )
    typer.echo("\nThen: maodou up")


def _discord_settings(config: Path) -> DiscordSettings:
    """As they are configured, or as they come; the token from the environment or ``.env``."""
    from pydantic import SecretStr

    from adapters.discord.settings import DiscordSettings
    from maodou.config import load

    configured = load(config if config.exists() else None).discord
    if configured is not None:
        return configured
    return DiscordSettings(token=SecretStr(os.environ.get(TOKEN, "")))


def _ask_for_token() -> str:
    """Unseen where somebody types; from a pipe otherwise."""
    typer.echo(f"The bot's token: {PORTAL} › your application › Bot › Reset Token. (It is not shown.)", err=True)
    typed = sys.stdin.isatty()
    token = str(typer.prompt("Token", hide_input=True, err=True)) if typed else sys.stdin.readline()
    if not token.strip():
        raise UsageError(f"No token was given. It may also stand in .env as {TOKEN}=….")
    return token.strip()


@app.command()
def feishu(
    context: typer.Context,
    lark: Annotated[bool, typer.Option("--lark", help="The international Lark instead of Feishu.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Scan once more: give the configured app what it lacks.")
    ] = False,
    accounts: Annotated[str, typer.Option(help="Another account service, as https://…", show_default=False)] = "",
) -> None:
    """Make the app by scanning a code in Feishu; keep its secret. A configured app is checked instead."""
    from adapters.feishu.settings import FeishuSettings
    from maodou.config import load
    from maodou.config_file import config_path
    from maodou.feishu_app import register

    config = config_path(context.obj)
    settings = load(config if config.exists() else None).feishu
    if settings is None or not settings.app_secret.get_secret_value() or again:
        app_id = settings.app_id if settings is not None else ""
        domain = "lark" if lark else settings.domain if settings is not None else "feishu"
        made = register(_show_code, domain=domain, accounts=accounts, app_id=app_id)
        typer.echo(f"✓ The app is {made.id}.")
        _keep(config, made)
        settings = FeishuSettings.model_validate(
            (settings.model_dump() if settings is not None else {})
            | {"app_id": made.id, "app_secret": made.secret, "domain": made.domain}
        )
    _check(settings)


def _show_code(url: str, seconds: int) -> None:
    """The link as a picture for a telephone, and as text for who sits at a browser."""
    import segno

    typer.echo("Scan this in Feishu, and confirm what it asks for:\n")
    segno.make(url, error="l", micro=False).terminal(compact=True, border=1)
    typer.echo(f"\nOr open: {url}\nIt holds for {seconds // 60} minutes. Waiting …")
    sys.stdout.flush()


def _keep(config: Path, made: NewApp) -> None:
    from maodou.config_file import configure_section, keep_secret

    kept = keep_secret(config, SECRET, made.secret)
    typer.echo(f"✓ Its secret is in {kept}, which only you can read.")
    values = {"app_id": made.id} | ({"domain": made.domain} if made.domain != "feishu" else {})
    if configure_section(config, "feishu", values):
        typer.echo(f"✓ {config} has its section `feishu`.")
    if made.owner:
        typer.echo(f'  To run it from the chat, add to {config}:  core: {{operators: ["feishu:{made.owner}"]}}')


def _check(settings: FeishuSettings) -> None:
    from maodou.feishu_app import SCOPES, look_up

    state = look_up(settings)
    if not state.bot:
        raise UsageError("The app has no bot yet: switch the bot on and publish a version (developer console).")
    typer.echo(f"✓ {state.name} answers.")
    if state.missing:
        lines = "\n".join(f"  {scope}: {SCOPES[scope]}" for scope in state.missing)
        raise UsageError(
            f"These permissions are missing:\n{lines}\nRun `maodou connect feishu --again` and confirm them, or add "
            "them in the developer console and publish a version."
        )
    typer.echo("✓ It has every permission that it needs.\n\nAdd it to a group (group settings › bots). Then: maodou up")
