"""LSA fitted on a base: words that keep company find each other, and it follows the documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.store import Store
from rag.indexes import Indexes
from rag.library import Library
from rag.lsa import Lsa
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings, LsaEmbedding

pytestmark = pytest.mark.sqlite_alone

SETTINGS = KnowledgeSettings(embedding=LsaEmbedding(kind="lsa", dimensions=8))

ANIMALS = ("wombat burrow marsupial", "burrow marsupial grass", "wombat grass marsupial", "grass burrow wombat")
MACHINES = ("compiler linker object", "linker object binary", "compiler binary object", "binary linker compiler")


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    root = tmp_path / "animals"
    root.mkdir()
    for number in range(12):
        for kind, texts in (("animal", ANIMALS), ("machine", MACHINES)):
            text = f"{texts[number % 4]} only{kind}{number}\n"
            (root / f"{kind}{number}.md").write_text(text * 3)
    (root / "kangaroo.md").write_text("kangaroo marsupial grass\n" * 3)
    (root / "joey.md").write_text("kangaroo joey grass\n" * 3)
    return root


def retriever_over(store: Store, folder: Path | None = None) -> Retriever:
    indexes = Indexes(store, SETTINGS, folder)
    indexes.open()
    return Retriever(store, indexes, SETTINGS)


def test_words_that_keep_company_find_each_other(store: Store, animals: Path) -> None:
    Library(store, SETTINGS).add(animals, "zoo")
    retriever = retriever_over(store)
    hits = retriever.search("kangaroo", ["zoo"], 10)
    assert {hits[0].passage.source, hits[1].passage.source} == {"kangaroo.md", "joey.md"}
    by_company = [hit.passage.source for hit in hits if hit.lexical_rank is None]
    assert by_company
    assert all(source.startswith("animal") for source in by_company[:3])


def test_new_documents_are_projected_until_it_is_worth_fitting_anew(
    store: Store, animals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(store, SETTINGS)
    library.add(animals, "zoo")
    retriever = retriever_over(store)
    fits: list[int] = []
    fit = Lsa.fit

    def counting(words: object, settings: LsaEmbedding) -> Lsa | None:
        fits.append(1)
        return fit(words, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Lsa, "fit", counting)
    (animals / "new.md").write_text("marsupial grass burrow\n" * 3)
    (animals / "machine0.md").unlink()
    library.add(animals, "zoo")
    retriever.indexes.refresh()
    assert fits == []
    (new,) = [hit for hit in retriever.search("marsupial grass", ["zoo"], 40) if hit.passage.source == "new.md"]
    assert new.vector > 0.3
    for number in range(12):
        (animals / f"more{number}.md").write_text(f"compiler linker more{number}\n" * 3)
    library.add(animals, "zoo")
    retriever.indexes.refresh()
    assert fits == [1]


def test_the_saved_index_keeps_the_fit(
    store: Store, animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Library(store, SETTINGS).add(animals, "zoo")
    first = retriever_over(store, tmp_path / "index").search("kangaroo", ["zoo"], 10)
    monkeypatch.setattr(Lsa, "fit", lambda *arguments: pytest.fail("fitted again"))
    assert retriever_over(store, tmp_path / "index").search("kangaroo", ["zoo"], 10) == first


def test_too_little_text_is_searched_by_words_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("a single wombat")
    Library(store, SETTINGS).add(tmp_path / "one.md", "zoo")
    retriever = retriever_over(store)
    assert retriever.indexes.current["zoo"].meanings is None
    assert retriever.search("wombat", ["zoo"])[0].passage.source == "one.md"


def test_a_fit_is_the_same_each_time(store: Store, animals: Path) -> None:
    Library(store, SETTINGS).add(animals, "zoo")
    one, other = retriever_over(store), retriever_over(store)
    lsa = [retriever.indexes.current["zoo"].meanings for retriever in (one, other)]
    assert lsa[0] is not None
    assert lsa[1] is not None
    assert lsa[0].lsa is not None
    assert lsa[1].lsa is not None
    np.testing.assert_array_equal(lsa[0].lsa.components, lsa[1].lsa.components)
