"""The peer: LlamaIndex's ``VectorStoreIndex`` over its faiss store, persisted and loaded as its documentation says.

The store is its package ``llama-index-vector-stores-faiss`` where that is installed. Where it is not, a stand-in does
the same steps in the same order: one vector at a time into faiss, numbers as ids, LlamaIndex's own document store for
the texts. The documents come as nodes with their embeddings, so no splitter and no model runs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, MetadataMode, QueryBundle, TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery, VectorStoreQueryResult

from benchmarks.retrieval.arms import LIMIT, Ask
from benchmarks.retrieval.corpus import Corpus, Vectors

_FILE = "default__vector_store.json"
"""Where LlamaIndex's faiss store keeps its (binary) index, below the folder it is persisted to."""


class StandIn(BasePydanticVectorStore):
    """What ``FaissVectorStore`` 0.7.0 does to be filled, asked and persisted."""

    stores_text: bool = False
    _faiss: Any = PrivateAttr()

    def __init__(self, faiss_index: Any) -> None:
        super().__init__(stores_text=False)
        self._faiss = faiss_index

    @property
    def client(self) -> Any:
        return self._faiss

    def add(self, nodes: Any, **kwargs: Any) -> list[str]:
        ids = []
        for node in nodes:
            ids.append(str(self._faiss.ntotal))
            self._faiss.add(np.array(node.get_embedding(), dtype="float32")[np.newaxis, :])
        return ids

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        vector = np.array(query.query_embedding, dtype="float32")[np.newaxis, :]
        cosines, numbers = self._faiss.search(vector, query.similarity_top_k)
        found = [(str(number), cosine) for number, cosine in zip(numbers[0], cosines[0], strict=True) if number >= 0]
        return VectorStoreQueryResult(ids=[name for name, _ in found], similarities=[cosine for _, cosine in found])

    def delete(self, ref_doc_id: str, **kwargs: Any) -> None:
        raise NotImplementedError("nothing is deleted here")

    def persist(self, persist_path: str, fs: Any = None) -> None:
        faiss.write_index(self._faiss, persist_path)


class Given(BaseEmbedding):
    """Questions bring their vectors; nothing is to be embedded."""

    def _get_text_embedding(self, text: str) -> list[float]:
        raise AssertionError("every text has its vector")

    def _get_query_embedding(self, query: str) -> list[float]:
        raise AssertionError("every question has its vector")

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def build(corpus: Corpus, folder: Path) -> dict[str, float]:
    faiss.omp_set_num_threads(1)
    nodes: list[BaseNode] = [
        TextNode(text=text, embedding=vector.tolist())
        for text, vector in zip(corpus.texts, corpus.vectors, strict=True)
    ]
    dim = corpus.vectors.shape[1]
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    storage = StorageContext.from_defaults(vector_store=_store(index))
    VectorStoreIndex(nodes, storage_context=storage, embed_model=Given())
    storage.persist(str(folder))
    return {}


def opened(folder: Path, corpus: Corpus) -> Ask:
    faiss.omp_set_num_threads(1)
    (file,) = folder.glob(f"*{_FILE}")
    storage = StorageContext.from_defaults(vector_store=_store(faiss.read_index(str(file))), persist_dir=str(folder))
    index = load_index_from_storage(storage, embed_model=Given())
    retriever = index.as_retriever(similarity_top_k=LIMIT)

    def ask(text: str, vector: Vectors) -> list[str]:
        found = retriever.retrieve(QueryBundle(text, embedding=vector.tolist()))
        return [hit.node.get_content(MetadataMode.NONE) for hit in found]

    return ask


def _store(index: Any) -> BasePydanticVectorStore:
    try:
        store = import_module("llama_index.vector_stores.faiss").FaissVectorStore
    except ImportError:
        sys.stderr.write("llama_index: its faiss store is not installed; a stand-in does the same steps\n")
        store = StandIn
    made: BasePydanticVectorStore = store(faiss_index=index)
    return made
