"""LlamaIndex's own parts over our store and retriever: what its own faiss store gets wrong holds here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("llama_index.core")

from llama_index.core import Document, MockEmbedding, Settings, StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from bot.errors import UsageError
from bot.store import Store
from rag.indexes import Indexes
from rag.library import Library
from rag.llama import MaodouRetriever, MaodouVectorStore
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings, LlamaIndexEmbedding
from tests.rag.llama_embedding import WordEmbedding

EMBEDDING = LlamaIndexEmbedding.model_validate(
    {"kind": "llama_index", "class": "tests.rag.llama_embedding.WordEmbedding"}
)


@pytest.fixture
def settings() -> KnowledgeSettings:
    return KnowledgeSettings(embedding=EMBEDDING)


@pytest.fixture(autouse=True)
def no_model_by_default() -> Iterator[None]:
    """LlamaIndex reaches for OpenAI where nothing else is set."""
    before = (Settings._llm, Settings._embed_model)
    Settings.llm, Settings.embed_model = MockLLM(), MockEmbedding(embed_dim=4)
    yield
    Settings._llm, Settings._embed_model = before


@pytest.fixture
def vector_store(store: Store, indexes: Indexes) -> MaodouVectorStore:
    return MaodouVectorStore(store, indexes, "pods")


@pytest.fixture
def pipeline(vector_store: MaodouVectorStore) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=128, chunk_overlap=0), WordEmbedding()],
        vector_store=vector_store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )


def document(name: str, text: str, **metadata: str) -> Document:
    return Document(
        text=text, id_=name, metadata={"file_name": name, **metadata}, excluded_embed_metadata_keys=["file_name"]
    )


WOMBAT = document("wombat.md", "The wombat digs a burrow in the river bed.", kind="animal")
ENGINE = document("engine.md", "The engine burns diesel fuel.", kind="machine")
BEAN = document("bean.md", "The bean grows on a field.", kind="plant")


def found(vector_store: MaodouVectorStore, question: str, limit: int = 5, **query: object) -> list[str]:
    vector = WordEmbedding().get_query_embedding(question)
    result = vector_store.query(
        VectorStoreQuery(query_embedding=vector, query_str=question, similarity_top_k=limit, **query)  # type: ignore[arg-type]
    )
    return [str(node.metadata.get("file_name")) for node in result.nodes or []]


# ── its pipelines ────────────────────────────────────────────────────────────────────────────────────────


def test_documents_go_in_and_come_back_as_they_were(
    pipeline: IngestionPipeline, vector_store: MaodouVectorStore
) -> None:
    pipeline.run(documents=[WOMBAT, ENGINE])
    (node,) = [node for node in vector_store.get_nodes() if node.ref_doc_id == "wombat.md"]
    assert node.get_content() == WOMBAT.text
    assert node.metadata == WOMBAT.metadata
    assert node.excluded_embed_metadata_keys == ["file_name"]


def test_an_edit_replaces_the_old_text_everywhere(pipeline: IngestionPipeline, vector_store: MaodouVectorStore) -> None:
    pipeline.run(documents=[WOMBAT, ENGINE])
    edited = document("wombat.md", "The wombat sleeps all day.", kind="animal")
    pipeline.run(documents=[edited, ENGINE])
    texts = [node.get_content() for node in vector_store.get_nodes()]
    assert sorted(texts) == ["The engine burns diesel fuel.", "The wombat sleeps all day."]
    assert found(vector_store, "wombat sleeps")[0] == "wombat.md"


def test_what_is_left_out_of_the_next_run_is_deleted(
    pipeline: IngestionPipeline, vector_store: MaodouVectorStore
) -> None:
    pipeline.run(documents=[WOMBAT, ENGINE, BEAN])
    pipeline.run(documents=[ENGINE, BEAN])
    assert sorted(found(vector_store, "wombat burrow")) == ["bean.md", "engine.md"]


def test_a_document_that_comes_in_several_batches_is_one_document(
    vector_store: MaodouVectorStore, store: Store, settings: KnowledgeSettings
) -> None:
    parts = [TextNode(text=f"part {n} about beans", id_=f"part{n}", embedding=[1.0, float(n)]) for n in range(3)]
    for part in parts:
        part.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="book")
        assert vector_store.add([part]) == [part.node_id]
    (book,) = Library(store, settings).list("pods")
    assert (book.source, book.chunks) == ("book", 3)
    vector_store.delete("book")
    assert Library(store, settings).list("pods") == []


# ── its index and query engine ───────────────────────────────────────────────────────────────────────────


def test_its_query_engine_answers_through_add_edit_and_delete(
    pipeline: IngestionPipeline, vector_store: MaodouVectorStore
) -> None:
    index = VectorStoreIndex.from_vector_store(vector_store, embed_model=WordEmbedding())
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
    pipeline.run(documents=[WOMBAT, ENGINE])
    answer = engine.query("wombat burrow")
    assert [node.metadata["file_name"] for node in answer.source_nodes] == ["wombat.md"]
    assert "The wombat digs a burrow" in str(answer)
    pipeline.run(documents=[document("wombat.md", "The wombat eats grass."), ENGINE])
    assert "The wombat eats grass." in str(engine.query("wombat"))
    index.delete_ref_doc("wombat.md")
    assert [node.metadata["file_name"] for node in engine.query("wombat").source_nodes] == ["engine.md"]


def test_its_index_can_insert_and_delete_documents_itself(vector_store: MaodouVectorStore) -> None:
    context = StorageContext.from_defaults(vector_store=vector_store)
    index = VectorStoreIndex.from_documents([WOMBAT, ENGINE], storage_context=context, embed_model=WordEmbedding())
    index.insert(BEAN)
    assert found(vector_store, "bean field")[0] == "bean.md"
    index.delete_ref_doc("engine.md")
    index.insert(document("new.md", "A new engine with diesel."))
    assert found(vector_store, "diesel engine", limit=1) == ["new.md"], "the id of what was deleted is not used again"
    assert len(found(vector_store, "anything")) == 3


def test_its_query_engine_answers_over_our_retriever(
    library: Library, indexes: Indexes, store: Store, settings: KnowledgeSettings, folder: Path
) -> None:
    library.add(folder, "pods")
    indexes.refresh()
    retriever = MaodouRetriever(Retriever(store, indexes, settings), ["pods"], limit=2)
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    assert "TensorRT" in str(engine.query("支持哪些推理后端"))
    (folder / "README.md").write_text("# 豆荚\n\n现在只支持 ncnn 推理后端。\n")
    library.add(folder, "pods")
    indexes.refresh()
    answer = engine.query("支持哪些推理后端")
    assert "现在只支持" in str(answer)
    assert "TensorRT" not in str(answer)
    assert answer.source_nodes[0].metadata["source"] == "README.md"
    library.remove("pods", "README.md")
    indexes.refresh()
    assert "ncnn" not in str(engine.query("支持哪些推理后端"))


async def test_our_retriever_and_store_leave_the_event_loop_free(
    pipeline: IngestionPipeline, vector_store: MaodouVectorStore, store: Store, indexes: Indexes
) -> None:
    await asyncio.to_thread(pipeline.run, documents=[WOMBAT, ENGINE])
    loop_thread, threads = threading.get_ident(), set()
    read_now = store.read_now

    def watched(query: object) -> object:
        threads.add(threading.get_ident())
        return read_now(query)  # type: ignore[arg-type]

    store.read_now = watched  # type: ignore[method-assign, assignment]
    vector = WordEmbedding().get_query_embedding("wombat")
    result = await vector_store.aquery(VectorStoreQuery(query_embedding=vector, similarity_top_k=1))
    assert result.ids
    nodes = await MaodouRetriever(Retriever(store, indexes, KnowledgeSettings()), ["pods"]).aretrieve("wombat")
    assert nodes
    node = TextNode(text="late", id_="late", embedding=vector)
    await vector_store.async_add([node])
    assert [found.node_id for found in await vector_store.aget_nodes(["late"])] == ["late"]
    await vector_store.adelete_nodes(["late"])
    await vector_store.adelete("wombat.md")
    await vector_store.aclear()
    assert await vector_store.aget_nodes() == []
    assert threads
    assert loop_thread not in threads


# ── filters and ids ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def filled(pipeline: IngestionPipeline, vector_store: MaodouVectorStore) -> MaodouVectorStore:
    pipeline.run(documents=[WOMBAT, ENGINE, BEAN])
    return vector_store


def only(key: str, value: object, operator: FilterOperator = FilterOperator.EQ) -> MetadataFilter:
    return MetadataFilter.model_validate({"key": key, "value": value, "operator": operator})


def test_filters_apply_before_the_ranking(filled: MaodouVectorStore) -> None:
    machines = MetadataFilters(filters=[only("kind", "machine")])
    assert found(filled, "wombat burrow", limit=1, filters=machines) == ["engine.md"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (MetadataFilters(filters=[only("kind", "machine", FilterOperator.NE)]), {"wombat.md", "bean.md"}),
        (MetadataFilters(filters=[only("kind", ["machine", "plant"], FilterOperator.IN)]), {"engine.md", "bean.md"}),
        (MetadataFilters(filters=[only("kind", "zzz")]), set()),
        (
            MetadataFilters(filters=[only("nothing", None, FilterOperator.IS_EMPTY)]),
            {"wombat.md", "engine.md", "bean.md"},
        ),
        (MetadataFilters(filters=[only("file_name", "BEAN", FilterOperator.TEXT_MATCH_INSENSITIVE)]), {"bean.md"}),
        (
            MetadataFilters(filters=[only("kind", "animal"), only("kind", "plant")], condition=FilterCondition.OR),
            {"wombat.md", "bean.md"},
        ),
        (
            MetadataFilters(filters=[MetadataFilters(filters=[only("kind", "animal")])], condition=FilterCondition.NOT),
            {"engine.md", "bean.md"},
        ),
    ],
)
def test_filters_mean_what_llama_index_says(
    filled: MaodouVectorStore, filters: MetadataFilters, expected: set[str]
) -> None:
    assert set(found(filled, "the", filters=filters)) == expected


def test_document_and_node_ids_restrict_a_query(filled: MaodouVectorStore) -> None:
    assert found(filled, "wombat", doc_ids=["bean.md"]) == ["bean.md"]
    (node,) = [node for node in filled.get_nodes() if node.ref_doc_id == "engine.md"]
    assert found(filled, "wombat", node_ids=[node.node_id]) == ["engine.md"]


@pytest.mark.parametrize("mode", [VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.HYBRID])
def test_words_can_be_asked_for(filled: MaodouVectorStore, mode: VectorStoreQueryMode) -> None:
    assert found(filled, "diesel", mode=mode)[0] == "engine.md"
    plants = MetadataFilters(filters=[only("kind", "plant")])
    assert set(found(filled, "diesel", mode=mode, filters=plants)) <= {"bean.md"}


def test_a_mode_it_does_not_have_is_refused(filled: MaodouVectorStore) -> None:
    with pytest.raises(NotImplementedError, match="mmr"):
        found(filled, "diesel", mode=VectorStoreQueryMode.MMR)


def test_nodes_of_a_filter_can_be_deleted(filled: MaodouVectorStore) -> None:
    filled.delete_nodes(filters=MetadataFilters(filters=[only("kind", "animal")]))
    filled.delete_nodes()
    assert sorted(found(filled, "the")) == ["bean.md", "engine.md"]


def test_documents_of_a_folder_and_of_llama_index_stand_side_by_side(
    filled: MaodouVectorStore, library: Library, folder: Path
) -> None:
    library.add(folder, "pods")
    assert "notes.txt" in [node.metadata.get("source") for node in filled.get_nodes()]
    native = next(node for node in filled.get_nodes() if node.metadata.get("source") == "notes.txt")
    assert native.ref_doc_id is not None
    filled.delete(native.ref_doc_id)
    assert "notes.txt" not in [document.source for document in library.list("pods")]
    assert "wombat.md" in [document.source for document in library.list("pods")]
    assert library.add(folder, "pods").added == ["notes.txt"], "a sync of the folder leaves the others alone"
    assert "wombat.md" in [document.source for document in library.list("pods")]


def test_a_base_keeps_its_nodes_to_itself(filled: MaodouVectorStore, store: Store, indexes: Indexes) -> None:
    other = MaodouVectorStore(store, indexes, "other")
    assert other.get_nodes() == []
    assert found(other, "wombat") == []
    other.add([TextNode(text="wombat", id_=filled.get_nodes()[0].node_id, embedding=[1.0] * 64)])
    other.clear()
    assert len(filled.get_nodes()) == 3


def test_without_an_embedding_there_is_no_vector_store(store: Store) -> None:
    with pytest.raises(UsageError, match="embedding"):
        MaodouVectorStore(store, Indexes(store, KnowledgeSettings()), "pods")


def test_a_node_without_an_embedding_is_refused_and_nothing_is_written(
    vector_store: MaodouVectorStore, store: Store, settings: KnowledgeSettings
) -> None:
    with pytest.raises(ValueError, match="embedding not set"):
        vector_store.add([TextNode(text="bare", id_="bare")])
    assert Library(store, settings).bases() == []
