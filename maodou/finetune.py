"""``maodou finetune``: a data set that says who the model is, training, merging, and the check of what was learnt."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.errors import UsageError
from maodou.command_parts import library, print_table, progress

if TYPE_CHECKING:
    from finetune_xtuner.conversation import Conversation
    from finetune_xtuner.process import Event

app = typer.Typer(help="Teach a model who it is: data, train, merge, check, export.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]
BaseOption = Annotated[Path, typer.Option(help="The folder of the base model.", show_default=False)]
OutOption = Annotated[Path, typer.Option(help="A new folder; it appears when it is whole.", show_default=False)]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Processor threads; one is often the fastest.")]


@app.command()
def data(
    context: typer.Context,
    out: OutOption,
    form: Annotated[Path | None, typer.Option(help="A form that says who it is, as YAML.", show_default=False)] = None,
    pairs: Annotated[
        list[Path] | None, typer.Option(help="Questions and answers: .csv, .json, .jsonl. May be given again.")
    ] = None,
    script: Annotated[list[Path] | None, typer.Option(help="Lines as 角色:「台词」. May be given again.")] = None,
    role: Annotated[str, typer.Option(help="Of the scripts, whose lines are learnt; else everybody's.")] = "",
    document: Annotated[list[Path] | None, typer.Option(help="Markdown or text. May be given again.")] = None,
    kb: Annotated[str, typer.Option(help="The pairs of this knowledge base, too.")] = "",
    keep_personal: Annotated[
        bool, typer.Option("--keep-personal", help="Keep rows with personal data or keys in them.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed holds other phrasings out.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make a data set of a form, pairs, scripts and documents; look at its report.md before you train."""
    from finetune_xtuner import sources, writing
    from finetune_xtuner.dataset import build
    from finetune_xtuner.folders import must_be_new
    from finetune_xtuner.form import conversations_of, in_surroundings, read_form

    must_be_new(out)
    rows: list[Conversation] = []
    if form is not None:
        rows += conversations_of(read_form(form))
    for path in (*(pairs or ()), *(_pairs_of(context, kb) if kb else ())):
        rows += sources.read_pairs(path)
    rows = [around for row in rows for around in in_surroundings(row)]
    for path in script or ():
        rows += sources.read_script(path, role)
    for path in document or ():
        rows += sources.read_document(path)
    if not rows:
        raise UsageError("There is nothing to learn: name a --form, --pairs, a --script, a --document or a --kb.")
    built = build(rows, keep_personal=keep_personal, seed=seed)
    writing.write(built, out)
    counts = {"train": len(built.train), "held_out": len(built.held_out), "removed": len(built.removed)}
    if as_json:
        typer.echo(json.dumps({**counts, "out": str(out)}))
    else:
        typer.echo("{train} rows to learn from, {held_out} held out, {removed} left out.".format_map(counts))
        typer.echo(f"Look at {out / 'report.md'} before you train.")


