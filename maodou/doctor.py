"""``maodou doctor``: everything that could be wrong with an installation, and what to do about it.

It changes nothing: no folder is made, no table, no message is sent. A check that cannot be made says why.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, func, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from asr_tts.models import folder_of
from asr_tts.mouth import what_lacks, who_speaks
from bot.checks import CheckResult
from bot.decision import Outcome
from bot.delivery import DeliveryState
from bot.errors import MaodouError, StoreError, UsageError
from bot.reasons import STATES
from bot.store import Store
from bot.tables import deliveries, inbox
from maodou.config import Settings, load
from maodou.config_file import config_path
from maodou.database import check_driver, revision
from maodou.doctor_platforms import account, why_silent
from maodou.housekeeping import LEAST_FREE_BYTES
from maodou.instance import lock_file

EXTRAS = {
    "postgres": ("psycopg", "PostgreSQL as the database"),
    "discord": ("discord", "rooms on Discord"),
    "feishu": ("lark_oapi", "rooms on Feishu"),
    "openai": ("openai", "answers by a model"),
    "funasr": ("funasr", "hearing voice messages"),
}
"""By extra: a module that it brings, and what it is for."""

NEEDED_SECRETS = {"discord": ("token",), "feishu": ("app_secret",)}

OVERDUE_S = 3_600.0
"""A feed that should have been asked so long ago is one that nobody asks."""

Check = Callable[[Settings], Iterator[CheckResult]]


def check_all(config: Path | None) -> list[CheckResult]:
    """Every check that can be made, in the order in which things depend on each other."""
    results = [_python()]
    try:
        settings = load(config)
    except UsageError as error:
        return [*results, CheckResult(False, "configuration", str(error), "Mend the line, then ask again.")]
    results.append(CheckResult(True, "configuration", "read and understood"))
    results.extend(_secrets(config_path(config).parent / ".env"))
    for check in CHECKS:
        results.extend(_made(check, settings))
    return results


def check_room(config: Path | None, room: str) -> list[CheckResult]:
    """What keeps it silent in one room. Raises ``UsageError`` for a wrong room, or a wrong configuration."""
    settings = load(config)
    if not _is_there(settings):
        raise UsageError("There is no database yet: start Maodou first (maodou up).")
    check_driver(settings)
    return why_silent(settings, room, is_running)


def _made(check: Check, settings: Settings) -> Sequence[CheckResult]:
    """The results of a check; one that fails by itself is a result, too."""
    label = check.__name__.strip("_").replace("_", " ")
    try:
        return list(check(settings))
    except MaodouError as error:
        return [CheckResult(False, label, str(error), "See the message.")]
    except Exception as error:  # noqa: BLE001 – the doctor reports what it meets; it must not fall ill itself
        return [CheckResult(False, label, f"could not be checked: {type(error).__name__}: {error}", "See the log.")]


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────


def _python() -> CheckResult:
    version = ".".join(map(str, sys.version_info[:3]))
    tested = (3, 11) <= sys.version_info < (3, 15)
    return CheckResult(tested, "Python", version, "" if tested else "Use Python 3.11, 3.12, 3.13 or 3.14.")


def _data_folder(settings: Settings) -> Iterator[CheckResult]:
    folder = settings.data_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        advice = "Change its rights, or set data_dir (MAODOU_DATA_DIR)."
        yield CheckResult(False, "data folder", f"{existing} cannot be written to: {error.strerror}", advice)
    else:
        yield CheckResult(
            True, "data folder", str(folder) if folder.exists() else f"{folder} (made at the first start)"
        )
    free = shutil.disk_usage(existing).free
    advice = "" if free >= LEAST_FREE_BYTES else "Make room: messages that cannot be kept are not acknowledged."
    yield CheckResult(not advice, "disk space", f"{free / 2**30:.1f} GiB free", advice)


def _secrets(file: Path) -> Iterator[CheckResult]:
    if file.exists() and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield CheckResult(False, "secrets", f"{file} can be read by others on this machine", f"chmod 600 {file}")


def _extras(settings: Settings) -> Iterator[CheckResult]:
    wanted = {"postgres": settings.database_url.startswith("postgresql")}
    wanted |= {name: name in settings.platforms for name in ("discord", "feishu")}
    wanted["openai"] = settings.model is not None
    wanted["funasr"] = _hears(settings) and settings.voice.ear.server is None
    for extra, (module, purpose) in EXTRAS.items():
        here = importlib.util.find_spec(module) is not None
        if wanted[extra] and not here:
            advice = f"make setup ALL=1, or pip install -e '.[{extra}]'"
            yield CheckResult(False, f"extra {extra}", f"missing, and needed for {purpose}", advice)


def _hears(settings: Settings) -> bool:
    ear = settings.voice.ear
    return ear.server is not None or folder_of(ear.model, settings.data_dir / "models") is not None


def _ear(settings: Settings) -> Iterator[CheckResult]:
    """Not hearing is no fault: it is how Maodou comes. A model that was named and is not there is one."""
    ear = settings.voice.ear
    if ear.server is not None:
        yield CheckResult(True, "ear", f"{ear.server.model} at {ear.server.url} turns voice messages into text")
    elif _hears(settings):
        yield CheckResult(True, "ear", f"{ear.model} turns voice messages into text")
    else:
        is_named = ear.model != type(ear)().model
        has_library = importlib.util.find_spec(EXTRAS["funasr"][0]) is not None
        library = "" if has_library else "make setup ALL=1 (outside a clone: pip install 'maodou[funasr]'), then "
        advice = f"{library}maodou voice pull"
        yield CheckResult(not is_named, "ear", f"{ear.model} is not here: voice messages are not heard", advice)


def _mouth(settings: Settings) -> Iterator[CheckResult]:
    """Not speaking is no fault, unless an engine was named that is not there."""
    mouth = settings.voice.mouth
    if mouth.engine == "off":
        yield CheckResult(True, "mouth", "off: answers are only written")
        return
    speaks = who_speaks(mouth)
    if mouth.engine in speaks:
        stand_in = f", or {speaks[1]}" if len(speaks) > 1 else ""
        yield CheckResult(True, "mouth", f"{mouth.engine}{stand_in} says answers aloud")
        return
    is_named = mouth.engine != type(mouth)().engine
    why, advice = what_lacks(mouth) or ("it is not configured", "")
    instead = f"{speaks[0]} speaks instead" if speaks else "answers are only written"
    yield CheckResult(not is_named, "mouth", f"{mouth.engine} cannot speak: {why}; {instead}", advice)


# ── what is stored ───────────────────────────────────────────────────────────────────────────────────────


def _database(settings: Settings) -> Iterator[CheckResult]:
    check_driver(settings)
    shown = make_url(settings.database_url).render_as_string(hide_password=True)
    if not _is_there(settings):
        yield CheckResult(True, "database", f"{shown} (made at the first start)")
        return
    store = Store.open(settings.store)
    try:
        stands = revision(store)
        at = f"{shown}, revision {stands.current or 'none'}"
        advice = "" if stands.is_current else "maodou db upgrade (or `maodou up`, which does it, too)"
        yield CheckResult(stands.is_current, "database", at, advice)
        if stands.is_current:
            yield from store.read_now(_messages)
            yield from _knowledge(settings, store)
            yield from store.read_now(_feeds)
    except (SQLAlchemyError, StoreError) as error:
        why = str(error.__cause__ or error).strip().splitlines()[0]
        yield CheckResult(False, "database", f"{shown} does not answer: {why}", "Start it, or mend `database`.")
    finally:
        store.close()


def _is_there(settings: Settings) -> bool:
    """SQLite makes a file by being asked; the doctor must not."""
    url = make_url(settings.database_url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def _messages(connection: Connection) -> list[CheckResult]:
    """What became of the messages that are still on record, and what did not arrive."""
    counted = select(inbox.c.outcome, func.count()).group_by(inbox.c.outcome)
    decided: dict[str | None, int] = {row[0]: row[1] for row in connection.execute(counted)}
    undecided = decided.pop(None, 0)
    told = [f"{decided[each]} {each}" for each in Outcome if each in decided]
    failed = decided.get(Outcome.FAILED, 0)
    results = [
        CheckResult(
            not failed,
            "messages",
            ", ".join([*told, *([f"{undecided} waiting"] if undecided else [])]) or "none yet",
            "The log has the details: search it for lane.failed and lane.deadline." if failed else "",
        )
    ]
    lost = (DeliveryState.UNCERTAIN, DeliveryState.UNDELIVERABLE)
    chosen = select(deliveries.c.state, func.count()).where(deliveries.c.state.in_([each.value for each in lost]))
    for state, count in connection.execute(chosen.group_by(deliveries.c.state)):
        said = STATES[DeliveryState(state)].in_language("en")
        advice = "Look at each with /why in its room; the column `error` of `deliveries` says what the platform said."
        results.append(CheckResult(False, "deliveries", f"{count} {state}: {said}", advice))
    return results


def _knowledge(settings: Settings, store: Store) -> Iterator[CheckResult]:
    from rag.library import Library

    bases = Library(store, settings.knowledge).bases()
    for base in bases:
        refused = f", {base.refused} not taken in (maodou kb list --kb {base.name})" if base.refused else ""
        told = f"{base.documents} documents, {base.chunks} passages{refused}"
        empty = "" if base.chunks else f"maodou kb add FOLDER --kb {base.name}"
        yield CheckResult(base.chunks > 0, f"knowledge base {base.name}", told, empty)
    read = settings.rooms.get("knowledge", ["default"])
    for name in [read] if isinstance(read, str) else read:
        if name not in {base.name for base in bases}:
            advice = f"maodou kb add FOLDER --kb {name}"
            yield CheckResult(False, f"knowledge base {name}", "rooms read it, and it is not there", advice)


def _feeds(connection: Connection) -> list[CheckResult]:
    """Which feeds cannot be read now, and whether they are asked at all."""
    from recommender.subscriptions import health

    found = health(connection, time.time())
    if not found.feeds:
        return []
    results = [CheckResult(True, "feeds", f"{found.feeds} read, {found.waiting} entries wait for their digest")]
    if found.failing:
        named = "; ".join(
            f"{each['address']} ({each['reason']}, {each['failures']} times)" for each in found.failing[:3]
        )
        more = f" and {len(found.failing) - 3} more" if len(found.failing) > 3 else ""
        told = f"not readable: {named}{more}"
        results.append(CheckResult(False, "feeds", told, "maodou feeds test ADDRESS shows how it is now."))
    if found.overdue_s > OVERDUE_S:
        told = f"the next one is {found.overdue_s / 3600:.1f} hours overdue"
        results.append(CheckResult(False, "feeds", told, "Is `maodou up` running? Its log says more."))
    return results


# ── what is asked of others ──────────────────────────────────────────────────────────────────────────────


def _web_room(settings: Settings) -> Iterator[CheckResult]:
    web = settings.serves_web
    if web is None:
        return
    where = f"{web.host}, port {web.port}"
    if is_running(settings):
        yield CheckResult(True, "web room", f"{where} (Maodou is running)")
        return
    from adapters.web.server import Server

    server = Server(web, settings.data_dir / "web")
    server.bind()
    server.release()
    yield CheckResult(True, "web room", f"{where} is free")


def is_running(settings: Settings) -> bool:
    """Whether another process works with this data."""
    file = lock_file(settings)
    if not file.exists():
        return False
    try:
        with FileLock(file).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _platforms(settings: Settings) -> Iterator[CheckResult]:
    """Each configured platform has its secrets, and knows them."""
    for name in settings.platforms:
        section = getattr(settings, name)
        missing = [secret for secret in NEEDED_SECRETS[name] if not getattr(section, secret).get_secret_value()]
        if missing:
            variables = " and ".join(f"MAODOU_{name}_{secret}=…".upper() for secret in missing)
            yield CheckResult(False, name, f"{' and '.join(missing)} not set", f"Put {variables} into .env.")
        else:
            yield from account(settings, name)


def _embedding(settings: Settings) -> Iterator[CheckResult]:
    kind = settings.knowledge.embedding.kind
    if kind == "none":
        yield CheckResult(True, "embedding", "none: passages are found by their words")
        return
    if kind == "lsa":
        yield CheckResult(True, "embedding", "LSA, fitted on each base")
        return
    from rag.embedding import embedder_of

    embedder = embedder_of(settings.knowledge)
    vector = embedder.query("maodou") if embedder else ()
    yield CheckResult(True, "embedding", f"{kind} answers with {len(vector)} dimensions")


def _model(settings: Settings) -> Iterator[CheckResult]:
    """Each endpoint is asked for one word: a list of models would not show that one of them answers."""
    if settings.model is None:
        yield CheckResult(True, "model", "none: answers are the documents' own words")
        return
    if importlib.util.find_spec("openai") is None:
        return  # said above, with the extras
    from llm.checks import check

    yield from asyncio.run(check(settings.model, os.environ))


CHECKS: tuple[Check, ...] = (_data_folder, _extras, _database, _web_room, _platforms, _embedding, _model, _ear, _mouth)
