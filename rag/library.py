"""The shelf: folders and files in, documents and chunks in SQL, kept in step with what is on disk.

``add`` is a sync. What has not changed (by hash of bytes, reader's and splitter's version) is left alone; what has
changed is read and split before a transaction is opened, and written in batches; what has gone from the folder is
taken out. A file that cannot be read costs a reason and nothing else. Every batch raises the base's watermark, by
which an index notices (:mod:`rag.index`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event as Flag

import structlog
from sqlalchemy import Connection, delete, func, select, update

from bot.errors import ModelError, UsageError
from bot.store import Operation, Store
from rag import readers, split
from rag.embed import embed
from rag.embedding import Embedder, embedder_of
from rag.readers import PASSING, Closed, Refusal, Refused
from rag.settings import KnowledgeSettings
from rag.tables import bases, documents
from rag.writing import Chunk, Known, Read, Status, base_id_of, remove_documents, write_batch

log = structlog.get_logger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the source of the last one."""

RESERVED = ("none", "无")
"""As a room's setting they mean that it reads no base."""

BASE_NAME = re.compile(r"[A-Za-z0-9\u3400-\u9fff][\w.-]{0,63}")
"""What a room's setting ``knowledge`` can name."""


@dataclass(slots=True)
class SyncReport:
    """What a sync did, by source."""

    base: str
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: list[tuple[str, Refusal]] = field(default_factory=list)
    unchanged: int = 0
    chunks: int = 0
    """Chunks of the base when the sync was done."""
    embedded: int = 0
    """Texts that were given vectors."""
    not_embedded: str = ""
    """Why the model gave no vectors, when it failed."""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    name: str
    documents: int
    refused: int
    chunks: int
    watermark: int


@dataclass(frozen=True, slots=True)
class Document:
    """``reason``: a :class:`rag.readers.Refusal`, or empty."""

    base: str
    root: str
    source: str
    title: str
    status: Status
    reason: str
    chunks: int
    bytes: int
    changed_at: float
    added_by: str = ""
    """The member who gave it, by key; empty: an operator did."""

    @property
    def trust(self) -> str:
        """``operator``, or ``member``: what a member gave never stands in the way of what an operator did."""
        return "member" if self.added_by else "operator"


def check_base_name(name: str) -> None:
    """Raises ``UsageError`` for what cannot name a base; a name that can is also a safe name for a folder."""
    if name in RESERVED:
        raise UsageError(f"{name!r} is reserved and cannot name a knowledge base: as a room's setting it means none.")
    if not BASE_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a knowledge base: letters, digits, Chinese characters, . _ -, at most 64."
        )