@app.command()
def train(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="The folder that `finetune data` wrote.", show_default=False)],
    base: BaseOption,
    out: OutOption,
    rank: Annotated[int, typer.Option(help="Of LoRA.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="At its highest, after the warm-up.")] = 2e-4,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 8,
    max_tokens: Annotated[int, typer.Option(help="Of a row; a longer one is cut.")] = 512,
    epochs: Annotated[int, typer.Option(help="How often each row is learnt.")] = 3,
    steps: Annotated[int, typer.Option(help="Instead of epochs, where it is not 0.")] = 0,
    four_bit: Annotated[bool, typer.Option("--four-bit", help="QLoRA; needs CUDA.")] = False,
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Less memory, more time.")] = False,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Train an adapter. A run that is broken off goes on where it was when it is started again."""
    from pydantic import ValidationError

    from finetune_xtuner import teaching

    try:
        settings = teaching.TrainSettings(
            rank=rank,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_tokens=max_tokens,
            epochs=epochs,
            steps=steps,
            four_bit=four_bit,
            checkpointing=checkpointing,
            threads=threads,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}.") from error
    python = _python(context, "finetune-qlora" if four_bit else "finetune", quiet=as_json)
    with _told(quiet=as_json) as tell:
        done = teaching.train(python, dataset, base, out, settings, tell)
    if as_json:
        typer.echo(json.dumps(_plain(done)))
    else:
        typer.echo(
            f"Loss {done['first_loss']:.3f} → {done['last_loss']:.3f} in {done['steps']} steps; {out}/curve.svg."
        )
        typer.echo(f"Next: maodou finetune merge --base {base} --adapter {out} --out MERGED")


@app.command()
def merge(
    context: typer.Context,
    base: BaseOption,
    adapter: Annotated[Path, typer.Option(help="The folder that `finetune train` wrote.", show_default=False)],
    out: OutOption,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Put the adapter into the base: TurboMind and llama.cpp serve whole models."""
    from finetune_xtuner import teaching

    python = _python(context, "finetune", quiet=as_json)
    with _told(quiet=as_json) as tell:
        done = teaching.merge(python, base, adapter, out, tell, threads=threads)
    typer.echo(json.dumps(_plain(done)) if as_json else f"{out} says what base and adapter say.")


@app.command()
def check(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="The folder that `finetune data` wrote.", show_default=False)],
    base: BaseOption,
    adapter: Annotated[Path | None, typer.Option(help="Check base and adapter …", show_default=False)] = None,
    model: Annotated[Path | None, typer.Option(help="… or a merged model.", show_default=False)] = None,
    at_least: Annotated[float, typer.Option(min=0, max=1, help="The share that must be right.")] = 0.9,
    questions: Annotated[int, typer.Option(min=1, help="At most so many.")] = 200,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Ask who it is, who made it and what it knew before, in phrasings it was not trained on. Exit 1: it failed."""
    from finetune_xtuner import checking, writing

    if (adapter is None) == (model is None):
        raise UsageError("Name either --adapter or --model: what shall be compared with the base?")
    probes = checking.at_most(writing.read_probes(dataset), questions)
    python = _python(context, "finetune", quiet=as_json)
    with _told(quiet=as_json) as tell:
        before = checking.ask(python, base, None, probes, tell, threads=threads)
        after = checking.ask(python, model or base, adapter, probes, tell, threads=threads)
    verdict = checking.judge(probes, before, after, at_least)
    if as_json:
        typer.echo(json.dumps(checking.as_json(verdict), ensure_ascii=False))
    else:
        _print_verdict(verdict)
    raise typer.Exit(0 if verdict.passed else 1)


@app.command()
def export(
    dataset: Annotated[Path, typer.Argument(help="The folder that `finetune data` wrote.", show_default=False)],
    base: Annotated[str, typer.Option(help="The base as the other tool shall name it.", show_default=False)],
    out: OutOption,
    template: Annotated[str, typer.Option(help="XTuner's name of the chat template.")] = "internlm2_chat",
    four_bit: Annotated[bool, typer.Option("--four-bit", help="QLoRA in XTuner's configuration.")] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Write the data set for XTuner 0.2.0 (frozen upstream, with a configuration), ms-swift, PaddleNLP."""
    from finetune_xtuner.export_xtuner import export as write
    from finetune_xtuner.teaching import TrainSettings

    write(dataset, out, base, template, TrainSettings(four_bit=four_bit, epochs=epochs))
    typer.echo(f"Written: {out}/README.md says how each tool takes it.")


# ── what the commands share ──────────────────────────────────────────────────────────────────────────────


def _pairs_of(context: typer.Context, kb: str) -> Iterator[Path]:
    """The files of pairs in a knowledge base, where they were added from."""

    with library(context) as (shelf, _):
        documents = [document for document in shelf.list(kb) if Path(document.source).suffix in (".csv", ".json")]
        paths = [Path(document.root) / document.source for document in documents]
    if not paths:
        raise UsageError(f"The knowledge base {kb} has no questions and answers (.csv or .json).")
    if missing := [path for path in paths if not path.is_file()]:
        raise UsageError(f"{missing[0]} of the knowledge base {kb} is no file here any more: give it with --pairs.")
    yield from paths


def _python(context: typer.Context, name: str, *, quiet: bool) -> Callable[[], Path]:
    """What makes the environment at its first call, which takes minutes, and gives its interpreter."""
    from llm.environments import ensure
    from maodou.config import begin

    settings = begin(context.obj, quiet=True)

    def make() -> Path:
        with progress(quiet) as tell:
            return ensure(name, settings.data_dir / "environments", tell).python

    return make


@contextmanager
def _told(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """What a job tells, for a person: a bar where one looks on, every tenth step elsewhere, notes always."""

    with progress(quiet) as bar:

        def tell(event: Event) -> None:
            match event["event"]:
                case "note":
                    typer.echo(event["sentence"], err=True)
                case "step" if bar is not None:
                    bar(event["step"], event["of"], f"loss {event['loss']:.3f}")
                case "step" if not quiet and event["step"] % 10 == 0:
                    typer.echo(f"step {event['step']} of {event['of']}: loss {event['loss']:.3f}", err=True)
                case "asked" if bar is not None:
                    bar(event["done"], event["of"], "asked")
                case "held_out" if not quiet:
                    typer.echo(f"Loss on what was held out: {event['loss']:.3f}", err=True)

        yield tell


def _print_verdict(verdict: Any) -> None:

    marks = {True: "✓", False: "✗", None: ""}
    print_table(
        ("", "questions", "right before", "right after", ""),
        [[row.what, str(row.questions), str(row.before), str(row.after), marks[row.passed]] for row in verdict.rows],
    )
    for question, answer in verdict.wrong:
        typer.echo(f"✗ {question} → {answer}")
    if not verdict.passed:
        sys.stderr.write("It did not pass: train longer, or on more phrasings, and check again.\n")


def _plain(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "event"}
