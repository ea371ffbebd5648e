"""PDF and Word: pages and headings kept, what nobody sees left out, and a typed reason for the rest."""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from bot.store import Store
from rag import pdf as pdf_reader
from rag.library import Library
from rag.readers import Refusal, Refused, max_bytes_of, text_of
from rag.reading import Reading
from rag.settings import KnowledgeSettings
from tests.rag.office import docx, locked, paragraph, pdf, table, titled, zipped

pytestmark = pytest.mark.sqlite_alone


def reason(name: str, data: bytes, limits: Reading | None = None) -> Refusal:
    with pytest.raises(Refused) as refused:
        text_of(name, data, limits)
    return refused.value.reason


# ── PDF ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_page_stands_below_its_number() -> None:
    text = text_of("guide.pdf", titled(pdf(["Plant in May.", "Water (daily)\n# not a heading"]), "Bean guide"))
    assert text == "# Bean guide\n\n## p. 1\n\nPlant in May.\n\n## p. 2\n\nWater (daily)\n\\# not a heading\n"


def test_an_answer_from_a_pdf_names_its_page(library: Library, folder: Path) -> None:
    (folder / "guide.pdf").write_bytes(pdf(["Plant in May.", "Water daily."]))
    report = library.add(folder, "pods")
    assert "guide.pdf" in report.added
    (document,) = (document for document in library.list("pods") if document.source == "guide.pdf")
    assert (document.title, document.chunks) == ("guide", 2)


def test_lines_that_the_margin_broke_are_joined() -> None:
    page = (
        "Run the installer in a fresh environment and wait until it has down-\nloaded all that it needs.\n- one\n- two"
    )
    assert "until it has downloaded all that it needs.\n- one\n- two" in text_of("a.pdf", pdf([page]))


def test_scanned_pages_have_a_reason_of_their_own() -> None:
    assert reason("a.pdf", pdf(["", ""], picture=True)) is Refusal.SCANNED
    assert reason("a.pdf", pdf(["", ""])) is Refusal.EMPTY


def test_a_password_is_a_reason_but_not_one_that_only_locks_printing() -> None:
    assert reason("a.pdf", locked(pdf(["secret"]), "beans")) is Refusal.ENCRYPTED
    assert "open" in text_of("a.pdf", locked(pdf(["open"]), ""))


def test_pages_and_unpacked_text_are_bounded() -> None:
    assert reason("a.pdf", pdf(["bean"] * 4), Reading(max_pages=3)) is Refusal.MANY_PAGES
    assert reason("a.pdf", pdf(["bean " * 100]), Reading(max_unpacked_bytes=200)) is Refusal.UNPACKED


def test_a_compressed_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(zlib.compress(b"(bean) Tj " * 30_000_000, 9), 9)
    stream = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>\nstream\n%s\nendstream" % (len(bomb), bomb)
    original = pdf(["bean"])
    start = original.index(b"5 0 obj\n") + len(b"5 0 obj\n")
    data = original[:start] + stream + original[original.index(b"\nendobj", start) :]
    assert len(data) < 100_000
    assert reason("a.pdf", data) in (Refusal.UNPACKED, Refusal.COSTLY)


def test_a_pdf_that_takes_too_long_is_given_up() -> None:
    slow = pdf(["\n".join(["bean " * 20] * 200)] * 400)
    assert reason("a.pdf", slow, Reading(pdf_timeout_s=1)) is Refusal.COSTLY


def test_a_parser_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(pdf_reader, "_SCRIPT", endless)
    assert reason("a.pdf", pdf(["bean"]), Reading(pdf_timeout_s=1)) is Refusal.COSTLY


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_a_parser_that_eats_memory_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    greedy = tmp_path / "greedy.py"
    script = Path(pdf_reader.__file__).with_name("pdf_process.py").read_text(encoding="utf-8")
    greedy.write_text(script.replace("reader = PdfReader(", "hoard = bytearray(900_000_000); reader = PdfReader("))
    monkeypatch.setattr(pdf_reader, "_SCRIPT", greedy)
    assert reason("a.pdf", pdf(["bean"]), Reading(pdf_memory_bytes=400_000_000)) is Refusal.COSTLY
    assert "bean" in text_of("a.pdf", pdf(["bean"]), Reading(pdf_memory_bytes=4_000_000_000)), "the limit did it"


