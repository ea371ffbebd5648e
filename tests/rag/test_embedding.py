"""Vectors beside words: from an endpoint, from LlamaIndex's embeddings, or LSA; kept in SQL, and never needed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from sqlalchemy import func, select

from bot.errors import ModelError, UsageError
from bot.retention import Retention
from bot.store import Store
from rag.embed import VECTORS
from rag.embedding import EndpointEmbedder, LlamaIndexEmbedder, embedder_of
from rag.indexes import Indexes
from rag.library import Library
from rag.retrieve import Retriever
from rag.settings import EndpointEmbedding, KnowledgeSettings, LlamaIndexEmbedding, LsaEmbedding
from rag.tables import vectors
from tests.clock import ManualClock

MEANINGS = ({"install", "安装", "pip"}, {"video", "film", "视频"}, {"memory", "batch_size", "显存"})


def meaning(text: str) -> list[float]:
    """A vector of what a text is about: words of one meaning, in either language, fall together."""
    lower = text.lower()
    return [0.01, *(float(sum(word in lower for word in words)) for words in MEANINGS)]


class Double:
    """An embedder that knows three meanings, counts its texts, and fails when told to."""

    key = "double"
    batch_texts = 2

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.fails_after: int | None = None

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        if self.fails_after is not None and len(self.texts) >= self.fails_after:
            raise ModelError("the double fails")
        self.texts += texts
        return np.array([meaning(text) for text in texts], np.float32)

    def query(self, text: str) -> np.ndarray:
        if self.fails_after is not None:
            raise ModelError("the double fails")
        return np.array(meaning(text), np.float32)


@pytest.fixture
def double() -> Double:
    return Double()


@pytest.fixture
def retriever(store: Store, settings: KnowledgeSettings, double: Double, tmp_path: Path) -> Retriever:
    settings = settings.model_copy(update={"embedding": EndpointEmbedding(kind="endpoint", url="http://x", model="m")})
    return Retriever(store, Indexes(store, settings, tmp_path / "index", double), settings)


@pytest.fixture
def embedding_library(store: Store, settings: KnowledgeSettings, double: Double) -> Library:
    return Library(store, settings, double)


def vectors_in(store: Store) -> int:
    return store.read_now(lambda connection: connection.scalar(select(func.count()).select_from(vectors)) or 0)


def test_a_question_without_a_common_word_is_found_by_its_meaning(
    embedding_library: Library, retriever: Retriever, folder: Path
) -> None:
    embedding_library.add(folder, "pods")
    retriever.indexes.refresh()
    hit = retriever.search("film", ["pods"])[0]
    assert hit.passage.source == "notes.txt"
    assert (hit.lexical_rank, hit.vector_rank) == (None, 1)
    assert hit.vector > 0.9


def test_words_and_meanings_are_fused_by_rank(embedding_library: Library, retriever: Retriever, folder: Path) -> None:
    embedding_library.add(folder, "pods")
    retriever.indexes.refresh()
    hit = retriever.search("install doujia with pip", ["pods"])[0]
    assert hit.passage.source == "docs/en/install.md"
    assert hit.lexical_rank == 1
    assert hit.vector_rank is not None
    assert hit.fused > 0.9


def test_only_new_texts_are_embedded(embedding_library: Library, double: Double, folder: Path, store: Store) -> None:
    report = embedding_library.add(folder, "pods")
    assert report.embedded == len(double.texts) == report.chunks == vectors_in(store)
    double.texts.clear()
    assert embedding_library.add(folder, "pods").embedded == 0
    (folder / "notes.txt").write_text("A new film.")
    embedding_library.add(folder, "pods")
    embedding_library.add(folder, "copy")
    assert double.texts == ["A new film."]


def test_vectors_of_a_changed_text_reach_a_running_index(
    embedding_library: Library, retriever: Retriever, folder: Path
) -> None:
    embedding_library.add(folder, "pods")
    retriever.indexes.refresh()
    (folder / "notes.txt").write_text("Nothing of interest.")
    (folder / "new.md").write_text("A film about beans.")
    embedding_library.add(folder, "pods")
    retriever.indexes.refresh()
    assert [hit.passage.source for hit in retriever.search("视频", ["pods"]) if hit.vector > 0.9] == ["new.md"]


def test_a_model_that_fails_costs_the_vectors_and_not_the_documents(
    embedding_library: Library, retriever: Retriever, double: Double, folder: Path, store: Store
) -> None:
    double.fails_after = 4
    report = embedding_library.add(folder, "pods")
    assert "fails" in report.not_embedded
    assert vectors_in(store) == 4, "what was paid for is kept"
    retriever.indexes.refresh()
    assert retriever.search("mmdet video", ["pods"])[0].passage.source == "notes.txt"
    double.fails_after = None
    assert embedding_library.add(folder, "pods").embedded == report.chunks - 4
    retriever.indexes.refresh()
    assert retriever.search("film", ["pods"])[0].passage.source == "notes.txt"


def test_the_saved_index_keeps_the_vectors(
    embedding_library: Library, retriever: Retriever, folder: Path, store: Store, double: Double, tmp_path: Path
) -> None:
    embedding_library.add(folder, "pods")
    retriever.indexes.refresh()
    again = Indexes(store, retriever.settings, tmp_path / "index", double)
    again.open()
    assert Retriever(store, again, retriever.settings).search("film", ["pods"])[0].passage.source == "notes.txt"


async def test_vectors_of_texts_that_are_gone_go_with_the_sweep(
    embedding_library: Library, folder: Path, store: Store, clock: ManualClock
) -> None:
    retention = Retention(store, clock, erasers=(VECTORS,), batch=1)
    await asyncio.to_thread(embedding_library.add, folder, "pods")
    before = await asyncio.to_thread(vectors_in, store)
    await retention.sweep()
    assert await asyncio.to_thread(vectors_in, store) == before, "what is in use stays"
    await asyncio.to_thread(embedding_library.remove, "pods", "notes.txt")
    await retention.sweep()
    assert await asyncio.to_thread(vectors_in, store) == before - 1
    await asyncio.to_thread(embedding_library.remove, "pods")
    await retention.sweep()
    assert await asyncio.to_thread(vectors_in, store) == 0, "in as many batches as it takes"


# ── an endpoint ──────────────────────────────────────────────────────────────────────────────────────────


class Handler(BaseHTTPRequestHandler):
    """OpenAI's ``/embeddings``, out of order as it may be; ``faults`` are taken one a request."""

    faults: ClassVar[list[bytes]] = []
    seen: ClassVar[list[tuple[str | None, str, int]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["Authorization"], self.path, len(body["input"])))
        items = [{"index": n, "embedding": meaning(text)} for n, text in enumerate(body["input"])]
        answer = self.faults.pop(0) if self.faults else json.dumps({"data": items[::-1]}).encode()
        self.send_response(500 if answer == b"500" else 200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointEmbedder]:
    monkeypatch.setenv("MAODOU_EMBEDDING_KEY", "beans")
    Handler.faults.clear()
    Handler.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    embedder = EndpointEmbedder(EndpointEmbedding(kind="endpoint", url=url, model="m"))
    yield embedder
    embedder.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_is_asked_as_openai_is(endpoint: EndpointEmbedder) -> None:
    made = endpoint.passages(["a film", "install"])
    np.testing.assert_allclose(made, [meaning("a film"), meaning("install")], rtol=1e-6)
    np.testing.assert_allclose(endpoint.query("显存"), meaning("显存"), rtol=1e-6)
    assert Handler.seen == [("Bearer beans", "/v1/embeddings", 2), ("Bearer beans", "/v1/embeddings", 1)]


