"""The floor: bm25s and faiss as their documentation uses them, and a table of SQLite for the texts.

The faiss index is the fastest exact one at this size, 16 bits a number; bm25s scores with its own default backend.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import bm25s
import faiss
import numpy as np
import Stemmer

from benchmarks.retrieval.arms import CANDIDATES, LIMIT, Ask
from benchmarks.retrieval.corpus import Corpus, Vectors

_RUNS = re.compile(r"[a-z0-9_]+|[\u4e00-\u9fff]+")
_RANK_K = 60


class Tokeniser:
    """Words stemmed, Chinese in character bigrams."""

    def __init__(self) -> None:
        self._stem = Stemmer.Stemmer("english").stemWord

    def __call__(self, text: str) -> list[str]:
        found: list[str] = []
        for run in _RUNS.findall(text.lower()):
            if run[0] < "\u4e00":
                found.append(self._stem(run))
            else:
                found.extend([run[i : i + 2] for i in range(max(1, len(run) - 1))])
        return found


def build(corpus: Corpus, folder: Path) -> dict[str, float]:
    faiss.omp_set_num_threads(1)
    connection = sqlite3.connect(folder / "texts.db")
    with connection:
        connection.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        connection.executemany("INSERT INTO chunks VALUES (?, ?)", enumerate(corpus.texts))
    connection.close()
    tokens = Tokeniser()
    words = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    words.index([tokens(text) for text in corpus.texts], show_progress=False)
    words.save(folder / "words")
    dim = corpus.vectors.shape[1]
    vectors = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    vectors.add(corpus.vectors)
    faiss.write_index(vectors, str(folder / "vectors.faiss"))
    return {}


def opened(folder: Path, corpus: Corpus) -> Ask:
    faiss.omp_set_num_threads(1)
    connection = sqlite3.connect(folder / "texts.db")
    words = bm25s.BM25.load(folder / "words")
    vectors = faiss.read_index(str(folder / "vectors.faiss"))
    tokens = Tokeniser()
    candidates = min(CANDIDATES, vectors.ntotal)

    def ask(text: str, vector: Vectors) -> list[str]:
        known = [token for token in dict.fromkeys(tokens(text)) if token in words.vocab_dict]
        scores = words.get_scores(known)
        best = np.argpartition(scores, len(scores) - candidates)[len(scores) - candidates :]
        best = best[np.argsort(-scores[best])]
        _, near = vectors.search(vector[None, :], candidates)
        fused: dict[int, float] = {}
        for ranked in (best.tolist(), near[0].tolist()):
            for rank, number in enumerate(ranked, start=1):
                fused[number] = fused.get(number, 0.0) + 1 / (_RANK_K + rank)
        numbers = sorted(fused, key=lambda number: -fused[number])[:LIMIT]
        query = f"SELECT id, text FROM chunks WHERE id IN ({','.join('?' * len(numbers))})"
        texts: dict[int, Any] = dict(connection.execute(query, numbers))
        return [texts[number] for number in numbers]

    return ask
