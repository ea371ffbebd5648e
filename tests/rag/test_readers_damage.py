"""Five hundred broken documents – cut off, mislabelled, bombs – cost a reason each, and nothing else."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.store import Store
from rag import pdf as pdf_reader
from rag.library import Library
from rag.pdf_process import read
from rag.readers import Refusal, Refused, text_of
from rag.reading import Reading
from rag.settings import KnowledgeSettings
from tests.rag.office import docx, locked, paragraph, pdf, zipped

pytestmark = pytest.mark.sqlite_alone

LIMITS = Reading(max_packed_bytes=200_000, max_unpacked_bytes=100_000, max_pages=20)
PDF = pdf(["Plant the beans in May.", "Water them daily."])
WORD = docx(paragraph("Beans", "H1"), *(paragraph(f"Row {number} is watered daily.") for number in range(40)))
PAIRS = json.dumps([{"question": "When do I plant?", "answer": "In May."}] * 5).encode()
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))


def broken(draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Names and contents without end, each refused by whoever is right, of every kind in turn."""
    while True:
        yield "cut.pdf", PDF[: draw.randrange(20, 120)]
        yield "cut.docx", WORD[: draw.randrange(10, len(WORD) - 30)]
        yield "cut.json", PAIRS[: draw.randrange(10, len(PAIRS) - 1)]
        yield "cut.md", b"\xff\xfe" + "豆子".encode("utf-16-le")[: 1 + 2 * draw.randrange(1)]
        yield "picture.pdf", PNG + draw.randbytes(50)
        yield "picture.docx", PNG + draw.randbytes(50)
        yield "picture.json", PNG + draw.randbytes(50)
        yield "picture.html", PNG + draw.randbytes(50)
        yield "word.pdf", WORD
        yield "pdf.docx", PDF
        yield "zip.docx", zipped({f"{draw.random()}.txt": "bean"})
        yield "noise.pdf", b"%PDF-1.7\n" + draw.randbytes(draw.randrange(10, 2_000))
        yield "noise.docx", b"PK\x03\x04" + draw.randbytes(draw.randrange(10, 2_000))
        yield "noise.txt", bytes(draw.choices(range(1, 9), k=300))
        yield "bomb.docx", docx(paragraph("bean " * draw.randrange(25_000, 60_000)))
        yield "bomb.pdf", pdf(["bean"] * draw.randrange(21, 40))
        yield "deep.html", b"<div>" * draw.randrange(1_100, 3_000) + b"bean"
        yield "deep.json", b"[" * draw.randrange(60_000, 100_000)
        yield "deep.docx", docx("<w:p>" * draw.randrange(1_100, 2_000))
        yield "locked.pdf", locked(PDF, f"{draw.random()}")
        yield "heavy.pdf", b"%PDF-1.7\n" + b"0" * 200_001
        yield "no.csv", b"a,b,c\n" + b"1,2,3\n" * draw.randrange(1, 50)
        yield "scan.pdf", pdf([""] * draw.randrange(1, 5), picture=True)
        yield "entities.docx", docx(paragraph("x"), head=f'<!DOCTYPE x [<!ENTITY a "{draw.random()}">]>')
        yield "nothing.docx", docx()


def in_this_process(data: bytes, limits: Reading) -> dict[str, Any]:
    """What the parser's own process does, without the third of a second that starting one takes."""
    return read(data, limits.max_pages, limits.max_unpacked_bytes)


def test_five_hundred_broken_documents_cost_a_reason_each_and_nothing_else(
    store: Store, folder: Path, sources: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_reader, "_told", in_this_process)
    library = Library(store, KnowledgeSettings(reading=LIMITS))
    good = len(library.add(folder, "pods").added)
    heap = folder / "heap faq"
    heap.mkdir()
    names = set()
    for number, (name, data) in zip(range(500), broken(random.Random(7)), strict=False):
        stem, _, ending = name.partition(".")
        path = heap / f"faq {number} {stem}.{ending}"
        path.write_bytes(data)
        names.add(f"heap faq/{path.name}")
    report = library.add(folder, "pods")
    refused = dict(report.refused)
    assert set(refused) == names, "every broken one is refused"
    assert (report.unchanged, report.added, report.changed) == (good, [], [])
    listed = {document.source: document.reason for document in library.list("pods")}
    assert {source: listed[source] for source in names} == refused
    assert len(Counter(refused.values())) >= 12, "the reasons tell them apart"
    assert sources("pip install doujia")[0] == "docs/en/install.md"


def test_the_parsers_own_process_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(11)
    wanted = {"cut.pdf", "noise.pdf", "bomb.pdf", "locked.pdf", "scan.pdf"}
    samples = [(name, data) for (name, data), _ in zip(broken(draw), range(25), strict=False) if name in wanted]
    assert len(samples) == len(wanted)
    outside = [_reason(name, data) for name, data in samples]
    monkeypatch.setattr(pdf_reader, "_told", in_this_process)
    assert outside == [_reason(name, data) for name, data in samples]
    assert None not in outside


@pytest.mark.parametrize(("name", "whole"), [("a.pdf", PDF), ("a.docx", WORD), ("a.json", PAIRS)])
def test_flipped_bytes_are_read_or_refused(name: str, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "_told", in_this_process)
    draw = random.Random(3)
    outcomes = Counter[Refusal | None]()
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 12)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        outcomes[_reason(name, bytes(data))] += 1
    assert sum(outcomes.values()) == 80
    assert len(outcomes) > 1, "some of them were hurt"


def _reason(name: str, data: bytes) -> Refusal | None:
    """Anything else than :class:`Refused` is a bug, and gets out."""
    try:
        assert text_of(name, data, LIMITS).strip()
    except Refused as refused:
        return refused.reason
    return None