@pytest.mark.parametrize("fault", [b"500", b"{}", b"nonsense", b'{"data": []}', b'{"data": [{"index": 0}]}', b"[1]"])
def test_an_endpoint_that_answers_wrongly_has_failed(endpoint: EndpointEmbedder, fault: bytes) -> None:
    Handler.faults.append(fault)
    with pytest.raises(ModelError, match="endpoint"):
        endpoint.query("a film")


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────


def test_words_alone_and_lsa_need_no_model_from_outside() -> None:
    assert embedder_of(KnowledgeSettings()) is None
    assert embedder_of(KnowledgeSettings(embedding=LsaEmbedding(kind="lsa"))) is None


def test_a_class_that_does_not_exist_is_named() -> None:
    named = LlamaIndexEmbedding.model_validate({"kind": "llama_index", "class": "nowhere.Embedding"})
    with pytest.raises(UsageError, match=r"nowhere\.Embedding"):
        LlamaIndexEmbedder(named).query("x")


def test_keys_tell_models_apart() -> None:
    made = [
        LlamaIndexEmbedding.model_validate({"kind": "llama_index", "class": "a.B", "arguments": {"size": size}})
        for size in (1, 2)
    ]
    assert LlamaIndexEmbedder(made[0]).key != LlamaIndexEmbedder(made[1]).key
    assert LlamaIndexEmbedder(made[0]).key == LlamaIndexEmbedder(made[0]).key
