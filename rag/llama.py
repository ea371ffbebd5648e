"""LlamaIndex's interfaces over our tables and indexes: its pipelines, query engines and evaluators work on them.

LlamaIndex's own faiss store keeps no text, cannot delete or filter, gives an id a second time and blocks the event
loop (checked with llama-index-core 0.14.25). Here SQL is the truth and faiss a cache of it: text and metadata come
back as they went in, an edit or a deletion is seen by the next query, and the async methods work in a thread.

Importing this module imports LlamaIndex: seconds, and 90 MB. Only an embedding or a reader of its needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from bot.errors import UsageError
from bot.store import Store
from rag import llama_nodes
from rag.index import BaseIndex
from rag.indexes import Indexes
from rag.llama_nodes import StoredNode
from rag.retrieve import Hit, Retriever
from search.fusion import RECALL_FLOOR, fuse
from search.tokenise import tokens

_LEXICAL = (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH)
_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.HYBRID, *_LEXICAL)


class MaodouVectorStore(BasePydanticVectorStore):
    """One knowledge base as LlamaIndex's vector store.

    ``indexes`` must have an embedder: its ``key`` names the model of the nodes' embeddings. Its vectors are seen by
    rooms as well, which read the same base.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    base: str

    _store: Store = PrivateAttr()
    _indexes: Indexes = PrivateAttr()
    _model: str = PrivateAttr()

    def __init__(self, store: Store, indexes: Indexes, base: str) -> None:
        super().__init__(stores_text=True, base=base)
        if indexes.embedder is None:
            raise UsageError("LlamaIndex's vector store needs an embedding: set knowledge.embedding.")
        self._store, self._indexes, self._model = store, indexes, indexes.embedder.key

    @classmethod
    def class_name(cls) -> str:
        return "MaodouVectorStore"

    @property
    def client(self) -> Store:
        return self._store

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Insert nodes with their embeddings, or replace those of the same id. Returns their ids."""
        wanted = list(nodes)
        if wanted:
            self._store.write_now(lambda connection: llama_nodes.add(connection, self.base, self._model, wanted))
        return [node.node_id for node in wanted]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Take out a document with all its nodes; no error when it is not there."""
        self._store.write_now(lambda connection: llama_nodes.delete_document(connection, self.base, ref_doc_id))

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Take out the nodes of these ids that match ``filters``; without ids, all that match. Neither: nothing."""
        if node_ids is None and filters is None:
            return
        found = [node.chunk_id for node in self._stored() if _wanted(node, node_ids, None, filters)]
        self._store.write_now(lambda connection: llama_nodes.delete_chunks(connection, self.base, found))

    def clear(self) -> None:
        self._store.write_now(lambda connection: llama_nodes.clear(connection, self.base))

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Nothing to do: every commit is on disk."""

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        return [node.node() for node in self._stored() if _wanted(node, node_ids, None, filters)]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """By vector, by words, or both fused by rank; filters, document and node ids apply before the ranking.

        Raises ``NotImplementedError`` for another mode than default, sparse, text_search and hybrid.
        """
        if query.mode not in _MODES:
            raise NotImplementedError(f"MaodouVectorStore has no mode {query.mode.value!r}.")
        snapshot = self._snapshot()
        if snapshot is None:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        allowed = self._allowed(query)
        limit = query.hybrid_top_k or query.similarity_top_k
        ranked = _ranked(snapshot, query, limit, allowed)[:limit]
        stored = {node.chunk_id: node for node in self._stored([chunk_id for chunk_id, _ in ranked])}
        found = [(stored[chunk_id].node(), score) for chunk_id, score in ranked if chunk_id in stored]
        return VectorStoreQueryResult(
            nodes=[node for node, _ in found],
            similarities=[score for _, score in found],
            ids=[node.node_id for node, _ in found],
        )

    def _snapshot(self) -> BaseIndex | None:
        self._indexes.refresh()  # one cheap question when nothing has changed; LlamaIndex reads what it wrote
        return self._indexes.current.get(self.base)

    def _allowed(self, query: VectorStoreQuery) -> list[int] | None:
        node_ids = query.node_ids or None  # VectorIndexRetriever says [] for "any" over a store that keeps the text
        if query.filters is None and query.doc_ids is None and node_ids is None:
            return None
        stored = self._stored()
        return [node.chunk_id for node in stored if _wanted(node, node_ids, query.doc_ids, query.filters)]

    def _stored(self, chunk_ids: Sequence[int] | None = None) -> list[StoredNode]:
        return self._store.read_now(lambda connection: llama_nodes.stored(connection, self.base, chunk_ids))

    # ── the same, off the event loop ─────────────────────────────────────────────────────────────────

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    async def aclear(self) -> None:
        await asyncio.to_thread(self.clear)

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        return await asyncio.to_thread(self.query, query, **kwargs)


class MaodouRetriever(BaseRetriever):
    """Our retrieval (words and vectors, folded, capped) as LlamaIndex's retriever: what a room would be given."""

    def __init__(self, retriever: Retriever, bases: Sequence[str], limit: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._retriever, self._bases, self._limit = retriever, tuple(bases), limit

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._retriever.search(query_bundle.query_str, self._bases, self._limit)
        nodes = self._retriever.store.read_now(
            lambda connection: llama_nodes.stored(connection, None, [hit.passage.chunk_id for hit in hits])
        )
        by_chunk = {node.chunk_id: node for node in nodes}
        return [_with_score(by_chunk[hit.passage.chunk_id], hit) for hit in hits if hit.passage.chunk_id in by_chunk]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _with_score(node: StoredNode, hit: Hit) -> NodeWithScore:
    return NodeWithScore(node=node.node(), score=hit.fused)


def _wanted(
    node: StoredNode, node_ids: Sequence[str] | None, doc_ids: Sequence[str] | None, filters: MetadataFilters | None
) -> bool:
    if node_ids is not None and node.node_id not in node_ids:
        return False
    if doc_ids is not None and node.ref_doc_id not in doc_ids:
        return False
    return filters is None or llama_nodes.matches(node.metadata, filters)


def _ranked(
    snapshot: BaseIndex, query: VectorStoreQuery, limit: int, allowed: Sequence[int] | None
) -> list[tuple[int, float]]:
    """Chunk ids with scores, best first: cosines, BM25 scores, or the fusion's."""
    by_vector: list[tuple[int, float]] = []
    by_words: list[tuple[int, float]] = []
    wanted = limit if query.mode is VectorStoreQueryMode.DEFAULT or query.mode in _LEXICAL else max(limit, RECALL_FLOOR)
    if query.mode not in _LEXICAL and snapshot.meanings is not None and query.query_embedding is not None:
        vector = np.asarray(query.query_embedding, np.float32)
        ids, cosines = snapshot.meanings.index.search(vector, wanted, allowed)
        by_vector = list(zip(ids.tolist(), cosines.tolist(), strict=True))
    if query.mode is not VectorStoreQueryMode.DEFAULT and query.query_str:
        mask = None if allowed is None else np.isin(snapshot.chunk_ids, np.asarray(allowed, np.int64))
        numbers, scores = snapshot.words.best(tokens(query.query_str), wanted, mask)
        by_words = list(zip(snapshot.chunk_ids[numbers].tolist(), scores.tolist(), strict=True))
    if query.mode is not VectorStoreQueryMode.HYBRID:
        return by_vector or by_words
    alpha = 0.5 if query.alpha is None else query.alpha
    channels = {"words": [chunk for chunk, _ in by_words], "vector": [chunk for chunk, _ in by_vector]}
    return fuse(channels, {"words": 1 - alpha, "vector": alpha})