class Library:
    """The documents of all bases. Its methods block: call them from a command or a worker thread."""

    def __init__(self, store: Store, settings: KnowledgeSettings, embedder: Embedder | None = None) -> None:
        self.store = store
        self.settings = settings
        self.embedder = embedder if embedder is not None else embedder_of(settings)

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────

    def add(
        self,
        path: Path,
        base: str,
        progress: Progress | None = None,
        cancel: Flag | None = None,
        *,
        origin: str | None = None,
    ) -> SyncReport:
        """Bring ``base`` in step with the folder or file ``path``; a base that is not there is made. ``origin``: what
        the documents are told to be from, where that is not the folder itself.

        Cancelling ends after the batch at hand: what was committed stays, the rest is for the next sync.
        Raises ``UsageError`` when there is nothing at ``path`` or the base's name is no name.
        """
        path = Path(path).absolute()
        try:
            root = path if path.is_dir() else path.parent
            if not path.exists():
                raise UsageError(f"There is no file or folder at {path}.")
        except PermissionError:
            raise UsageError(f"Maodou has no right to read {path}.") from None
        report = SyncReport(base)
        found, closed = self._walk(path, report)
        base_id = self._base_id(base)
        name = readers.storable(str(root) if origin is None else origin)
        known = self._known(base_id, name)
        if not known and origin is None and self._moved(base_id, name, {file.source for file in found}):
            known = self._known(base_id, name)
        batch: list[Read] = []
        for number, file in enumerate(found, start=1):
            if cancel is not None and cancel.is_set():
                report.cancelled = True
                break
            read = self._read(file, root, known.get(file.source), report)
            if read is not None:
                batch.append(read)
            if len(batch) >= self.settings.batch_documents:
                self._write(base_id, name, batch)
                batch = []
            if progress is not None:
                progress(number, len(found), file.source)
        self._write(base_id, name, batch)
        if path.is_dir() and not report.cancelled:
            self._prune(base_id, known, {file.source for file in found}, closed, report)
        if self.embedder is not None and not report.cancelled:
            try:
                report.embedded = embed(self.store, self.settings, self.embedder, base, progress, cancel)
            except ModelError as error:
                report.not_embedded = str(error)  # the words are in; the vectors come with the next sync
                log.warning("library.not_embedded", base=base, error=str(error))
        report.chunks = self.base(base).chunks
        log.info(
            "library.synced",
            base=base,
            added=len(report.added),
            changed=len(report.changed),
            removed=len(report.removed),
            refused=len(report.refused),
            unchanged=report.unchanged,
        )
        return report

    def put(
        self,
        base: str,
        source: str,
        data: bytes,
        *,
        root: str,
        added_by: str,
        together: Operation[object] | None = None,
    ) -> int:
        """Take in one document that is no file of ours, ``added_by`` a member; one of the same ``root`` and
        ``source`` is replaced. ``together``: what else is to be written with it, or not at all: what it raises keeps
        the document out. Returns its chunks. Raises :class:`rag.readers.Refused` for what cannot be read.
        """
        text = readers.text_of(source, data, self.settings.reading)
        read = Read(source, self._hash(source, data), len(data), None, split.title_of(text), self._split(source, text))
        base_id = self._base_id(base)

        def write(connection: Connection) -> None:
            if together is not None:
                together(connection)
            write_batch(connection, base_id, root, [read], added_by)

        self.store.write_now(write)
        if self.embedder is not None:
            try:
                embed(self.store, self.settings, self.embedder, base)
            except ModelError as error:
                log.warning("library.not_embedded", base=base, error=str(error))
        return len(read.chunks)

    def _base_id(self, name: str) -> int:
        check_base_name(name)
        return self.store.write_now(lambda connection: base_id_of(connection, name))

    def _walk(self, path: Path, report: SyncReport) -> tuple[list[readers.Found], list[str]]:
        found: list[readers.Found] = []
        closed: list[str] = []
        for entry in readers.walk(path):
            if isinstance(entry, Closed):
                closed.append(entry.source)
                report.refused.append((entry.source or ".", Refusal.UNREADABLE))
                continue
            found.append(entry)
            if len(found) > self.settings.max_files:
                raise UsageError(f"There are more than {self.settings.max_files} files below {path}: max_files.")
        return found, closed

    def _moved(self, base_id: int, root: str, sources: set[str]) -> bool:
        """Whether the folder is one of this base's that was moved: then its documents are told to be from here, and
        do not come in twice. Moved is one that is no longer where it was, and half of whose files are here."""
        columns = documents.c
        query = select(columns.root, columns.source).where(columns.base_id == base_id, columns.added_by == "")
        there: dict[str, set[str]] = {}
        for row in self.store.read_now(lambda connection: connection.execute(query).all()):
            there.setdefault(row.root, set()).add(row.source)
        for old, known in there.items():
            if not Path(old).is_absolute() or Path(old).exists() or 2 * len(known & sources) < len(known):
                continue
            here = (columns.base_id == base_id) & (columns.root == old)
            self.store.write_now(
                lambda connection, here=here: connection.execute(  # type: ignore[misc]
                    update(documents).where(here).values(root=root)
                )
            )
            log.info("library.moved", base_id=base_id, documents=len(known))
            return True
        return False

    def _known(self, base_id: int, root: str) -> dict[str, Known]:
        columns = documents.c
        query = select(columns.source, columns.id, columns.hash, columns.status, columns.reason).where(
            columns.base_id == base_id, columns.root == root
        )
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        return {row.source: Known(row.id, row.hash, row.status, row.reason) for row in rows}

    def _read(self, file: readers.Found, root: Path, known: Known | None, report: SyncReport) -> Read | None:
        """Read and split one file; None when there is nothing to write."""
        digest, size = "", 0
        try:
            settings = self.settings
            most = readers.max_bytes_of(file.source, settings.max_file_bytes, settings.reading)
            data = readers.load(file.path, root, most)
            digest, size = self._hash(file.source, data), len(data)
            if known is not None and known.hash == digest and known.status != Status.KEPT:
                if known.reason:
                    report.refused.append((file.source, Refusal(known.reason)))
                else:
                    report.unchanged += 1
                return None
            text = readers.text_of(file.source, data, settings.reading)
        except Refused as refused:
            report.refused.append((file.source, refused.reason))
            said = known is not None and known.reason == refused.reason
            same = said and (refused.reason in PASSING or (known is not None and known.hash == digest))
            return None if same else Read(file.source, digest, size, refused.reason)
        (report.added if known is None else report.changed).append(file.source)
        return Read(file.source, digest, size, None, split.title_of(text), self._split(file.source, text))

    def _hash(self, source: str, data: bytes) -> str:
        settings = self.settings
        recipe = f"{readers.VERSION}.{split.VERSION}.{settings.chunk_chars}.{settings.max_chunk_chars}.{source}"
        if Path(source).suffix.lower() in readers.PACKED:
            recipe += settings.reading.model_dump_json()  # what was refused under one limit is read under another
        return hashlib.blake2b(data, digest_size=16, person=b"document", salt=_short(recipe)).hexdigest()

    def _split(self, source: str, text: str) -> tuple[Chunk, ...]:
        pieces = split.split(text, target_chars=self.settings.chunk_chars, max_chars=self.settings.max_chunk_chars)
        made: list[Chunk] = []
        for piece in pieces:
            body = text[piece.start : piece.end].strip("\n").rstrip()
            if body:
                seen = f"{piece.heading}\n{body}".encode("utf-8", "surrogatepass")
                made.append(Chunk(piece.heading, body, hashlib.blake2b(seen, digest_size=16).hexdigest()))
        return tuple(made)

    def _write(self, base_id: int, root: str, batch: Sequence[Read]) -> None:
        if batch:
            self.store.write_now(lambda connection: write_batch(connection, base_id, root, batch))

    def _prune(
        self, base_id: int, known: dict[str, Known], seen: set[str], closed: list[str], report: SyncReport
    ) -> None:
        """Take out what is no longer in the folder; what lies in a folder that we could not list stays."""
        gone = [
            source
            for source in known
            if source not in seen and not any(not folder or source.startswith(folder + "/") for folder in closed)
        ]
        ids = [known[source].id for source in gone]
        for start in range(0, len(ids), self.settings.batch_documents):
            part = ids[start : start + self.settings.batch_documents]
            self.store.write_now(partial(remove_documents, base_id, part))
        report.removed.extend(gone)

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────

    def bases(self) -> list[Base]:
        """Every base, by name."""
        columns = documents.c
        query = (
            select(
                bases.c.name,
                bases.c.watermark,
                func.count(columns.id).label("documents"),
                func.coalesce(func.sum(columns.chunks), 0).label("chunks"),
                func.count(columns.id).filter(columns.status == Status.REFUSED).label("refused"),
            )
            .select_from(bases.outerjoin(documents))
            .group_by(bases.c.id, bases.c.name, bases.c.watermark)
            .order_by(bases.c.name)
        )
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        return [Base(row.name, row.documents - row.refused, row.refused, row.chunks, row.watermark) for row in rows]

    def base(self, name: str) -> Base:
        """Raises ``UsageError`` when there is no base of that name."""
        for base in self.bases():
            if base.name == name:
                return base
        names = ", ".join(base.name for base in self.bases()) or "none yet"
        raise UsageError(f"There is no knowledge base named {name!r}. There are: {names}.")

    def list(self, base: str) -> list[Document]:
        """The documents of a base, by source, refused ones with their reason."""
        self.base(base)
        query = (
            select(documents, bases.c.name)
            .join(bases)
            .where(bases.c.name == base)
            .order_by(documents.c.source, documents.c.root)
        )
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        return [
            Document(
                row.name,
                row.root,
                row.source,
                row.title,
                Status(row.status),
                row.reason,
                row.chunks,
                row.bytes,
                row.changed_at,
                row.added_by,
            )
            for row in rows
        ]

    def remove(self, base: str, source: str | None = None) -> int:
        """Take documents out: a file or a folder by its ``source``, or the whole base. Returns how many.

        Raises ``UsageError`` when there is no such base, or nothing of that name in it.
        """
        name = self.base(base).name
        wanted = [document for document in self._ids(name) if source is None or _below(document[1], source)]
        if source is not None and not wanted:
            raise UsageError(f"There is no document {source!r} in the knowledge base {base!r}.")
        base_id = self._base_id(name)
        for start in range(0, len(wanted), self.settings.batch_documents):
            part = [document[0] for document in wanted[start : start + self.settings.batch_documents]]
            self.store.write_now(partial(remove_documents, base_id, part))
        if source is None:
            self.store.write_now(lambda connection: connection.execute(delete(bases).where(bases.c.id == base_id)))
        log.info("library.removed", base=base, source=source, documents=len(wanted))
        return len(wanted)

    def _ids(self, base: str) -> Sequence[tuple[int, str]]:
        query = select(documents.c.id, documents.c.source).join(bases).where(bases.c.name == base)
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        return [(row.id, row.source) for row in rows]


def _below(source: str, wanted: str) -> bool:
    wanted = wanted.strip("/")
    return source == wanted or source.startswith(wanted + "/")


def _short(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
