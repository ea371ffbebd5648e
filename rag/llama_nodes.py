"""LlamaIndex's nodes as rows of ours: a node is a chunk, its source document a document, and both ways back.

A document that came through LlamaIndex has the root ``llama_index:<ref_doc_id>``; what came from a folder appears to
LlamaIndex with the ids ``document-<id>`` and ``chunk-<id>``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llama_index.core.schema import BaseNode, MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from sqlalchemy import Connection, delete, func, insert, select, update

from rag.meanings import to_bytes
from rag.tables import bases, chunks, documents, nodes, vectors
from rag.writing import Status, base_id_of
from search.vectors import unit

_ROOT = "llama_index:"
_READ_CHUNKS = 2_000


@dataclass(frozen=True, slots=True)
class StoredNode:
    """A chunk as LlamaIndex sees it. ``content``: the node as it was serialised, for those that came from there."""

    chunk_id: int
    node_id: str
    ref_doc_id: str
    text: str
    metadata: Mapping[str, Any]
    content: Mapping[str, Any] | None

    def node(self) -> BaseNode:
        if self.content is not None:
            node: BaseNode = metadata_dict_to_node(dict(self.content), self.text)
            return node
        source = RelatedNodeInfo(node_id=self.ref_doc_id)
        return TextNode(
            id_=self.node_id,
            text=self.text,
            metadata=dict(self.metadata),
            relationships={NodeRelationship.SOURCE: source},
        )


def stored(connection: Connection, base: str | None, chunk_ids: Sequence[int] | None = None) -> list[StoredNode]:
    """The nodes of ``base`` (None: of any), all or those of these chunks."""
    query = (
        select(
            chunks.c.id,
            chunks.c.heading,
            chunks.c.text,
            documents.c.id.label("document_id"),
            documents.c.source,
            documents.c.root,
            documents.c.title,
            bases.c.name,
            nodes.c.node_id,
            nodes.c.node,
        )
        .select_from(chunks.join(documents).join(bases, bases.c.id == documents.c.base_id))
        .outerjoin(nodes, nodes.c.chunk_id == chunks.c.id)
        .order_by(chunks.c.id)
    )
    if base is not None:
        query = query.where(bases.c.name == base)
    if chunk_ids is None:
        return [_stored(row) for row in connection.execute(query)]
    found: list[StoredNode] = []
    for start in range(0, len(chunk_ids), _READ_CHUNKS):
        part = chunk_ids[start : start + _READ_CHUNKS]
        found += [_stored(row) for row in connection.execute(query.where(chunks.c.id.in_(part)))]
    return found


def _stored(row: Any) -> StoredNode:
    if row.node is not None:
        content = json.loads(row.node)
        metadata = {key: value for key, value in content.items() if not key.startswith("_node")}
        return StoredNode(row.id, row.node_id, row.root.removeprefix(_ROOT), row.text, metadata, content)
    metadata = {"base": row.name, "source": row.source, "heading": row.heading, "title": row.title}
    return StoredNode(row.id, f"chunk-{row.id}", f"document-{row.document_id}", row.text, metadata, None)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def add(connection: Connection, base: str, model: str, added: Sequence[BaseNode]) -> None:
    """Insert nodes with their embeddings; a node of an id that is there replaces it. Makes the base if need be.

    Raises ``ValueError`` for a node without an embedding.
    """
    base_id = base_id_of(connection, base)
    _drop_nodes(connection, base_id, [node.node_id for node in added])
    by_document: dict[str, list[BaseNode]] = {}
    for node in added:
        by_document.setdefault(node.ref_doc_id or node.node_id, []).append(node)
    for ref_doc_id, parts in by_document.items():
        _append(connection, base_id, model, ref_doc_id, parts)
    _touch(connection, base_id)


def _touch(connection: Connection, base_id: int) -> None:
    connection.execute(update(bases).where(bases.c.id == base_id).values(watermark=bases.c.watermark + 1))


def _append(connection: Connection, base_id: int, model: str, ref_doc_id: str, added: Sequence[BaseNode]) -> None:
    """Add nodes to their document: a pipeline may bring one document in several batches."""
    document_id = _document(connection, base_id, ref_doc_id, added[0])
    following = select(func.coalesce(func.max(chunks.c.ordinal) + 1, 0)).where(chunks.c.document_id == document_id)
    first = int(connection.scalar(following) or 0)
    for ordinal, node in enumerate(added, start=first):
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        digest = hashlib.blake2b(f"node\x00{node.node_id}\x00{text}".encode("utf-8", "surrogatepass"), digest_size=16)
        heading = str(node.metadata.get("header_path") or node.metadata.get("heading") or "").strip("/")
        row = insert(chunks).values(
            document_id=document_id,
            ordinal=ordinal,
            heading=heading.replace("/", " › "),
            text=text,
            hash=digest.hexdigest(),
        )
        chunk_id = connection.execute(row.returning(chunks.c.id)).scalar_one()
        content = json.dumps(node_to_metadata_dict(node, remove_text=True, flat_metadata=False))
        connection.execute(insert(nodes).values(chunk_id=chunk_id, base_id=base_id, node_id=node.node_id, node=content))
        vector = to_bytes(unit(np.asarray([node.get_embedding()], np.float32))[0])
        same = (vectors.c.model == model) & (vectors.c.hash == digest.hexdigest())
        connection.execute(delete(vectors).where(same))
        connection.execute(insert(vectors).values(model=model, hash=digest.hexdigest(), vector=vector))
    _recount(connection, document_id)


def _document(connection: Connection, base_id: int, ref_doc_id: str, node: BaseNode) -> int:
    root = _ROOT + ref_doc_id
    found = connection.scalar(select(documents.c.id).where(documents.c.base_id == base_id, documents.c.root == root))
    if found is not None:
        return int(found)
    named = (node.metadata.get(key) for key in ("source", "file_path", "file_name", "url"))
    row = insert(documents).values(
        base_id=base_id,
        root=root,
        source=next((str(name) for name in named if name), ref_doc_id),
        status=Status.READ.value,
        title=str(node.metadata.get("title") or ""),
        hash="",
        bytes=0,
        chunks=0,
        changed_at=time.time(),
    )
    return int(connection.execute(row.returning(documents.c.id)).scalar_one())


def _recount(connection: Connection, document_id: int) -> None:
    """Bring a document's row in step with its chunks; one that has none left goes."""
    query = select(chunks.c.id, chunks.c.hash, func.length(chunks.c.text).label("chars"))
    rows: Sequence[Any] = connection.execute(query.where(chunks.c.document_id == document_id)).all()
    if not rows:
        connection.execute(delete(documents).where(documents.c.id == document_id))
        return
    names = sorted(f"{row.id}:{row.hash}" for row in rows)
    digest = hashlib.blake2b("\n".join(names).encode(), digest_size=16).hexdigest()
    values = {"chunks": len(rows), "bytes": sum(row.chars for row in rows), "hash": digest, "changed_at": time.time()}
    connection.execute(update(documents).where(documents.c.id == document_id).values(**values))


