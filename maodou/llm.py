"""``maodou llm …``: a model of one's own – fetched, quantised, exported, served and measured."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maodou import llm_bench
from maodou.command_parts import progress

if TYPE_CHECKING:
    from llm.serving import Plan
    from maodou.config import Settings

app = typer.Typer(help="A model of your own: fetch, quantise, export, serve and measure it.", no_args_is_help=True)
app.command()(llm_bench.bench)


@app.callback()
def clean_end() -> None:
    """A model of your own: fetch, quantise, export, serve and measure it."""
    # Asked to end, a command takes away what it has half written; without this the process would be gone at once.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


HubOption = Annotated[Literal["modelscope", "huggingface"], typer.Option(help="Where a model is fetched from.")]
MirrorOption = Annotated[str, typer.Option(help="The address of a mirror of that hub.", show_default=False)]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Fetch without asking.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]
ModelArgument = Annotated[str, typer.Argument(help="A folder, a name such as internlm3-8b-instruct, or OWNER/NAME.")]


@app.command()
def fetch(
    context: typer.Context,
    model: ModelArgument,
    hub: HubOption = "modelscope",
    mirror: MirrorOption = "",
    yes: YesOption = False,
) -> None:
    """Fetch a model from a hub: its size and licence are shown first; a second call goes on where one ended."""
    from maodou.config import begin
    from maodou.llm_models import find_or_fetch

    typer.echo(f"{find_or_fetch(begin(context.obj, quiet=True), model, hub, mirror, yes=yes)}")


@app.command()
def quantize(
    context: typer.Context,
    model: ModelArgument,
    w4: Annotated[bool, typer.Option("--w4", help="Weights of 4 bits, activations of 16 (AWQ).")] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="Text to calibrate with; without it, the knowledge base's.", show_default=False)
    ] = None,
    kb: Annotated[str, typer.Option("--kb", help="The knowledge base to calibrate with.")] = "default",
    into: Annotated[Path | None, typer.Option(help="The new folder.", show_default="MODEL-w4")] = None,
    device: Annotated[
        Literal["auto", "cuda", "cpu"], typer.Option(help="Where to compute; a processor takes hours for 7B.")
    ] = "auto",
    hub: HubOption = "modelscope",
    mirror: MirrorOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a model four times smaller with the community's own text, and prove that it is still itself."""
    from bot.errors import UsageError
    from llm.machine import machine
    from llm.quantise import quantise
    from maodou.config import begin
    from maodou.llm_models import calibration_texts, environment, find_or_fetch

    if not w4:
        raise UsageError("Say how: maodou llm quantize MODEL --w4 (weights of 4 bits is what there is).")
    settings = begin(context.obj, quiet=True)
    folder = find_or_fetch(settings, model, hub, mirror, yes=yes)
    texts = calibration_texts(settings, calibration, kb)
    has_cuda = machine().has_cuda
    if device == "cuda" and not has_cuda:
        raise UsageError("This machine has no CUDA device: --device cpu does it, slowly.")
    on = "cuda" if device != "cpu" and has_cuda else "cpu"
    target = (into or folder.with_name(f"{folder.name}-w4")).absolute()
    with progress(as_json) as show:
        made_in = environment(settings, "lmdeploy" if on == "cuda" else "lmdeploy-cpu", as_json)
        report = quantise(folder, target, texts, made_in, device=on, progress=show)
    if as_json:
        typer.echo(json.dumps({"into": str(target), **json.loads(report.as_json())}, ensure_ascii=False))
    else:
        typer.echo(report.as_markdown())
        typer.echo(f"{target}: maodou llm serve {target} --w4")


