"""The shelf: folders and files in, documents and chunks in SQL, kept in step with what is on disk.

``add`` is a sync. What has not changed (by hash of bytes, reader's and splitter's version) is left alone; what has
changed is read and split before a transaction is opened, and written in batches; what has gone from the folder is
taken out. A file that cannot be read costs a reason and nothing else. Every batch raises the base's watermark, by
which an index notices (:mod:`rag.index`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, insert, select, update

from bot.errors import UsageError
from bot.store import Store
from rag import readers, split
from rag.readers import PASSING, Closed, Refusal, Refused
from rag.settings import KnowledgeSettings
from rag.tables import bases, chunks, documents

log = structlog.get_logger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the source of the last one."""

_MAX_BASE_CHARS = 64


class Status(StrEnum):
    """Of a document: in the base; refused, with a reason; or kept as it was read last, with a reason."""

    READ = "read"
    REFUSED = "refused"
    KEPT = "kept"


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


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    hash: str
    status: str
    reason: str
    chunks: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    heading: str
    text: str
    hash: str


@dataclass(frozen=True, slots=True)
class _Read:
    """One file, read: what to write of it."""

    source: str
    known: _Known | None
    hash: str
    bytes: int
    reason: Refusal | None = None
    title: str = ""
    chunks: tuple[_Chunk, ...] = ()


