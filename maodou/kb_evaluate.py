"""``maodou kb evaluate``: a question set through the gate and the answerer that the rooms use, and the table of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maodou.command_parts import opened, print_table, progress

if TYPE_CHECKING:
    from bot.room_settings import Eagerness
    from rag.evaluate import Case, Outcome

COLUMNS = ("messages", "expected", "answered", "right", "precision", "recall", "f1", "right_source", "forbidden")


def evaluate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The question set: one JSON object a line, with text and expect.")],
    kb: Annotated[str, typer.Option("--kb", help="The knowledge base.")] = "default",
    quiet: Annotated[bool, typer.Option("--quiet", help="As in a room that is set to `quiet`.")] = False,
    failures: Annotated[bool, typer.Option("--failures", help="List the messages that went wrong.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")] = False,
) -> None:
    """Put a set of messages to a knowledge base, and say how often it spoke when it should, and from where."""
    from bot.room_settings import Eagerness
    from rag.evaluate import by_kind

    cases = _cases(file)
    outcomes = _run(context, cases, kb, Eagerness.QUIET if quiet else Eagerness.HELPFUL, as_json)
    table = by_kind(outcomes)
    wrong = [_told(outcome) for outcome in outcomes if outcome.fault is not None]
    if as_json:
        told: dict[str, Any] = {"base": kb, **{kind: asdict(row) for kind, row in table.items()}}
        typer.echo(json.dumps({**told, **({"failures": wrong} if failures else {})}, ensure_ascii=False))
        return

    rows = [[kind, *(_cell(getattr(row, column)) for column in COLUMNS)] for kind, row in table.items()]
    print_table(("kind", *(column.replace("_", " ") for column in COLUMNS)), rows)
    typer.echo(f"{len(wrong)} of {len(outcomes)} went wrong; {table['all'].ms_per_message} ms a message.")
    if failures:
        print_table(
            ("fault", "score", "text", "cited"),
            [[row["fault"], f"{row['score']:.2f}", row["text"], ", ".join(row["cited"])] for row in wrong],
        )


def _cases(file: Path) -> list[Case]:
    from bot.errors import UsageError
    from rag.evaluate import read_cases

    try:
        return read_cases(file.read_text(encoding="utf-8").splitlines())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8.") from None


def _run(context: typer.Context, cases: list[Case], kb: str, eagerness: Eagerness, quiet: bool) -> list[Outcome]:
    from rag.evaluate import evaluate as put

    with opened(context) as (_, documents), progress(quiet) as show:
        documents.library.base(kb)
        work = put(cases, documents.knowledge, documents.answerer, (kb,), eagerness=eagerness, progress=show)
        return asyncio.run(documents.then_close(work))


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "text": outcome.case.text,
        "kind": outcome.case.counted_as,
        "fault": outcome.fault,
        "score": round(outcome.score, 4),
        "reason": outcome.reason,
        "cited": outcome.cited,
        "source": outcome.case.source,
    }


def _cell(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
