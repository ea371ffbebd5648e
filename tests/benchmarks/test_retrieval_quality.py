"""The benchmark ``retrieval-quality``: its measures by hand, its files, and our ranking beside that of the books."""

from __future__ import annotations

import json
import subprocess
import sys
from math import log2
from pathlib import Path

import bm25s
import numpy as np
import pytest
import Stemmer

from benchmarks.retrieval_quality import (
    KEYS,
    Entry,
    hit,
    measure,
    ndcg,
    opened,
    read_qrels,
    recall,
    source_of,
)
from search.bm25 import K1, B
from search.tokenise import tokens
from tests.blocking import ROOT

ABSTRACTS = {
    "m1": (
        "Gut microbiota and sleep",
        "We show that antibiotics shorten slow-wave sleep in mice. Transplanting the microbiota of untreated animals "
        "restored it within two weeks, which suggests that bacterial metabolites act on the vagus nerve.",
    ),
    "m2": (
        "Vitamin D and respiratory infection",
        "In a randomised trial, daily vitamin D supplementation lowered the risk of acute respiratory infections. "
        "The effect was largest in patients with a low baseline concentration.",
    ),
    "m3": (
        "Coral bleaching after marine heatwaves",
        "Repeated heatwaves leave corals less time to recover. Reefs that bleached twice in ten years lost half of "
        "their branching species, while massive corals survived.",
    ),
    "m4": (
        "Attention and reading speed",
        "Readers who were told that the text would be tested read more slowly and remembered more. Eye movements "
        "show longer fixations on rare words, but not on frequent ones.",
    ),
    "m5": (
        "Sleep loss and immune response",
        "Adults who slept four hours a night before vaccination made fewer antibodies against influenza. Ten days "
        "of normal sleep afterwards did not close the gap.",
    ),
    "m6": (
        "Soil carbon under no-till farming",
        "No-till fields stored more carbon near the surface and less below thirty centimetres. Over the whole profile "
        "the difference from ploughed fields was not significant.",
    ),
}
CLAIMS = {
    "Antibiotics change the sleep of mice through the microbiome": "m1",
    "Supplementing vitamin D prevents infections of the airways": "m2",
    "Half of the branching coral species died after two heatwaves": "m3",
    "Rare words are fixated longer by the eyes of readers": "m4",
    "Lack of sleep before a vaccination reduces the antibody response": "m5",
    "No-till farming does not increase the carbon of the whole soil profile": "m6",
}


def entries() -> list[Entry]:
    return [Entry(name, title, text) for name, (title, text) in ABSTRACTS.items()]


# ── the measures, by hand ────────────────────────────────────────────────────────────────────────────────


def test_ndcg_is_one_for_the_ideal_order_and_counts_grades() -> None:
    judged = {"a": 2, "b": 1, "c": 0}
    assert ndcg(["a", "b", "c"], judged) == 1.0
    assert ndcg(["b", "x", "a"], judged) == pytest.approx((1 / log2(2) + 2 / log2(4)) / (2 / log2(2) + 1 / log2(3)))
    assert ndcg(["c", "x"], judged) == 0.0


def test_ndcg_compares_with_all_that_is_judged_up_to_the_depth() -> None:
    judged = {str(number): 1 for number in range(20)}
    assert ndcg([str(number) for number in range(10)], judged) == 1.0
    assert ndcg(["0"], judged) == pytest.approx(1 / sum(1 / log2(rank + 1) for rank in range(1, 11)))
    assert ndcg(["x"] * 10 + ["0"], judged) == 0.0


def test_recall_and_hits_look_at_what_is_relevant_alone() -> None:
    judged = {"a": 1, "b": 2, "c": 0, "d": 1}
    assert recall(["c", "b", "x", "a"], judged) == pytest.approx(2 / 3)
    assert (hit(["c", "b"], judged, 1), hit(["c", "b"], judged, 5)) == (0.0, 1.0)
    assert hit(["b"], judged, 1) == 1.0


# ── the files ────────────────────────────────────────────────────────────────────────────────────────────


def test_queries_without_a_relevant_entry_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "qrels.tsv"
    file.write_text("query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\ta\t0\n")
    assert read_qrels(file) == {"q1": {"a": 2, "b": 0}}


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "qrels.tsv"
    file.write_text("query-id\tcorpus-id\tscore\nq1 a 2\n")
    with pytest.raises(ValueError, match=r"qrels\.tsv:2"):
        read_qrels(file)


