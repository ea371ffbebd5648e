"""Folders and repositories that are kept in step by themselves: what is due is told by a row of ``kb_sources``.

A sync is :meth:`rag.library.Library.add`, which takes up where an interrupted one stopped, so all that is remembered
of one at work is when it began: at the next start it is due again. One source at a time, in a thread of its own; asked
to stop, it ends after the batch at hand.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event as Flag
from typing import Any

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from bot.errors import MaodouError, ModelError, UsageError
from bot.ports import Clock
from bot.store import Store
from rag.embed import embed
from rag.git import Cancelled, checked_address, fetch, is_repository
from rag.library import Library, SyncReport
from rag.tables import bases, documents, sources
from rag.writing import base_id_of, remove_documents

log = structlog.get_logger(__name__)

TELL_EVERY_S = 1.0
"""How often a sync writes down how far it is, and looks whether it is to end."""
LEAST_INTERVAL_S = 60.0
STALE_S = 3_600.0
"""A sync that began so long ago is believed to have died with its process; two at once cost time and nothing else."""
FETCHED = "maodou-git-"
"""How the temporary folders of repositories are named."""
LEFT_S = 86_400.0
"""Such a folder of ours that is older was left by a process that was killed."""
RETRY_S = 60.0
"""After a sync of ours whose end could not be written down."""


class SourceKind(StrEnum):
    FOLDER = "folder"
    GIT = "git"


@dataclass(frozen=True, slots=True)
class Source:
    """``told``: what the last sync did, or why it failed. ``done`` of ``total`` files, while one is at work
    (``began_at``). Times are Unix seconds; ``due_at`` None: not by itself."""

    id: int
    base: str
    kind: SourceKind
    address: str
    every_s: float
    due_at: float | None
    began_at: float | None
    ended_at: float | None
    revision: str
    told: str
    failed: bool
    done: int
    total: int
    cancelled: bool


class Sources:
    """The sources of all bases. Its methods block."""

    def __init__(self, library: Library, clock: Clock) -> None:
        self._library = library
        self._store: Store = library.store
        self._clock = clock
        self._git = library.settings.git

    def add(self, base: str, address: str, every_s: float | None = None) -> Source:
        """Keep ``base`` in step with a folder or a repository: at once, then every ``every_s`` (0: when asked).

        Raises ``UsageError`` for an address that cannot be one.
        """
        kind = SourceKind.GIT if is_repository(address) else SourceKind.FOLDER
        if kind is SourceKind.GIT:
            if "://" not in address:
                address = str(Path(address).expanduser().absolute())
            checked_address(address, self._git)
        else:
            address = str(Path(address).expanduser().absolute())
            if not Path(address).is_dir():
                raise UsageError(f"There is no folder at {address}.")
        every_s = (self._git.every_s if kind is SourceKind.GIT else 0.0) if every_s is None else every_s
        if 0 < every_s < LEAST_INTERVAL_S:
            raise UsageError(f"A source is looked at every {LEAST_INTERVAL_S:g} s at most.")
        row = {"kind": kind.value, "every_s": every_s, "due_at": self._clock.now(), "revision": ""}

        def write(connection: Connection) -> int:
            base_id = base_id_of(connection, base)
            here = (sources.c.base_id == base_id) & (sources.c.address == address)
            known = connection.scalar(select(sources.c.id).where(here))
            if known is not None:
                connection.execute(update(sources).where(here).values(**row))
                return int(known)
            made = insert(sources).values(base_id=base_id, address=address, **row).returning(sources.c.id)
            return int(connection.execute(made).scalar_one())

        number = self._store.write_now(write)
        return next(source for source in self.all() if source.id == number)

    def all(self, base: str | None = None) -> list[Source]:
        """By base and address."""
        query = select(sources, bases.c.name.label("base")).join(bases).order_by(bases.c.name, sources.c.address)
        if base is not None:
            query = query.where(bases.c.name == base)
        rows = self._store.read_now(lambda connection: connection.execute(query).all())
        return [_source(row) for row in rows]

    def remove(self, base: str, address: str) -> int | None:
        """Stop keeping it, and take its documents out; how many, or None when there is no such source."""
        found = next((each for each in self.all(base) if each.address == address), None)
        if found is None:
            return None

        def write(connection: Connection) -> int:
            base_id = base_id_of(connection, base)
            connection.execute(delete(sources).where(sources.c.id == found.id))
            return _take_out(connection, base_id, found.address)

        return self._store.write_now(write)

    def ask(self, number: int) -> None:
        """Make a source due now."""
        self._change(number, due_at=self._clock.now(), cancelled=False)

    def cancel(self, number: int) -> None:
        """Ask a sync that is at work to end; it is due again at its next time."""
        self._change(number, cancelled=True)

    def resume(self, after_s: float = 0.0) -> int:
        """What an earlier process was at, or we before the database went away, is due again; how many."""
        again = update(sources).where(sources.c.began_at.is_not(None))
        values: dict[str, Any] = {"began_at": None, "due_at": self._clock.now() + after_s}
        return self._store.write_now(lambda connection: connection.execute(again.values(**values)).rowcount)

    def due(self) -> list[Source]:
        """What is to be synced now, the longest waiting first."""
        now = self._clock.now()
        found = [each for each in self.all() if each.due_at is not None and each.due_at <= now]
        idle = [each for each in found if each.began_at is None or each.began_at <= now - STALE_S]
        return sorted(idle, key=lambda each: each.due_at or 0.0)

    def sync(self, source: Source, stop: Flag | None = None) -> SyncReport | None:
        """Bring a base in step with ``source`` now; None when that failed, was ended, or nothing had changed. What
        came of it is written down; nothing is raised for what a source does wrong."""
        began = self._clock.now()
        self._change(source.id, began_at=began, done=0, total=0, cancelled=False)
        watch = _Watch(self, source.id, stop)
        report: SyncReport | None = None
        revision, told, failed = source.revision, "", False
        try:
            revision, report = self._synced(source, watch)
            told = _told(report)
        except Cancelled:
            told = "It was ended before it was done."
        except MaodouError as error:
            told, failed = str(error), True
        except OSError as error:
            told, failed = f"{type(error).__name__}: {error.strerror or error}", True
        except Exception as error:  # a document that a reader fails over must not hold up the other sources
            log.exception("sources.failed", source=source.id, base=source.base)
            told, failed = f"It failed in a way that was not foreseen ({type(error).__name__}): see the log.", True
        self._store.write_now(lambda connection: _take_out_if_gone(connection, source))
        if stop is not None and stop.is_set() and (report is None or report.cancelled):
            return None  # the process ends: as after a crash, the next start takes it up
        ended = self._clock.now()
        due_at = ended + source.every_s if source.every_s else None
        self._change(
            source.id,
            began_at=None,
            ended_at=ended,
            due_at=due_at,
            told=told,
            failed=failed,
            revision="" if report is not None and report.cancelled else revision,
        )
        log.info("sources.synced", source=source.id, base=source.base, failed=failed, seconds=round(ended - began, 1))
        return report

    def _synced(self, source: Source, watch: _Watch) -> tuple[str, SyncReport | None]:
        if source.kind is SourceKind.FOLDER:
            if not Path(source.address).is_dir():
                raise UsageError(f"There is no folder at {source.address}; its documents stay as they were.")
            return "", self._library.add(Path(source.address), source.base, watch.progress, watch.flag)
        with tempfile.TemporaryDirectory(prefix=FETCHED) as folder:
            revision = fetch(source.address, source.revision, Path(folder), self._git, watch.flag)
            if revision == source.revision:
                return revision, None
            files = Path(folder) / "files"
            report = self._library.add(files, source.base, watch.progress, watch.flag, origin=source.address)
            return revision, report

    def _change(self, number: int, **values: object) -> None:
        self._store.write_now(
            lambda connection: connection.execute(update(sources).where(sources.c.id == number).values(**values))
        )

    def is_cancelled(self, number: int) -> bool:
        query = select(sources.c.cancelled).where(sources.c.id == number)
        found = self._store.read_now(lambda connection: connection.scalar(query))
        return found is None or bool(found)  # gone, or somebody asked


def delete_what_was_left() -> None:
    """Delete repositories that killed processes fetched and could not clear away."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FETCHED}*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours
            told = folder.lstat()
            if stat.S_ISDIR(told.st_mode) and told.st_uid == os.getuid() and told.st_mtime < time.time() - LEFT_S:
                shutil.rmtree(folder)