# ── Word ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_headings_paragraphs_and_tables_are_kept() -> None:
    data = docx(
        paragraph("Beans", "H1"),
        paragraph("Growing", "H2"),
        paragraph("Water <daily> & wait."),
        table([["bean", "days"], ["edamame", "80|90"]]),
        paragraph("# not a heading"),
    )
    assert text_of("a.docx", data) == (
        "# Beans\n\n## Growing\n\nWater <daily> & wait.\n\n"
        "| bean | days |\n| --- | --- |\n| edamame | 80\\|90 |\n\n\\# not a heading\n"
    )


def test_headings_stand_below_the_title_and_lists_are_lists() -> None:
    numbered = "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>two</w:t></w:r></w:p>"
    body = (paragraph("Handbook", "T"), paragraph("Beans", "H1"), paragraph("one", "L"), numbered, paragraph("Then"))
    assert text_of("a.docx", docx(*body)) == "# Handbook\n\n## Beans\n\n- one\n- two\n\nThen\n"


def test_a_document_without_headings_is_named_by_its_file() -> None:
    assert text_of("docs/种豆.docx", docx(paragraph("浇水。"), styles=None)) == "# 种豆\n\n浇水。\n"


def test_what_a_page_of_word_does_not_show_is_not_read() -> None:
    deleted = (
        "<w:p><w:del><w:r><w:delText>obey</w:delText><w:t>obey</w:t></w:r></w:del><w:r><w:t>shown</w:t></w:r></w:p>"
    )
    data = docx(deleted, paragraph("obey", run="<w:vanish/>"), paragraph("also shown", run='<w:vanish w:val="0"/>'))
    assert text_of("a.docx", data) == "# a\n\nshown\n\nalso shown\n"


def test_a_text_box_keeps_the_paragraph_around_it() -> None:
    box = f"<w:p><w:r><w:t>before </w:t><w:pict><w:txbxContent>{paragraph('in the box')}</w:txbxContent></w:pict>"
    text = text_of("a.docx", docx(f"{box}<w:t>after</w:t></w:r></w:p>"))
    assert "before after" in text
    assert "in the box" in text


def test_word_files_that_are_none_have_their_reasons() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
    assert reason("a.docx", ole + "EncryptedPackage".encode("utf-16-le")) is Refusal.ENCRYPTED
    assert reason("a.docx", ole) is Refusal.MISLABELLED
    assert reason("a.docx", pdf(["bean"])) is Refusal.MISLABELLED
    assert reason("a.docx", zipped({"mimetype": "application/epub+zip"})) is Refusal.MISLABELLED
    assert reason("a.docx", docx()) is Refusal.EMPTY
    assert reason("a.docx", docx("<w:p><w:r><w:drawing/></w:r></w:p>")) is Refusal.SCANNED
    assert reason("a.docx", docx("<w:p>")) is Refusal.DAMAGED


def test_bombs_in_word_files_do_not_go_off() -> None:
    entities = '<!DOCTYPE x [<!ENTITY a "bean"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    assert reason("a.docx", docx("<w:p><w:r><w:t>&b;</w:t></w:r></w:p>", head=entities)) is Refusal.DAMAGED
    small = Reading(max_unpacked_bytes=1_000_000)
    assert reason("a.docx", docx(paragraph("bean " * 250_000)), small) is Refusal.UNPACKED
    assert "bean" in text_of("a.docx", docx(paragraph("bean " * 150_000)), small)
    assert reason("a.docx", docx("<w:p>" * 2_000 + "</w:p>" * 2_000)) is Refusal.TANGLED
    assert reason("a.docx", zipped({f"{number}": "" for number in range(10_001)})) is Refusal.UNPACKED


def test_a_packing_that_asks_for_memory_is_not_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("word/document.xml", "<x/>")
    assert reason("a.docx", out.getvalue()) is Refusal.DAMAGED


def test_packed_files_may_weigh_more_than_text() -> None:
    settings = KnowledgeSettings(max_file_bytes=10, reading=Reading(max_packed_bytes=1_000))
    sizes = [max_bytes_of(name, settings.max_file_bytes, settings.reading) for name in ("a.md", "a.PDF", "a.docx")]
    assert sizes == [10, 1_000, 1_000]


def test_what_one_limit_refused_is_read_again_under_another(store: Store, folder: Path) -> None:
    (folder / "guide.pdf").write_bytes(pdf(["Plant in May.", "Water daily."]))
    strict = Library(store, KnowledgeSettings(reading=Reading(max_pages=1)))
    assert strict.add(folder, "pods").refused == [("guide.pdf", Refusal.MANY_PAGES)]
    assert Library(store, KnowledgeSettings()).add(folder, "pods").changed == ["guide.pdf"]
