"""Text to vectors, when an embedding is configured: an endpoint, a LlamaIndex embedding, or LSA.

The first two are models from outside: their vectors are paid for, so they are kept in SQL by the hash of the text.
The third is fitted on each base: :mod:`rag.lsa`.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bot.errors import ModelError, UsageError
from rag.settings import EndpointEmbedding, KnowledgeSettings, LlamaIndexEmbedding
from search.vectors import Vectors

Vector = npt.NDArray[np.float32]


class Embedder(Protocol):
    """A model from outside. Blocks; raises ``ModelError``."""

    @property
    def key(self) -> str:
        """Names the model: vectors of one key can be compared."""
        ...

    @property
    def batch_texts(self) -> int:
        """How many texts it takes at once."""
        ...

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dimensions)."""
        ...

    def query(self, text: str) -> Vector:
        """Shape (dimensions,)."""
        ...


def embedder_of(settings: KnowledgeSettings) -> Embedder | None:
    """The configured model from outside; None for words alone and for LSA. Raises ``UsageError``."""
    match settings.embedding:
        case EndpointEmbedding() as endpoint:
            return EndpointEmbedder(endpoint)
        case LlamaIndexEmbedding() as named:
            return LlamaIndexEmbedder(named)
        case _:
            return None


class EndpointEmbedder:
    """OpenAI's ``POST /embeddings``, as vLLM, LMDeploy, llama.cpp, Ollama and most providers speak it."""

    def __init__(self, settings: EndpointEmbedding) -> None:
        import httpx  # 100 ms that a base without an embedding need not wait for

        self._settings = settings
        key = os.environ.get(settings.key_env, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=settings.url.rstrip("/"), headers=headers, timeout=settings.timeout_s)

    @property
    def key(self) -> str:
        return f"endpoint:{self._settings.model}"

    @property
    def batch_texts(self) -> int:
        return self._settings.batch_texts

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._ask(texts, self._settings.timeout_s)

    def query(self, text: str) -> Vector:
        vector: Vector = self._ask([text], self._settings.query_timeout_s)[0]
        return vector

    def close(self) -> None:
        self._client.close()

    def _ask(self, texts: Sequence[str], timeout_s: float) -> Vectors:
        import httpx

        body = {"model": self._settings.model, "input": list(texts)}
        try:
            response = self._client.post("/embeddings", json=body, timeout=timeout_s)
            response.raise_for_status()
            items = sorted(response.json()["data"], key=lambda item: item["index"])
            vectors = np.array([item["embedding"] for item in items], np.float32)
        except (httpx.HTTPError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"The embedding endpoint failed: {type(error).__name__}: {error}") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            raise ModelError(f"The embedding endpoint gave {vectors.shape} for {len(texts)} texts.")
        return vectors


class LlamaIndexEmbedder:
    """Any of LlamaIndex's embeddings (https://docs.llamaindex.ai, "Embeddings"), named by its import path.

    It is made when it is first used: that may load a model. Raises ``UsageError`` then, when it cannot be made.
    """

    def __init__(self, settings: LlamaIndexEmbedding) -> None:
        self._settings = settings
        self._model: Any = None
        self._making = threading.Lock()

    @property
    def key(self) -> str:
        arguments = json.dumps(self._settings.arguments, sort_keys=True)
        return f"llama_index:{self._settings.cls}:{hashlib.blake2b(arguments.encode(), digest_size=8).hexdigest()}"

    @property
    def batch_texts(self) -> int:
        return self._settings.batch_texts

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.array(self._call("get_text_embedding_batch", list(texts)), np.float32)

    def query(self, text: str) -> Vector:
        return np.array(self._call("get_query_embedding", text), np.float32)

    @property
    def model(self) -> Any:
        """LlamaIndex's ``BaseEmbedding``."""
        with self._making:
            if self._model is None:
                self._model = _made(self._settings)
            return self._model

    def _call(self, method: str, argument: Any) -> Any:
        model = self.model
        try:
            return getattr(model, method)(argument)
        except Exception as error:  # whatever library stands behind it, it is the model that failed
            raise ModelError(f"The embedding failed: {type(error).__name__}: {error}") from error


def _made(settings: LlamaIndexEmbedding) -> Any:
    module, _, name = settings.cls.rpartition(".")
    try:
        return getattr(import_module(module), name)(**settings.arguments)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"knowledge.embedding.class: {settings.cls!r} cannot be used ({error}).") from error
