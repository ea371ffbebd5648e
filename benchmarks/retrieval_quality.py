"""``python -m benchmarks retrieval-quality --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv``.

How well the passages that a question finds are the right ones, on any collection in the layout of BEIR (Thakur et al.
2021, arXiv 2104.08663): ``{"_id", "title", "text"}`` and ``{"_id", "text"}`` a line, and a table with the header
``query-id corpus-id score``. Through the product's tokeniser, word index and ``Retriever``, with the settings as
shipped: no embedding. An entry of the corpus is one passage, as its judgements are about it as a whole: its title is
the heading, and stands at the head of the text as in a document that the splitter has seen.

Queries without a judged entry are left out. nDCG is that of trec_eval: gain = score, discount log2(rank + 1), the
ideal order over all that is judged. Entries whose text says the same are folded into one hit, as in a room; they
take their places right after it, in the order in which they were found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import log2
from pathlib import Path
from statistics import mean

from bot.logs import LogSettings, Secrets, configure
from bot.store import Store, StoreSettings, metadata
from rag.indexes import Indexes
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings
from rag.writing import Chunk, Read, base_id_of, write_batch

BASE = "default"
DEPTH = 10
_WRITTEN_AT_ONCE = 1_000
_WARM_UP = 20
_SIGNS = str.maketrans("01", "-.")
KEYS = ("ndcg@10", "recall@10", "hit@1", "hit@5", "ms_per_query")

Judged = Mapping[str, int]
"""Entry to score; what is not above 0 is not relevant."""


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    title: str
    text: str


def main(argv: Sequence[str]) -> int:
    configure(LogSettings(level="warning"), Secrets(()))
    arguments = _arguments(argv)
    entries = [Entry(line["_id"], line.get("title") or "", line["text"]) for line in _lines(arguments.corpus)]
    qrels = read_qrels(arguments.qrels)
    texts = {line["_id"]: line["text"] for line in _lines(arguments.queries)}
    queries = {name: texts[name] for name in qrels if name in texts}
    if not queries:
        raise SystemExit("no query has both a text and a judged entry")
    missing = len(qrels) - len(queries)
    sys.stderr.write(f"{len(entries)} entries, {len(queries)} queries; {missing} judged ones have no text\n")
    with tempfile.TemporaryDirectory(prefix="maodou-quality-") as folder, opened(entries, Path(folder)) as finder:
        result = measure(finder, queries, qrels)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks retrieval-quality")
    for name in ("--corpus", "--queries", "--qrels"):
        parser.add_argument(name, type=Path, required=True)
    return parser.parse_args(argv)


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                yield entry | {"_id": str(entry["_id"]), "text": str(entry["text"])}
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}:{number}: no object with _id and text") from error


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Scores by query and entry; only queries that have an entry above 0. Raises ``ValueError`` with the line."""
    judged: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if number == 1 or not line.strip():  # the header
            continue
        try:
            query, entry, score = line.split("\t")
            judged.setdefault(query, {})[entry] = int(score)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not query-id, corpus-id and score with tabs between") from error
    return {query: scores for query, scores in judged.items() if any(score > 0 for score in scores.values())}


@contextmanager
def opened(entries: Sequence[Entry], folder: Path) -> Iterator[Finder]:
    """The entries in a knowledge base of its own, and what finds them."""
    settings = KnowledgeSettings()
    store = Store.open(StoreSettings(f"sqlite:///{folder}/maodou.db"))
    try:
        metadata.create_all(store.engine)
        base_id = store.write_now(lambda connection: base_id_of(connection, BASE))
        for start in range(0, len(entries), _WRITTEN_AT_ONCE):
            numbered = enumerate(entries[start : start + _WRITTEN_AT_ONCE], start=start)
            batch = [_document(entry, source_of(number)) for number, entry in numbered]
            store.write_now(partial(write_batch, base_id=base_id, root="", batch=batch))
        indexes = Indexes(store, settings)
        indexes.open()
        ids = {source_of(number): entry.id for number, entry in enumerate(entries)}
        yield Finder(Retriever(store, indexes, settings), ids)
    finally:
        store.close()


def source_of(number: int) -> str:
    """A name that has no word in it: the name of a file is searched too, and an id is not to be found by its digits."""
    return format(number, "b").translate(_SIGNS)


def _document(entry: Entry, source: str) -> Read:
    text = f"{entry.title}\n\n{entry.text}".strip()
    digest = hashlib.blake2b(f"{entry.id}\n{text}".encode(), digest_size=16).hexdigest()
    return Read(source, digest, len(text), None, entry.title, (Chunk(entry.title, text, digest),))


@dataclass(frozen=True, slots=True)
class Finder:
    """``ids``: the entry of each source."""

    retriever: Retriever
    ids: Mapping[str, str]

    def find(self, query: str, limit: int = DEPTH) -> list[str]:
        """The ids of the best entries, best first; at most ``limit``."""
        found: list[str] = []
        for hit in self.retriever.search(query, [BASE], limit):
            found.extend(self.ids[source] for source in (hit.passage.source, *hit.same_as))
        return found[:limit]


# ── how well ─────────────────────────────────────────────────────────────────────────────────────────────


def measure(finder: Finder, queries: Mapping[str, str], qrels: Mapping[str, Judged]) -> dict[str, float]:
    """Means over ``queries``; each has an entry in ``qrels`` above 0."""
    for text in list(queries.values())[:_WARM_UP]:
        finder.find(text)
    ranked: dict[str, list[str]] = {}
    began = time.perf_counter()
    for name, text in queries.items():
        ranked[name] = finder.find(text)
    spent = time.perf_counter() - began
    scored = [(ranked[name], qrels[name]) for name in queries]
    return {
        "ndcg@10": round(mean(ndcg(found, judged) for found, judged in scored), 4),
        "recall@10": round(mean(recall(found, judged) for found, judged in scored), 4),
        "hit@1": round(mean(hit(found, judged, 1) for found, judged in scored), 4),
        "hit@5": round(mean(hit(found, judged, 5) for found, judged in scored), 4),
        "ms_per_query": round(spent * 1000 / len(queries), 3),
    }


def ndcg(found: Sequence[str], judged: Judged, depth: int = DEPTH) -> float:
    """Järvelin and Kekäläinen 2002, with the gain that trec_eval takes: the score itself."""
    gains = [max(0, judged.get(entry, 0)) for entry in found[:depth]]
    ideal = sorted((max(0, score) for score in judged.values()), reverse=True)[:depth]
    return _discounted(gains) / _discounted(ideal)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def recall(found: Sequence[str], judged: Judged, depth: int = DEPTH) -> float:
    """The share of the relevant entries that are found."""
    relevant = _relevant(judged)
    return len(relevant & set(found[:depth])) / len(relevant)


def hit(found: Sequence[str], judged: Judged, depth: int) -> float:
    """1 when one of the first ``depth`` is relevant, 0 otherwise."""
    return float(not _relevant(judged).isdisjoint(found[:depth]))


def _relevant(judged: Judged) -> set[str]:
    return {entry for entry, score in judged.items() if score > 0}
