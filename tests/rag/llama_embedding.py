"""A LlamaIndex embedding without a model: hashed words, so that equal words are near. For tests and nothing else."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from llama_index.core.embeddings import BaseEmbedding

from search.tokenise import tokens

DIMENSIONS = 64


class WordEmbedding(BaseEmbedding):
    """Counts tokens in ``DIMENSIONS`` buckets."""

    def _embed(self, text: str) -> list[float]:
        vector = [0.0] * DIMENSIONS
        for token in tokens(text):
            vector[blake2b(token.encode(), digest_size=2).digest()[0] % DIMENSIONS] += 1.0
        return vector if any(vector) else [1.0, *vector[1:]]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embed(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embed(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._embed(query)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
