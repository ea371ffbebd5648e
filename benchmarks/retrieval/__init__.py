"""What finding costs: the bare libraries, LlamaIndex with its own faiss store, and ours, over the same corpus.

Every arm gets the same chunks, vectors and questions, made from a seed (:mod:`benchmarks.retrieval.corpus`), and has
a fresh process for building and another for serving. faiss runs on one thread everywhere.

* ``build_s``: from texts and vectors in memory to an index that is on disk and can be asked. Each arm keeps the texts
  on disk as well, as its users would: ``raw`` in a table of SQLite, LlamaIndex in its document store, ours in the
  tables of the knowledge base, where the vectors stand too. Ours is also given in parts, on the standard error.
* ``load_s``: from disk to an index that can be asked, in a fresh process, the libraries imported before.
* ``p50_ms``, ``p95_ms``: from a question's text and its vector to the best ten chunks with their texts.
* ``rss_mib``: what the serving process holds after the questions. ``peak_mib``: the most that the building one held,
  the corpus in its memory included, which is the same for all.

``raw``: bm25s over character bigrams and stemmed words, a 16-bit faiss index, both fused by rank. ``llama_index``:
``VectorStoreIndex`` over ``FaissVectorStore``; vectors alone, since its BM25 has no tokens for Chinese. ``ours``: the
objects of a room – the shelf's writing, ``embed``, ``Indexes``, ``Retriever`` – with a model's vectors looked up.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """``python -m benchmarks retrieval``. The arms' processes import this package too, but not the command."""
    from benchmarks.retrieval.command import main as run

    return run(argv)