def _take_out(connection: Connection, base_id: int, address: str) -> int:
    """Take the documents of a source out of its base; how many."""
    theirs = (documents.c.base_id == base_id) & (documents.c.root == address)
    ids = connection.scalars(select(documents.c.id).where(theirs)).all()
    if ids:
        remove_documents(base_id, ids, connection)
    return len(ids)


def _take_out_if_gone(connection: Connection, source: Source) -> None:
    """What a sync wrote after its source was removed goes as well: it ended only after the batch at hand."""
    if connection.scalar(select(sources.c.id).where(sources.c.id == source.id)) is None:
        base_id = connection.scalar(select(bases.c.id).where(bases.c.name == source.base))
        if base_id is not None:
            _take_out(connection, base_id, source.address)


class _Watch:
    """Writes down how far a sync is, and ends it when that is asked for."""

    def __init__(self, sources: Sources, number: int, stop: Flag | None) -> None:
        self._sources = sources
        self._number = number
        self._stop = stop
        self._told_at = time.monotonic()
        self.flag: Flag = _Either(self._asked)

    def _asked(self) -> bool:
        if self._stop is not None and self._stop.is_set():
            return True
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return False
        self._told_at = time.monotonic()
        return self._sources.is_cancelled(self._number)

    def progress(self, done: int, total: int, source: str) -> None:
        if done == total or time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._sources._change(self._number, done=done, total=total)