def test_it_prints_the_keys_of_its_contract(tmp_path: Path) -> None:
    corpus, queries, qrels = (tmp_path / name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"))
    corpus.write_text(
        "".join(json.dumps({"_id": e.id, "title": e.title, "text": e.text}) + "\n" for e in entries()), encoding="utf-8"
    )
    asked = [{"_id": str(number), "text": claim} for number, claim in enumerate(CLAIMS)]
    queries.write_text("".join(json.dumps(query) + "\n" for query in [*asked, {"_id": "unjudged", "text": "why?"}]))
    rows = [f"{number}\t{name}\t1\n" for number, name in enumerate(CLAIMS.values())]
    qrels.write_text("".join(["query-id\tcorpus-id\tscore\n", *rows]))
    command = [sys.executable, "-m", "benchmarks", "retrieval-quality", "--corpus", corpus, "--queries", queries]
    run = subprocess.run(
        [*command, "--qrels", qrels], cwd=ROOT, capture_output=True, text=True, check=True, timeout=110
    )
    result = json.loads(run.stdout.splitlines()[-1])
    assert tuple(result) == KEYS
    assert [result[key] for key in KEYS[:-1]] == [1.0] * 4


# ── our ranking beside that of the books ─────────────────────────────────────────────────────────────────


def test_names_of_entries_have_no_words() -> None:
    names = [source_of(number) for number in range(300)]
    assert len(set(names)) == 300
    assert all(not tokens(name) for name in names)


def test_with_the_same_tokens_the_ranking_is_that_of_bm25s(tmp_path: Path) -> None:
    """Without a title nothing is weighted, so it must be BM25 to the letter: idf, k1, b, and the lengths."""
    random = np.random.default_rng(5)
    words = [f"{first}{second}{third}w" for first in "bcdfghjk" for second in "aeiou" for third in "lmnprst"]
    texts = [" ".join(random.choice(words, random.integers(5, 60)).tolist()) for _ in range(200)]
    theirs = bm25s.BM25(method="lucene", k1=K1, b=B)
    theirs.index([tokens(text) for text in texts], show_progress=False)
    with opened([Entry(str(number), "", text) for number, text in enumerate(texts)], tmp_path) as finder:
        for _ in range(30):
            query = random.choice(words, 3, replace=False).tolist()
            scores = theirs.get_scores([token for token in tokens(" ".join(query)) if token in theirs.vocab_dict])
            found = [int(name) for name in finder.find(" ".join(query))]
            best = np.sort(scores)[::-1][:10]
            np.testing.assert_allclose(scores[found], best[: len(found)], rtol=1e-4)
            assert len(found) == 10 or best[len(found)] == 0


def test_plain_english_loses_nothing_by_titles_and_names_in_parts(tmp_path: Path) -> None:
    """Beside bm25s with stemmed words and the usual stop words, titles counted once."""
    stem = Stemmer.Stemmer("english")
    theirs = bm25s.BM25(method="lucene")
    plain = [f"{entry.title} {entry.text}" for entry in entries()]
    theirs.index(bm25s.tokenize(plain, stopwords="en", stemmer=stem, show_progress=False), show_progress=False)
    names = list(ABSTRACTS)
    first: dict[str, list[str]] = {}
    for claim in CLAIMS:
        asked = bm25s.tokenize([claim], stopwords="en", stemmer=stem, show_progress=False)
        numbers, _ = theirs.retrieve(asked, k=len(names), show_progress=False)
        first[claim] = [names[number] for number in numbers[0]]
    queries, qrels = {claim: claim for claim in CLAIMS}, {claim: {name: 1} for claim, name in CLAIMS.items()}
    reference = np.mean([ndcg(first[claim], qrels[claim]) for claim in CLAIMS])
    with opened(entries(), tmp_path) as finder:
        assert measure(finder, queries, qrels)["ndcg@10"] >= reference


def test_ties_are_broken_by_the_order_of_the_corpus(tmp_path: Path) -> None:
    same = [
        Entry(f"e{number}", "", f"wombat burrow {['north', 'south', 'east', 'west'][number % 4]}") for number in (2, 0)
    ]
    other = [Entry("x", "", "quokka island")]
    with opened([*same, *other], tmp_path) as finder:
        assert finder.find("wombat") == ["e2", "e0"]


def test_entries_that_say_the_same_are_found_together(tmp_path: Path) -> None:
    text = " ".join(f"The wombat digs burrow number {number} in the dry river bed." for number in range(12))
    twins = [Entry("one", "", text), Entry("two", "", text), Entry("other", "", "A wombat is a marsupial.")]
    with opened(twins, tmp_path) as finder:
        found = finder.find("wombat burrow number")
    assert found[:2] == ["one", "two"]
    assert "other" in found