@app.command()
def export(
    context: typer.Context,
    model: ModelArgument,
    gguf: Annotated[bool, typer.Option("--gguf", help="As one GGUF file, for llama.cpp.")] = False,
    kind: Annotated[Literal["f16", "q8_0", "q4_0"], typer.Option("--type", help="The bits of a weight.")] = "q8_0",
    into: Annotated[Path | None, typer.Option(help="The new file.", show_default="MODEL-TYPE.gguf")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as one file that llama.cpp serves on any processor."""
    import importlib.util

    from bot.errors import UsageError
    from llm.gguf_export import export as write
    from maodou.config import begin
    from maodou.llm_models import find_here

    if not gguf:
        raise UsageError("Say what as: maodou llm export MODEL --gguf.")
    if not all(importlib.util.find_spec(name) for name in ("gguf", "sentencepiece")):
        raise UsageError("GGUF needs the extra `models`: make setup ALL=1.")
    folder = find_here(begin(context.obj, quiet=True), model)
    file = (into or folder.with_name(f"{folder.name}-{kind}.gguf")).absolute()
    if file.exists():
        raise UsageError(f"{file} is there already: take it away, or name another file with --into.")
    with progress(as_json) as show:
        size = write(folder, file, kind, show)
    if as_json:
        typer.echo(json.dumps({"file": str(file), "bytes": size, "type": kind}))
    else:
        typer.echo(f"{file}, {size / 2**20:,.0f} MiB: maodou llm serve {file}")


@app.command()
def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A folder, a name, OWNER/NAME, or a GGUF file.")],
    w4: Annotated[bool, typer.Option("--w4", help="The W4A16 copy that `llm quantize` made.")] = False,
    kv: Annotated[int, typer.Option("--kv", help="Bits of keys and values: 16, 8 or 4.")] = 16,
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 23_333,
    tokens: Annotated[int, typer.Option(min=2_048, help="The longest conversation, in tokens.")] = 8_192,
    sessions: Annotated[int, typer.Option(min=1, help="Conversations at once; the cache is made for all of them.")] = 8,
    threads: Annotated[int, typer.Option(min=0, help="Of llama.cpp; 0: it chooses.")] = 0,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the Python code in the model's folder.")
    ] = False,
    hub: HubOption = "modelscope",
    mirror: MirrorOption = "",
    yes: YesOption = False,
) -> None:
    """Serve a model on this machine, for this machine alone, and watch over the server."""
    from bot.errors import UsageError
    from llm.machine import llama_server, machine
    from llm.serving import NO_CUDA, Wishes, plan_llama, plan_turbomind
    from maodou.config import begin
    from maodou.llm_models import find_or_fetch

    if kv not in (16, 8, 4):
        raise UsageError("--kv is 16, 8 or 4.")
    settings = begin(context.obj)
    wishes = Wishes(w4, kv, port, tokens, sessions, trust_remote_code)
    if model.endswith(".gguf"):
        _run(settings, plan_llama(Path(model).absolute(), llama_server(), wishes, threads), context.obj)
        return
    here = machine()
    if not here.has_cuda:  # before gigabytes are fetched for nothing
        raise UsageError(NO_CUDA)
    folder = find_or_fetch(settings, model, hub, mirror, yes=yes)
    packed = folder.with_name(f"{folder.name}-w4")
    _run(settings, plan_turbomind(packed if w4 and packed.is_dir() else folder, here, wishes), context.obj)


def _run(settings: Settings, plan: Plan, config: Path | None) -> None:
    from llm.processes import without_secrets
    from llm.serving import KEY, key_in
    from llm.watching import LOG_FILE, Watch, check_port
    from llm.worker_process import SCRIPTS
    from maodou.config_file import config_path
    from maodou.llm_models import environment

    check_port(plan.url)
    command = list(plan.program)
    if plan.script:
        python = sys.executable
        if plan.engine == "turbomind":
            python = str(environment(settings, "lmdeploy", False).python)
        command = [python, str(SCRIPTS / f"{plan.script}.py")]
    env_file = config_path(config).parent / ".env"
    key, new = key_in(env_file, os.environ)
    own = {KEY: key, "LLAMA_API_KEY": key, "PYTHONUNBUFFERED": "1"}
    environ = {**without_secrets(os.environ), **plan.environ, **own}
    told = settings.data_dir / LOG_FILE
    typer.echo(f"{plan.note}. Its words go to {told}.")

    def ready(seconds: float) -> None:
        typer.echo(f"{plan.name} answers at {plan.url} after {seconds:.0f} s. In config.yaml:\n{plan.config_line}")
        if new:
            typer.echo(f"Its key was written to {env_file} as {KEY}.")

    watch = Watch(command, plan.job, plan.url, environ, told, ready=ready)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, watch.stop)
    watch.run()