def _drop_nodes(connection: Connection, base_id: int, node_ids: Sequence[str]) -> None:
    found = select(nodes.c.chunk_id).where(nodes.c.base_id == base_id, nodes.c.node_id.in_(node_ids))
    _drop_chunks(connection, list(connection.scalars(found)))


def _drop_chunks(connection: Connection, chunk_ids: Sequence[int]) -> None:
    for start in range(0, len(chunk_ids), _READ_CHUNKS):
        part = chunk_ids[start : start + _READ_CHUNKS]
        of = select(chunks.c.document_id).where(chunks.c.id.in_(part)).distinct()
        touched = list(connection.scalars(of))
        connection.execute(delete(nodes).where(nodes.c.chunk_id.in_(part)))
        connection.execute(delete(chunks).where(chunks.c.id.in_(part)))
        for document_id in touched:
            _recount(connection, document_id)


def delete_chunks(connection: Connection, base: str, chunk_ids: Sequence[int]) -> None:
    _drop_chunks(connection, chunk_ids)
    _touch(connection, base_id_of(connection, base))


def delete_document(connection: Connection, base: str, ref_doc_id: str) -> None:
    base_id = base_id_of(connection, base)
    wanted = documents.c.root == _ROOT + ref_doc_id
    number = ref_doc_id.removeprefix("document-")
    if number != ref_doc_id and number.isdecimal():
        wanted |= documents.c.id == int(number)
    of = select(chunks.c.id).join(documents).where(documents.c.base_id == base_id, wanted)
    _drop_chunks(connection, list(connection.scalars(of)))
    _touch(connection, base_id)


def clear(connection: Connection, base: str) -> None:
    base_id = base_id_of(connection, base)
    connection.execute(delete(documents).where(documents.c.base_id == base_id))
    _touch(connection, base_id)


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────


def matches(metadata: Mapping[str, Any], filters: MetadataFilters) -> bool:
    """Whether a node's metadata pass LlamaIndex's filters. Raises ``ValueError`` for an operator it does not know."""
    results = (
        matches(metadata, entry) if isinstance(entry, MetadataFilters) else _passes(metadata.get(entry.key), entry)
        for entry in filters.filters
    )
    match filters.condition or FilterCondition.AND:
        case FilterCondition.AND:
            return all(results)
        case FilterCondition.OR:
            return any(results)
        case FilterCondition.NOT:
            return not any(results)


def _passes(value: Any, entry: MetadataFilter) -> bool:
    wanted: Any = entry.value
    match entry.operator:
        case FilterOperator.EQ:
            return bool(value == wanted)
        case FilterOperator.NE:
            return bool(value != wanted)
        case FilterOperator.IS_EMPTY:
            return value in (None, "", [])
        case _ if value is None:
            return False
        case FilterOperator.GT:
            return bool(value > wanted)
        case FilterOperator.GTE:
            return bool(value >= wanted)
        case FilterOperator.LT:
            return bool(value < wanted)
        case FilterOperator.LTE:
            return bool(value <= wanted)
        case FilterOperator.IN:
            return value in wanted
        case FilterOperator.NIN:
            return value not in wanted
        case FilterOperator.ANY:
            return any(item in value for item in wanted)
        case FilterOperator.ALL:
            return all(item in value for item in wanted)
        case FilterOperator.CONTAINS | FilterOperator.TEXT_MATCH:
            return wanted in value
        case FilterOperator.TEXT_MATCH_INSENSITIVE:
            return str(wanted).casefold() in str(value).casefold()
    raise ValueError(f"MaodouVectorStore has no filter operator {entry.operator!r}.")
