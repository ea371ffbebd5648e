"""``maodou voice …``: get a model that hears, try it on a file, and hear how the bot speaks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asr_tts.mouth import Mouth
    from asr_tts.pull import Puller, RemoteFile, RemoteModel
    from bot.delivery import Audio, Speech
    from maodou.config import Settings

app = typer.Typer(help="Voice messages: get a speech model, try it on a file, hear it speak.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


@app.command()
def pull(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="owner/name on the hub; without it, the configured ones.")] = "",
    hub: Annotated[str, typer.Option(help="modelscope or huggingface; without it, the configured one.")] = "",
    mirror: Annotated[str, typer.Option(help="The address of a mirror of the hub.", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before fetching.")] = False,
) -> None:
    """Fetch the model that hears. Broken off, it goes on where it was."""
    from asr_tts.pull import HUBS, Puller
    from bot.errors import UsageError
    from maodou.config import begin

    settings = begin(context.obj, quiet=True)
    ear = settings.voice.ear
    chosen = hub or ear.hub
    if chosen not in HUBS:
        raise UsageError(f"There is no hub {chosen!r}: modelscope or huggingface.")
    names = [model] if model else [name for name in (ear.model, ear.vad_model, ear.punc_model) if name]
    models = settings.data_dir / "models"
    with Puller(chosen, base=mirror) as puller:
        for name in names:
            if (Path(name).expanduser() / "config.yaml").is_file():
                typer.echo(f"{name} is a folder on this machine: nothing to fetch.")
                continue
            _check_name(name)
            found = puller.look(name)
            _announce(found)
            if not yes and not typer.confirm("Fetch it?", default=True):
                raise typer.Exit(1)
            folder = _with_progress(puller, found, models)
            typer.echo(f"It lies in {folder}.")
    if model and model != ear.model:
        typer.echo(f"To use it, write into config.yaml:  voice: {{ear: {{model: {model}}}}}")
    else:
        typer.echo("Try it: maodou voice hear FILE. A running Maodou hears with it from the next voice message on.")


def _check_name(name: str) -> None:
    from asr_tts.models import target_of
    from bot.errors import UsageError

    try:
        target_of(name, Path())
    except ValueError as error:
        raise UsageError(f"{error}, as in iic/SenseVoiceSmall.") from error


def _announce(found: RemoteModel) -> None:
    typer.echo(f"{found.name}: {found.size_bytes / 1e6:.0f} MB in {len(found.files)} files")
    typer.echo(f"  from     {found.source}")
    typer.echo(f"  licence  {found.license or 'not named by the hub: see its page'}")


def _with_progress(puller: Puller, found: RemoteModel, models: Path) -> Path:
    """One bar over all files; none where nobody looks."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    with Progress(
        "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    ) as bar:
        task = bar.add_task(found.name, total=found.size_bytes)
        here: dict[str, int] = {}

        def show(file: RemoteFile, done: int) -> None:
            here[file.path] = done
            bar.update(task, completed=sum(here.values()))

        return puller.pull(found, models, show)


@app.command()
def hear(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A sound file or a video, in any usual format.")],
    language: Annotated[str, typer.Option(help="zh or en; without it, the model decides.")] = "",
    as_json: JsonOption = False,
) -> None:
    """What the bot would hear in a file – or why it would not."""
    from bot.errors import NotHeard, UsageError
    from maodou.config import begin

    settings = begin(context.obj, quiet=True)
    if not file.is_file():
        raise UsageError(f"There is no file {file}.")
    try:
        told = asyncio.run(_hear(settings, file.absolute(), language or None))
    except NotHeard as error:
        if as_json:
            typer.echo(json.dumps({"refused": error.why, **error.facts}, ensure_ascii=False))
        else:
            typer.echo(f"Not heard ({error.why}): {error.in_language('en')}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo(told["text"])


async def _hear(settings: Settings, file: Path, language: str | None) -> dict[str, object]:
    from asr_tts.ear import make_ear

    ear = make_ear(settings.voice.ear, settings.data_dir / "models")
    try:
        heard = await ear.hear(file, language=language)
    finally:
        await ear.close()
    return {
        "text": heard.text,
        "language": heard.language,
        "confidence": heard.confidence,
        "duration_s": heard.duration_s,
    }


@app.command()
def say(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What to say; Markdown is read as the bot reads it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the voice message goes.")] = Path("speech.ogg"),
    language: Annotated[str, typer.Option(help="zh or en; without it, that of the text.", show_default=False)] = "",
    voice: Annotated[str, typer.Option(help="Whose voice, as the speech service names it.", show_default=False)] = "",
    as_json: JsonOption = False,
) -> None:
    """Say something as the bot would: an ogg/opus file, as the platforms are sent it."""
    import shutil

    from asr_tts.mouth import VOICE_REMEDY, Mouth, what_lacks
    from asr_tts.spoken import spoken
    from bot.delivery import Speech
    from bot.errors import UsageError
    from bot.ports import SystemClock
    from bot.texts import LANGUAGES, language_of
    from maodou.config import begin

    settings = begin(context.obj, quiet=True)
    if language and language not in LANGUAGES:
        raise UsageError(f"There is no language {language!r}: zh or en.")
    mouth = Mouth.make(settings.voice.mouth, settings.data_dir / "speech", SystemClock())
    if mouth is None:
        why, remedy = what_lacks(settings.voice.mouth) or ("no engine is there", VOICE_REMEDY)
        engine = settings.voice.mouth.engine
        raise UsageError(
            f"{engine} cannot speak: {why}. → {remedy}" if engine != "off" else "voice.mouth.engine is off."
        )
    chosen = language or language_of(text)
    said = spoken(text, chosen, settings.voice.mouth.max_chars)
    if not said:
        raise UsageError("There is nothing in this text that can be said.")
    audio = asyncio.run(_say(mouth, Speech(said, chosen, voice)))
    try:
        shutil.copyfile(audio.path, out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.") from error
    if trouble := mouth.health():
        typer.echo(trouble, err=True)
    if as_json:
        told = {"file": str(out), "duration_s": round(audio.duration_s, 3), "said": said}
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo(f"{out}: {audio.duration_s:.1f} s")


async def _say(mouth: Mouth, speech: Speech) -> Audio:
    try:
        return await mouth.say(speech)
    finally:
        await mouth.aclose()
