"""``maodou kb examples …``: messages that a base can and cannot answer, from which the gate learns when to speak."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from maodou.command_parts import library, opened

app = typer.Typer(help="Good and bad examples: what the gate learns from.", no_args_is_help=True)

KbOption = Annotated[str, typer.Option("--kb", help="The knowledge base.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


@app.command("import")
def import_(
    context: typer.Context,
    good: Annotated[Path, typer.Argument(help="Messages to answer: one a line, or a JSON list.")],
    bad: Annotated[Path, typer.Argument(help="Messages to stay silent on.")],
    kb: KbOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Add two files of messages, learn from them, and say how well that works."""
    from rag.examples import Examples, read_examples

    given, in_both = read_examples(good, bad)
    with opened(context) as (store, documents):
        added = Examples(store).add(kb, given)
        fitted = documents.knowledge.learner.refit((kb,))
        counts = Examples(store).counts(kb)
    told = {"new": added.new, "changed": added.changed, "known": added.known, "in_both": in_both}
    told |= {"good": counts.good, "bad": counts.bad}
    if as_json:
        points = {"helpful": fitted.helpful, "quiet": fitted.quiet} if fitted else {}
        measured = {
            name: {"precision": round(point.precision, 4), "recall": round(point.recall, 4), "f1": round(point.f1, 4)}
            for name, point in points.items()
        }
        typer.echo(json.dumps({"base": kb, **told, **measured}))
        return
    typer.echo(
        f"{kb}: {added.new} new, {added.changed} changed, {added.known} known, {in_both} in both files left out."
    )
    typer.echo(f"It has {counts.good} good and {counts.bad} bad examples now.")
    if fitted is None:
        typer.echo("Too few of each to learn from: the gate judges as before.")
        return
    for name, point in (("helpful", fitted.helpful), ("quiet", fitted.quiet)):
        typer.echo(
            f"{name}: precision {point.precision:.2f}, recall {point.recall:.2f}, f1 {point.f1:.2f} (cross-validated)"
        )


@app.command("list")
def list_(context: typer.Context, kb: KbOption = "default", as_json: JsonOption = False) -> None:
    """The examples of a base: + good, - bad."""
    from rag.examples import Examples

    with library(context) as (shelf, _):
        shelf.base(kb)
        found = Examples(shelf.store).of((kb,))
    if as_json:
        typer.echo(json.dumps([{"text": each.text, "good": each.good} for each in found], ensure_ascii=False))
        return
    for each in found:
        typer.echo(f"{'+' if each.good else '-'} {each.text}")


@app.command()
def remove(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="The message; without it, all of the base.")] = None,
    kb: KbOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Take examples out; the gate forgets what they taught."""
    from rag.examples import Examples

    with library(context) as (shelf, _):
        removed = Examples(shelf.store).remove(kb, None if text is None else [text])
    typer.echo(json.dumps({"removed": removed}) if as_json else f"{kb}: {removed} examples taken out.")