class _Either(Flag):
    """A flag that is set when it is, or when somebody else says so."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        super().__init__()
        self._asked = asked

    def is_set(self) -> bool:
        if not super().is_set() and self._asked():
            self.set()
        return super().is_set()


class Keeper:
    """The thread that syncs what is due, one after the other, and makes the vectors that are missing at a start."""

    def __init__(self, sources: Sources, library: Library) -> None:
        self._sources = sources
        self._library = library
        self._stop = Flag()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="source-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends after the batch at hand."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            self._sources.resume()
            delete_what_was_left()
            self._embed_what_is_missing()
        except Exception:  # the sources are kept all the same
            log.exception("sources.start_failed")
        resumed = True
        while not self._stop.wait(self._library.settings.sync_poll_s):
            try:
                if not resumed:
                    self._sources.resume(RETRY_S)
                    resumed = True
                for source in self._sources.due():
                    if self._stop.is_set():
                        break
                    self._sources.sync(source, self._stop)
            except Exception:  # the database may be away; the next look is soon
                resumed = False
                log.exception("sources.look_failed")

    def _embed_what_is_missing(self) -> None:
        """A base that was filled before an embedding was configured, or changed, gets its vectors now."""
        if self._library.embedder is None:
            return
        for base in self._library.bases():
            try:
                embed(self._library.store, self._library.settings, self._library.embedder, base.name, cancel=self._stop)
            except ModelError as error:
                log.warning("library.not_embedded", base=base.name, error=str(error))
                return


def _source(row: Any) -> Source:
    return Source(
        row.id,
        row.base,
        SourceKind(row.kind),
        row.address,
        row.every_s,
        row.due_at,
        row.began_at,
        row.ended_at,
        row.revision,
        row.told,
        row.failed,
        row.done,
        row.total,
        row.cancelled,
    )


def _told(report: SyncReport | None) -> str:
    if report is None:
        return "Nothing has changed."
    if report.cancelled:
        return "It was ended before it was done."
    counts = {
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "not taken in": len(report.refused),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{said or 'no document found'}; {report.chunks} passages."
