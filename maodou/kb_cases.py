"""``maodou kb cases``: the answers that members called wrong, and as a question set."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from maodou.command_parts import library, print_table


def cases(
    context: typer.Context,
    kb: Annotated[str, typer.Option("--kb", help="Of rooms that read this knowledge base.")] = "default",
    export: Annotated[
        bool, typer.Option("--export", help="Those that a moderator has closed, in the format of `kb evaluate`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")] = False,
) -> None:
    """Answers that members called wrong: list the open ones, or export what the moderators made of them."""
    from rag.cases import Ruled, as_line, of_base

    wanted = (Ruled.ANSWER, Ruled.SILENT) if export else tuple(Ruled)
    with library(context) as (shelf, _):
        shelf.base(kb)
        found = shelf.store.read_now(lambda connection: of_base(connection, kb, wanted))
    if export:
        for each in found:
            typer.echo(as_line(each.as_case()))
        return
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
        return
    still = [each for each in found if each.verdict is Ruled.OPEN]
    print_table(
        ("case", "question", "cited", "members say"),
        [[str(each.id), each.question, ", ".join(each.cited), each.note] for each in still],
    )
    typer.echo(f"{len(still)} open, {sum(each.verdict in (Ruled.ANSWER, Ruled.SILENT) for each in found)} ruled upon.")
