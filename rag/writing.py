"""What a sync writes: one transaction for a batch of documents, with their chunks and the base's watermark.

Chunks that a changed document still has keep their rows and ids, and so their vectors.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import UsageError
from rag.readers import PASSING, Refusal
from rag.tables import bases, chunks, documents


class Status(StrEnum):
    """Of a document: in the base; refused, with a reason; or kept as it was read last, with a reason."""

    READ = "read"
    REFUSED = "refused"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Known:
    id: int
    hash: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    heading: str
    text: str
    hash: str


@dataclass(frozen=True, slots=True)
class Read:
    """One file, read: what to write of it."""

    source: str
    hash: str
    bytes: int
    reason: Refusal | None = None
    title: str = ""
    chunks: tuple[Chunk, ...] = ()


def base_id_of(connection: Connection, name: str) -> int:
    """The base's id; it is made when it is not there."""
    query = select(bases.c.id).where(bases.c.name == name)
    found = connection.scalar(query)
    if found is None:
        with contextlib.suppress(IntegrityError), connection.begin_nested():  # another process was faster
            connection.execute(insert(bases).values(name=name, watermark=0, made_at=time.time()))
        found = connection.execute(query).scalar_one()
    return int(found)


def raise_watermark(connection: Connection, base_id: int) -> None:
    """The base has changed: its indexes look again. Locks its row until the transaction ends."""
    raised = update(bases).where(bases.c.id == base_id).values(watermark=bases.c.watermark + 1)
    if connection.execute(raised).rowcount == 0:
        raise UsageError("The knowledge base was removed meanwhile.")


def remove_documents(base_id: int, ids: Sequence[int], connection: Connection) -> None:
    raise_watermark(connection, base_id)
    connection.execute(delete(chunks).where(chunks.c.document_id.in_(ids)))
    connection.execute(delete(documents).where(documents.c.id.in_(ids)))


def write_batch(connection: Connection, base_id: int, root: str, batch: Sequence[Read], added_by: str = "") -> None:
    """One transaction: the base's watermark, the documents, their chunks.

    Raising the watermark locks the base's row, so two syncs of one base write one after the other; what the other
    one wrote meanwhile is looked up here again. ``added_by``: the member who gave them; empty: an operator did.
    """
    raise_watermark(connection, base_id)
    sources = [read.source for read in batch]
    query = select(documents.c.source, documents.c.id, documents.c.chunks).where(
        documents.c.base_id == base_id, documents.c.root == root, documents.c.source.in_(sources)
    )
    there = {row.source: row for row in connection.execute(query)}
    rows: list[dict[str, Any]] = []
    for read in batch:
        row = there.get(read.source)
        if row is not None and row.chunks and read.reason in PASSING:
            kept_row = {"status": Status.KEPT.value, "reason": str(read.reason)}
            connection.execute(update(documents).where(documents.c.id == row.id).values(**kept_row))
            continue
        document_id = _write_document(connection, base_id, root, read, added_by, None if row is None else row.id)
        kept = set() if row is None else _keep_chunks(connection, document_id, read)
        rows.extend(
            {"document_id": document_id, "ordinal": n, "heading": c.heading, "text": c.text, "hash": c.hash}
            for n, c in enumerate(read.chunks)
            if n not in kept
        )
    if rows:
        connection.execute(insert(chunks), rows)


def _write_document(
    connection: Connection, base_id: int, root: str, read: Read, added_by: str, document_id: int | None
) -> int:
    """Insert or update the document's row; its id."""
    values = {
        "status": (Status.READ if read.reason is None else Status.REFUSED).value,
        "reason": "" if read.reason is None else read.reason.value,
        "title": read.title,
        "hash": read.hash,
        "bytes": read.bytes,
        "chunks": len(read.chunks),
        "changed_at": time.time(),
        "added_by": added_by,
    }
    if document_id is not None:
        connection.execute(update(documents).where(documents.c.id == document_id).values(**values))
        return document_id
    row = insert(documents).values(base_id=base_id, root=root, source=read.source, **values)
    return int(connection.execute(row.returning(documents.c.id)).scalar_one())


def _keep_chunks(connection: Connection, document_id: int, read: Read) -> set[int]:
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
