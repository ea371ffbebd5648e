"""Vectors for the chunks that have none yet: the last step of a sync, when a model from outside is configured.

A vector belongs to a text, by hash and model: a text that comes again is not embedded again, and what was paid for
survives an interruption, an edit elsewhere in the file, and a lost index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import Any

from sqlalchemy import Connection, and_, delete, except_, func, insert, select, update

from bot.errors import ModelError
from bot.retention import Eraser
from bot.store import Store
from bot.texts import Text
from rag.embedding import Embedder
from rag.meanings import to_bytes
from rag.settings import KnowledgeSettings
from rag.tables import bases, chunks, documents, vectors
from search.vectors import unit

Progress = Callable[[int, int, str], None]


def embed(
    store: Store,
    settings: KnowledgeSettings,
    embedder: Embedder,
    base: str,
    progress: Progress | None = None,
    cancel: Flag | None = None,
) -> int:
    """Embed what is missing of ``base``; returns how many texts were. Blocks. Raises ``ModelError``: what was
    written before it stays. ``progress`` is called with texts done, texts in all, and ``""``."""
    missing = store.read_now(lambda connection: _missing(connection, base, embedder.key))
    written: list[dict[str, Any]] = []
    done = 0
    for start in range(0, len(missing), embedder.batch_texts):
        if cancel is not None and cancel.is_set():
            break
        part = missing[start : start + embedder.batch_texts]
        try:
            made = unit(embedder.passages([text for _, text in part]))
        except ModelError:
            _write(store, base, written)
            raise
        pairs = zip(part, made, strict=True)
        written += [{"model": embedder.key, "hash": name, "vector": to_bytes(vector)} for (name, _), vector in pairs]
        if len(written) >= settings.embed_commit_texts:
            _write(store, base, written)
            written = []
        done += len(part)
        if progress is not None:
            progress(done, len(missing), "")
    _write(store, base, written)
    return done


def _missing(connection: Connection, base: str, model: str) -> list[tuple[str, str]]:
    """Hash and text of the base's chunks that have no vector of this model."""
    has = and_(vectors.c.hash == chunks.c.hash, vectors.c.model == model)
    query = (
        select(chunks.c.hash, func.min(chunks.c.heading).label("heading"), func.min(chunks.c.text).label("text"))
        .join(documents, documents.c.id == chunks.c.document_id)
        .join(bases, bases.c.id == documents.c.base_id)
        .outerjoin(vectors, has)
        .where(bases.c.name == base, vectors.c.hash.is_(None))
        .group_by(chunks.c.hash)
        .order_by(func.min(chunks.c.id))
    )
    return [(row.hash, f"{row.heading}\n{row.text}".strip()) for row in connection.execute(query)]


def _write(store: Store, base: str, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return

    def write(connection: Connection) -> None:
        hashes, model = [row["hash"] for row in rows], rows[0]["model"]
        connection.execute(delete(vectors).where(vectors.c.model == model, vectors.c.hash.in_(hashes)))
        connection.execute(insert(vectors), rows)
        connection.execute(update(bases).where(bases.c.name == base).values(watermark=bases.c.watermark + 1))

    store.write_now(write)


def forget_unused(connection: Connection, most: int) -> int:
    """Drop vectors of texts that are in no base any more, of ``most`` texts in this call; returns how many vectors."""
    unused = except_(select(vectors.c.hash), select(chunks.c.hash)).limit(most)
    hashes = connection.execute(unused).scalars().all()
    return connection.execute(delete(vectors).where(vectors.c.hash.in_(hashes))).rowcount if hashes else 0


VECTORS = Eraser(
    Text(zh="不再使用的向量", en="vectors no longer used"),
    older_than=lambda connection, _, most: forget_unused(connection, most),
)
"""For the sweep: a vector goes when its text is gone, however old it is."""
