"""A question to passages: the right ones, only from the bases of the room, folded and capped."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.store import Store
from rag.indexes import Indexes
from rag.library import Library
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings

pytestmark = pytest.mark.sqlite_alone


@pytest.fixture
def filled(library: Library, indexes: Indexes, folder: Path, tmp_path: Path) -> Path:
    library.add(folder, "pods")
    other = tmp_path / "secret"
    other.mkdir()
    (other / "plan.md").write_text("# Plan\n\nThe secret backend of doujia is called Quokka.\n")
    library.add(other, "secret")
    indexes.refresh()
    return folder


def test_a_hit_says_where_it_stands_and_how_it_was_found(filled: Path, retriever: Retriever) -> None:
    hit = retriever.search("支持哪些推理后端", ["pods"])[0]
    assert (hit.passage.base, hit.passage.source) == ("pods", "README.md")
    assert hit.passage.heading == "豆荚 › 支持的后端"
    assert "TensorRT" in hit.passage.text
    assert hit.title == "豆荚"
    assert hit.lexical > 0
    assert (hit.lexical_rank, hit.vector_rank, hit.vector) == (1, None, 0.0)
    assert hit.passage.score == hit.fused == 1.0


def test_only_the_bases_that_are_named_are_read(filled: Path, retriever: Retriever) -> None:
    question = "what is the secret backend of doujia called, quokka?"
    assert {hit.passage.base for hit in retriever.search(question, ["pods"], 50)} == {"pods"}
    assert retriever.search(question, ["pods", "secret"])[0].passage.source == "plan.md"
    assert retriever.search(question, []) == []
    assert retriever.search(question, ["nowhere"]) == []


def test_words_of_another_base_do_not_count(filled: Path, retriever: Retriever) -> None:
    assert not retriever.statistics(["pods"]).knows("quokka")
    assert retriever.statistics(["secret"]).knows("quokka")
    both = retriever.statistics(["pods", "secret"])
    alone = [retriever.statistics([name]) for name in ("pods", "secret")]
    assert both.chunks == sum(one.chunks for one in alone)
    assert both.document_frequency("backend") == sum(one.document_frequency("backend") for one in alone)


def test_a_question_without_known_words_finds_nothing(filled: Path, retriever: Retriever) -> None:
    assert retriever.search("zzyzx", ["pods"]) == []
    assert retriever.search("", ["pods"]) == []
    assert retriever.search("😀" * 100, ["pods"]) == []


def test_near_identical_passages_are_folded_and_named(
    library: Library, indexes: Indexes, retriever: Retriever, folder: Path
) -> None:
    text = "# Wombat\n\n" + " ".join(f"The wombat digs burrow number {n} in the dry river bed." for n in range(12))
    for name in ("a.md", "b.md", "c.md"):
        (folder / name).write_text(text)
    (folder / "d.md").write_text("# Wombat\n\nA wombat is a marsupial.")
    library.add(folder, "pods")
    indexes.refresh()
    hits = retriever.search("wombat burrow", ["pods"])
    assert len([hit for hit in hits if hit.passage.source in ("a.md", "b.md", "c.md")]) == 1
    assert {hits[0].passage.source, *hits[0].same_as} == {"a.md", "b.md", "c.md"}
    assert "d.md" in [hit.passage.source for hit in hits]


def test_one_document_cannot_take_all_places(
    library: Library, indexes: Indexes, retriever: Retriever, folder: Path, settings: KnowledgeSettings
) -> None:
    (folder / "long.md").write_text("".join(f"# Part {n}\n\nwombat fact number{n}\n\n" for n in range(9)))
    (folder / "short.md").write_text("A long story about many animals, and one wombat among all of them. " * 3)
    library.add(folder, "pods")
    indexes.refresh()
    found = [hit.passage.source for hit in retriever.search("wombat", ["pods"])]
    assert found.count("long.md") == settings.passages_per_document
    assert "short.md" in found


def test_asking_for_fewer_gives_the_head_of_the_same_order(filled: Path, retriever: Retriever) -> None:
    many = retriever.search("doujia install 后端 demo", ["pods"], 5)
    few = retriever.search("doujia install 后端 demo", ["pods"], 2)
    assert [hit.passage for hit in few] == [hit.passage for hit in many][:2]


def test_a_document_that_was_just_taken_out_is_not_shown(filled: Path, library: Library, retriever: Retriever) -> None:
    assert retriever.search("mmdet video", ["pods"])
    library.remove("pods", "notes.txt")
    assert retriever.search("mmdet video", ["pods"]) == [], "although the index has not been refreshed"


def test_a_pasted_log_is_searched_for_by_its_beginning(filled: Path, store: Store, indexes: Indexes) -> None:
    retriever = Retriever(store, indexes, KnowledgeSettings(max_query_chars=40))
    assert retriever.search("mmdet video " + "x " * 100 + "batch_size", ["pods"])[0].passage.source == "notes.txt"
    assert retriever.search("x " * 100 + "mmdet video", ["pods"]) == []
