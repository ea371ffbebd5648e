"""The indexes of all bases, kept fresh while the rooms are open.

A thread asks every ``poll_s`` seconds for the bases' watermarks; where one differs, it makes the next snapshot and
swaps it in. A query takes the snapshot that is there and never waits. So a running room sees what another process
committed (``maodou kb add``) one poll and one refresh later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import structlog
from sqlalchemy import Connection

from bot.store import Store
from rag import index
from rag.embedding import Embedder, embedder_of
from rag.index import BaseIndex, BaseRow
from rag.settings import KnowledgeSettings, LsaEmbedding

log = structlog.get_logger(__name__)

UNFINISHED_S = 3_600.0
"""A file that has been written to for longer was left by a process that died."""


class Indexes:
    """Open with :meth:`open`, keep fresh with :meth:`start`, end with :meth:`close`. ``folder``: of the cache files,
    None for none. ``embedder``: the one that is configured, when it is shared with others. :attr:`current` may be
    read from any thread."""

    def __init__(
        self, store: Store, settings: KnowledgeSettings, folder: Path | None = None, embedder: Embedder | None = None
    ) -> None:
        self.store = store
        self.settings = settings
        self.folder = folder
        self.embedder = embedder if embedder is not None else embedder_of(settings)
        self._current: Mapping[str, BaseIndex] = {}
        self._refreshing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def current(self) -> Mapping[str, BaseIndex]:
        """The snapshots by base's name, as they stand now."""
        return self._current

    def open(self) -> None:
        """Load what is saved and bring it up to date: blocks, a moment when the files are fresh."""
        self.refresh(load=True)

    def start(self) -> None:
        """Keep them fresh from a thread of their own."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._poll_forever, name="index-poll", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _poll_forever(self) -> None:
        while not self._stop.wait(self.settings.poll_s):
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001 (the database may be away; what we have still answers)
                log.warning("indexes.refresh_failed", error=str(error))

    def refresh(self, *, load: bool = False) -> bool:
        """Bring every base up to date now; True when something had changed. Blocks; for threads and commands."""
        with self._refreshing:
            rows = self.store.read_now(lambda connection: index.base_rows(connection, self._model()))
            now: dict[str, BaseIndex] = {}
            changed = {row.name for row in rows} != set(self._current)
            for row in rows:
                old = self._current.get(row.name)
                if old is not None and old.watermark == row.watermark and old.recipe == row.recipe:
                    now[row.name] = old
                    continue
                now[row.name] = self._refresh(row, self._load(row) if old is None and load else old)
                changed = True
            self._current = now
            if changed or load:
                self._sweep({row.id for row in rows})
            return changed

    def _sweep(self, ids: set[int]) -> None:
        """Delete the files of bases that are gone, with their words, and what a crash left half-written."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            number = path.name.partition(".")[0]
            gone = path.suffix == ".index" and number.isdecimal() and int(number) not in ids
            try:
                if gone or (path.suffix == ".new" and path.stat().st_mtime < time.time() - UNFINISHED_S):
                    path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("indexes.not_deleted", path=str(path), error=str(error))

    def _model(self) -> str:
        """What the vectors are made with, for the recipe."""
        return self.settings.embedding.model_dump_json() if self.embedder is None else self.embedder.key

    def _path(self, row: BaseRow) -> Path | None:
        return None if self.folder is None else self.folder / f"{row.id}.index"

    def _load(self, row: BaseRow) -> BaseIndex | None:
        path = self._path(row)
        return None if path is None else index.load(path, row.recipe)

    def _refresh(self, row: BaseRow, old: BaseIndex | None) -> BaseIndex:
        began = time.monotonic()

        embedding = self.settings.embedding
        lsa = embedding if isinstance(embedding, LsaEmbedding) else None
        model = None if self.embedder is None else self.embedder.key

        def read(connection: Connection) -> BaseIndex:
            return index.refreshed(connection, row, old, model, lsa)

        new = self.store.read_now(read)
        path = self._path(row)
        if path is not None and (old is None or old.watermark != new.watermark):
            try:
                index.save(new, path)
            except OSError as error:
                log.warning("indexes.not_saved", base=row.name, path=str(path), error=str(error))
        log.info(
            "indexes.refreshed",
            base=row.name,
            watermark=new.watermark,
            chunks=new.words.chunks,
            seconds=round(time.monotonic() - began, 3),
        )
        return new
