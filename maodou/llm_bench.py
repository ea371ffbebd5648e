"""``maodou llm bench``: one model in five ways on this machine; what cannot be run here is a row with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from maodou.command_parts import progress

MAX_PROMPTS = 64


def bench(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A folder, or a name under which it was fetched.")],
    prompts: Annotated[Path, typer.Option(help="Questions, one a line.")],
    shape: Annotated[
        list[str] | None, typer.Option(help="Conversations at once x tokens of each; may be given again.")
    ] = None,
    kv: Annotated[int, typer.Option("--kv", help="Bits of quantised keys and values: 8 or 4.")] = 8,
    agreement: Annotated[bool, typer.Option(help="Compare answers; random weights have none to compare.")] = True,
    threads: Annotated[int, typer.Option(min=0, help="Of a processor; 0: torch chooses.")] = 0,
    into: Annotated[Path | None, typer.Option(help="Write NAME.json, .md and .svg.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")] = False,
) -> None:
    """Measure a model: TurboMind, W4A16, quantised keys and values, both, and Hugging Face's transformers."""
    from bot.errors import UsageError
    from llm.bench import Bench, Subject, shapes_of
    from llm.bench_report import markdown, svg
    from llm.machine import machine
    from maodou.config import begin
    from maodou.llm_models import environment, find_here

    if kv not in (8, 4):
        raise UsageError("--kv is 8 or 4.")
    shapes = shapes_of(shape or ["1x512", "8x2048"])
    settings = begin(context.obj, quiet=True)
    folder = find_here(settings, model)
    packed = folder.with_name(f"{folder.name}-w4")
    here = machine()
    fitting = "lmdeploy" if here.has_cuda else "lmdeploy-cpu"
    environments = dict.fromkeys(("turbomind", "transformers"), lambda: environment(settings, fitting, as_json))
    subject = Subject(
        folder, packed if packed.is_dir() else None, environments, read_prompts(prompts), agreement, threads
    )
    with progress(as_json) as show:
        made = Bench(subject, here, show)
        rows = made.run(shapes, kv)
    told = made.as_json()
    table = markdown(told, rows)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else table)  # first: a disk may refuse the rest
    if into is not None:
        into.parent.mkdir(parents=True, exist_ok=True)
        for suffix, text in (
            (".json", json.dumps(told, ensure_ascii=False, indent=1) + "\n"),
            (".md", table),
            (".svg", svg(rows)),
        ):
            into.with_name(into.name + suffix).write_text(text, "utf-8")  # a name may have a dot: internlm2.5
    if all(row.reason for row in rows):
        raise typer.Exit(1)


def read_prompts(file: Path) -> tuple[str, ...]:
    """Raises ``UsageError``."""
    from bot.errors import UsageError

    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8.") from None
    if not lines:
        raise UsageError(f"{file} has no question in it.")
    return tuple(lines[:MAX_PROMPTS])