class Library:
    """The documents of all bases. Its methods block: call them from a command or a worker thread."""

    def __init__(self, store: Store, settings: KnowledgeSettings) -> None:
        self.store = store
        self.settings = settings

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────

    def add(self, path: Path, base: str, progress: Progress | None = None, cancel: Flag | None = None) -> SyncReport:
        """Bring ``base`` in step with the folder or file ``path``; a base that is not there is made.

        Cancelling ends after the batch at hand: what was committed stays, the rest is for the next sync.
        Raises ``UsageError`` when there is nothing at ``path`` or the base's name is no name.
        """
        path = Path(path).absolute()
        if not path.exists():
            raise UsageError(f"There is no file or folder at {path}.")
        base_id = self._base_id(base)
        root = path if path.is_dir() else path.parent
        report = SyncReport(base)
        found, closed = self._walk(path, report)
        known = self._known(base_id, root)
        batch: list[_Read] = []
        for number, file in enumerate(found, start=1):
            if cancel is not None and cancel.is_set():
                report.cancelled = True
                break
            read = self._read(file, root, known.get(file.source), report)
            if read is not None:
                batch.append(read)
            if len(batch) >= self.settings.batch_documents:
                self._write(base_id, root, batch)
                batch = []
            if progress is not None:
                progress(number, len(found), file.source)
        self._write(base_id, root, batch)
        if path.is_dir() and not report.cancelled:
            self._prune(base_id, known, {file.source for file in found}, closed, report)
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

    def _base_id(self, name: str) -> int:
        if not name.strip() or len(name) > _MAX_BASE_CHARS or not name.isprintable():
            raise UsageError(f"A knowledge base's name has 1 to {_MAX_BASE_CHARS} printable characters.")

        def find_or_make(connection: Connection) -> int:
            found = connection.scalar(select(bases.c.id).where(bases.c.name == name))
            if found is None:
                row = insert(bases).values(name=name, watermark=0, made_at=time.time())
                found = connection.execute(row.returning(bases.c.id)).scalar_one()
            return int(found)

        return self.store.write_now(find_or_make)

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

    def _known(self, base_id: int, root: Path) -> dict[str, _Known]:
        columns = documents.c
        query = select(columns.source, columns.id, columns.hash, columns.status, columns.reason, columns.chunks).where(
            columns.base_id == base_id, columns.root == str(root)
        )
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        return {row.source: _Known(row.id, row.hash, row.status, row.reason, row.chunks) for row in rows}

    def _read(self, file: readers.Found, root: Path, known: _Known | None, report: SyncReport) -> _Read | None:
        """Read and split one file; None when there is nothing to write."""
        digest, size = "", 0
        try:
            data = readers.load(file.path, root, self.settings.max_file_bytes)
            digest, size = self._hash(file.source, data), len(data)
            if known is not None and known.hash == digest and known.status != Status.KEPT:
                if known.reason:
                    report.refused.append((file.source, Refusal(known.reason)))
                else:
                    report.unchanged += 1
                return None
            text = readers.text_of(file.source, data)
        except Refused as refused:
            report.refused.append((file.source, refused.reason))
            said = known is not None and known.reason == refused.reason
            same = said and (refused.reason in PASSING or (known is not None and known.hash == digest))
            return None if same else _Read(file.source, known, digest, size, refused.reason)
        (report.added if known is None else report.changed).append(file.source)
        return _Read(file.source, known, digest, size, None, split.title_of(text), self._split(file.source, text))

    def _hash(self, source: str, data: bytes) -> str:
        settings = self.settings
        recipe = f"{readers.VERSION}.{split.VERSION}.{settings.chunk_chars}.{settings.max_chunk_chars}.{source}"
        return hashlib.blake2b(data, digest_size=16, person=b"document", salt=_short(recipe)).hexdigest()

    def _split(self, source: str, text: str) -> tuple[_Chunk, ...]:
        pieces = split.split(text, target_chars=self.settings.chunk_chars, max_chars=self.settings.max_chunk_chars)
        made: list[_Chunk] = []
        for piece in pieces:
            body = text[piece.start : piece.end].strip("\n").rstrip()
            if body:
                seen = f"{piece.heading}\n{body}".encode("utf-8", "surrogatepass")
                made.append(_Chunk(piece.heading, body, hashlib.blake2b(seen, digest_size=16).hexdigest()))
        return tuple(made)

    def _write(self, base_id: int, root: Path, batch: Sequence[_Read]) -> None:
        if batch:
            self.store.write_now(lambda connection: _write_batch(connection, base_id, str(root), batch))

    def _prune(
        self, base_id: int, known: dict[str, _Known], seen: set[str], closed: list[str], report: SyncReport
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
            self.store.write_now(partial(_remove, base_id, part))
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
            self.store.write_now(partial(_remove, base_id, part))
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


def _raise_watermark(connection: Connection, base_id: int) -> None:
    raised = update(bases).where(bases.c.id == base_id).values(watermark=bases.c.watermark + 1)
    if connection.execute(raised).rowcount == 0:
        raise UsageError("The knowledge base was removed meanwhile.")


def _remove(base_id: int, ids: Sequence[int], connection: Connection) -> None:
    _raise_watermark(connection, base_id)
    connection.execute(delete(chunks).where(chunks.c.document_id.in_(ids)))
    connection.execute(delete(documents).where(documents.c.id.in_(ids)))


def _write_batch(connection: Connection, base_id: int, root: str, batch: Sequence[_Read]) -> None:
    """One transaction: the base's watermark, the documents, their chunks."""
    _raise_watermark(connection, base_id)
    rows: list[dict[str, Any]] = []
    for read in batch:
        document_id = _write_document(connection, base_id, root, read)
        if read.reason in PASSING:
            continue
        kept = _keep_chunks(connection, document_id, read) if read.known is not None else set()
        rows.extend(
            {"document_id": document_id, "ordinal": n, "heading": c.heading, "text": c.text, "hash": c.hash}
            for n, c in enumerate(read.chunks)
            if n not in kept
        )
    if rows:
        connection.execute(insert(chunks), rows)


def _write_document(connection: Connection, base_id: int, root: str, read: _Read) -> int:
    """Insert or update the document's row; its id."""
    known = read.known
    if read.reason in PASSING and known is not None and known.chunks:
        values: dict[str, Any] = {"status": Status.KEPT.value, "reason": str(read.reason)}
        connection.execute(update(documents).where(documents.c.id == known.id).values(**values))
        return known.id
    values = {
        "status": (Status.READ if read.reason is None else Status.REFUSED).value,
        "reason": "" if read.reason is None else read.reason.value,
        "title": read.title,
        "hash": read.hash,
        "bytes": read.bytes,
        "chunks": len(read.chunks),
        "changed_at": time.time(),
    }
    if known is not None:
        connection.execute(update(documents).where(documents.c.id == known.id).values(**values))
        return known.id
    row = insert(documents).values(base_id=base_id, root=root, source=read.source, **values)
    return int(connection.execute(row.returning(documents.c.id)).scalar_one())


def _keep_chunks(connection: Connection, document_id: int, read: _Read) -> set[int]:
    """Keep the chunks of a changed document that are the same as before, under their ids; drop the others.

    Returns the ordinals that need no new row.
    """
    old: dict[str, list[tuple[int, int]]] = {}
    query = select(chunks.c.id, chunks.c.ordinal, chunks.c.hash).where(chunks.c.document_id == document_id)
    for row in connection.execute(query.order_by(chunks.c.ordinal)):
        old.setdefault(row.hash, []).append((row.id, row.ordinal))
    kept: set[int] = set()
    for ordinal, chunk in enumerate(read.chunks):
        if same := old.get(chunk.hash):
            chunk_id, before = same.pop(0)
            if before != ordinal:
                connection.execute(update(chunks).where(chunks.c.id == chunk_id).values(ordinal=ordinal))
            kept.add(ordinal)
    dropped = [chunk_id for same in old.values() for chunk_id, _ in same]
    if dropped:
        connection.execute(delete(chunks).where(chunks.c.id.in_(dropped)))
    return kept
