"""The command line. Every error of ours ends in a sentence: exit code 0 done, 1 failed, 2 used wrongly.

Nothing heavy is imported before a command runs, so that ``maodou --help`` answers at once.
"""

from __future__ import annotations

import errno
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.errors import MaodouError, UsageError
from bot.loading import nothing_collected
from maodou import connect, feeds, finetune, kb, llm, voice

app = typer.Typer(
    name="maodou",
    help="毛豆 Maodou: a group-chat assistant that answers from your own documents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(kb.app, name="kb")
app.add_typer(feeds.app, name="feeds")
app.add_typer(finetune.app, name="finetune")
app.add_typer(voice.app, name="voice")
app.add_typer(connect.app, name="connect")
app.add_typer(llm.app, name="llm")
db = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(db, name="db")

JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"maodou {version('maodou')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Read this file instead of config.yaml.", show_default=False)
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Tell the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = config


@app.command()
def up(context: typer.Context) -> None:
    """Run everything that config.yaml names; the web room when it names nothing."""
    with nothing_collected():
        from maodou.config import begin
        from maodou.running import run_up

    run_up(begin(context.obj))


@app.command()
def chat(context: typer.Context) -> None:
    """The room in this terminal: @maodou addresses it; otherwise it speaks when the documents can answer."""
    from maodou.config import begin
    from maodou.running import run_chat

    run_chat(begin(context.obj, quiet=True))


@app.command()
def doctor(
    context: typer.Context,
    as_json: JsonOption = False,
    room: Annotated[str, typer.Option(help="Why is it silent there? As discord:123.", show_default=False)] = "",
) -> None:
    """Check everything that could be wrong, and say what to do about it."""
    from maodou.doctor import check_all, check_room

    results = check_room(context.obj, room) if room else check_all(context.obj)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], ensure_ascii=False))
    else:
        for result in results:
            mark = typer.style("✓", fg="green") if result.ok else typer.style("✗", fg="red")
            typer.echo(f"{mark} {result.label}: {result.details}")
            if result.resolution:
                typer.echo(f"  → {result.resolution}")
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


@db.command()
def upgrade(context: typer.Context, as_json: JsonOption = False) -> None:
    """Bring the database to this version's tables. `maodou up` does it, too."""
    from maodou.config import begin
    from maodou.database import open_and_upgrade

    store, before = open_and_upgrade(begin(context.obj, quiet=True))
    store.close()
    if as_json:
        typer.echo(json.dumps({"before": before.current, "now": before.head}))
    elif before.is_current:
        typer.echo(f"The database is at revision {before.head} already.")
    else:
        typer.echo(f"The database is at revision {before.head} now; it was {before.current or 'empty'}.")


def main() -> None:
    """The entry point: run a command, and turn what it raised into a sentence and an exit code."""
    try:
        app()
    except UsageError as error:
        fail(str(error), 2)
    except MaodouError as error:
        fail(str(error), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            raise
        fail(f"{error.strerror}: {error.filename or 'the disk'}. What was written before is kept.", 1)
    except Exception as error:
        if not _from_the_database(error):
            raise
        fail(f"The database does not answer: {str(error.__cause__ or error).strip().splitlines()[0]}", 1)


def _from_the_database(error: Exception) -> bool:
    """Asked without importing SQLAlchemy for it: an error of its own means that it is imported."""
    exceptions: Any = sys.modules.get("sqlalchemy.exc")
    return exceptions is not None and isinstance(error, exceptions.SQLAlchemyError)


def fail(sentence: str, code: int) -> None:
    typer.echo(sentence, err=True)
    sys.exit(code)
