"""``maodou kb …``: the knowledge bases from the command line. A running room sees a change within seconds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maodou import kb_cases, kb_evaluate, kb_examples, kb_sources
from maodou.command_parts import library, opened, print_table, progress

if TYPE_CHECKING:
    from maodou.config import Settings
    from rag.library import SyncReport

app = typer.Typer(help="Knowledge bases: add, list, remove documents; ask them.", no_args_is_help=True)

app.add_typer(kb_examples.app, name="examples")
app.command()(kb_evaluate.evaluate)
app.command()(kb_cases.cases)
app.command()(kb_sources.sources)
app.command()(kb_sources.sync)

KbOption = Annotated[str, typer.Option("--kb", help="The knowledge base.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


@app.command()
def add(
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            help="A folder or a file: Markdown, text, HTML, PDF, Word, question-answer pairs. Or a Git repository: "
            "https://…, or a path that ends in .git."
        ),
    ],
    kb: KbOption = "default",
    every: Annotated[
        str | None,
        typer.Option("--every", help="Keep it in step: 6h, 1d; 0 for never. Repositories: daily.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a knowledge base in step with a folder or a repository: new, changed and removed files."""
    from rag.git import is_repository

    with library(context) as (shelf, settings), progress(as_json) as show:
        if every is not None or is_repository(path):
            report = kb_sources.kept(shelf, kb, path, every)
        else:
            report = shelf.add(Path(path), kb, show)
    if as_json:
        told = {"base": report.base, **_counts(report), "refused": report.refused, "data_dir": str(settings.data_dir)}
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        said = ", ".join(
            f"{count} {what.replace('_', ' ')}"
            for what, count in _counts(report).items()
            if count and what != "passages"
        )
        typer.echo(f"{report.base}: {said or 'no document found'}; {report.chunks} passages.")
        typer.echo(f"Kept {_where(settings)}.")
    if report.refused:
        from rag.readers import REFUSALS

        for source, reason in report.refused:
            typer.echo(f"Not taken in: {source}: {REFUSALS[reason].en}", err=True)
        raise typer.Exit(1)


def _where(settings: Settings) -> str:
    """The installation that was changed, for whoever has more than one."""
    return "in the configured database" if settings.database.get_secret_value() else f"in {settings.data_dir}"


def _counts(report: SyncReport) -> dict[str, int]:
    return {
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "not_taken_in": len(report.refused),
        "passages": report.chunks,
    }


@app.command("list")
def list_(
    context: typer.Context,
    kb: Annotated[str | None, typer.Option("--kb", help="List its documents.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """The knowledge bases; with --kb, the documents of one."""
    with library(context) as (shelf, _):
        rows: list[Any] = list(shelf.bases() if kb is None else shelf.list(kb))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
        return
    if not rows:
        typer.echo("There is no knowledge base yet: maodou kb add FOLDER" if kb is None else f"{kb} is empty.")
        return
    columns = (
        ("name", "documents", "refused", "chunks") if kb is None else ("source", "status", "reason", "chunks", "bytes")
    )
    print_table(columns, [[str(getattr(row, column)) for column in columns] for row in rows])


@app.command()
def remove(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(help="A file or folder, as `kb list` shows it, or a source; without it, the whole base."),
    ] = None,
    kb: Annotated[str, typer.Option("--kb", help="The knowledge base.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Take documents out of a knowledge base, or the base with all of them. The files themselves stay."""
    from bot.errors import UsageError

    if not kb:
        raise UsageError("Say which knowledge base: maodou kb remove [SOURCE] --kb NAME.")
    with library(context) as (shelf, _):
        taken = None if source is None else kb_sources.removed(shelf, kb, source)
        removed = shelf.remove(kb, source) if taken is None else taken
    typer.echo(json.dumps({"removed": removed}) if as_json else f"{kb}: {removed} documents taken out.")


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="As a member would write it.")],
    kb: KbOption = "default",
    addressed: Annotated[bool, typer.Option("--addressed", help="As if the bot had been mentioned.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What the bot would do with a message: answer it, or stay silent, and why."""
    import asyncio

    from bot.reasons import sentence
    from maodou.asking import ask as ask_base

    with opened(context) as (_, documents):
        documents.library.base(kb)
        asked = asyncio.run(documents.then_close(ask_base(documents, question, kb, addressed=addressed)))
    if as_json:
        typer.echo(json.dumps(asked.as_json(), ensure_ascii=False))
        return
    typer.echo(f"{asked.decision} ({asked.score:.2f}): {sentence(asked.reason, 'en')}")
    if asked.answer:
        typer.echo(f"\n{asked.answer}\n")
        for each in asked.cited:
            typer.echo(f"[{each.number}] {_place(each.source, each.heading)}")
    elif asked.citations:
        typer.echo("\nWhat comes closest in the documents:\n")
        for source in asked.citations:
            typer.echo(f"- {_place(source.source, source.heading)}")


def _place(source: str, heading: str) -> str:
    return f"{source} › {heading}" if heading else source
