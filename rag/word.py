"""Word (``.docx``) to Markdown: headings, paragraphs, lists and tables, as a reader of the page sees them.

A ``.docx`` is a zip of XML (ECMA-376, part 1, section 17). It is read as a stream with a bound on what it may unpack
to; document types, and with them entities, are refused, since no Word file has any. What was deleted in a tracked
change, hidden text, comments and field codes are not read.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.parsers.expat import ExpatError, ParserCreate

from rag.plain import escaped, heading, one_line
from rag.reading import Reading
from rag.refusal import Refusal, Refused

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BLOCK_BYTES = 65_536
_MAX_DEPTH = 1_000
_MAX_ENTRIES = 10_000
"""Of the archive: each costs some hundred bytes of memory before any is unpacked."""
_KNOWN_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others ask for as much memory as the file says."""
_ENTRY = b"PK\x01\x02"
_BLANK = re.compile(r"\n{3,}")
_HEADING = re.compile(r"(?:heading|标题)\s*([1-6])$")
_TITLES = ("title", "标题")
_UNSEEN = frozenset({"del", "moveFrom", "instrText", "delText", "rt", "Fallback"})


def word_to_markdown(data: bytes, name: str, limits: Reading) -> str:
    """``name``: of the file, unused where the document has headings. Raises :class:`Refused`."""
    if data.startswith(_OLE):
        encrypted = "EncryptedPackage".encode("utf-16-le") in data
        raise Refused(Refusal.ENCRYPTED if encrypted else Refusal.MISLABELLED)
    if not data.startswith(b"PK"):
        raise Refused(Refusal.MISLABELLED)
    if data.count(_ENTRY) > _MAX_ENTRIES:
        raise Refused(Refusal.UNPACKED)
    try:
        document = _read(data, limits)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        ExpatError,
        NotImplementedError,
        OSError,
        ValueError,
    ):
        raise Refused(Refusal.DAMAGED) from None
    except RuntimeError:  # zipfile's word for an entry with a password
        raise Refused(Refusal.ENCRYPTED) from None
    text = _BLANK.sub("\n\n", "".join(document.out)).strip()
    if not text:
        raise Refused(Refusal.SCANNED if document.pictures else Refusal.EMPTY)
    titled = text if document.headed else f"# {one_line(Path(name).stem)}\n\n{text}"
    return titled + "\n"


def _read(data: bytes, limits: Reading) -> _Document:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {entry.filename: entry for entry in archive.infolist()}
        body, styles_part = parts.get("word/document.xml"), parts.get("word/styles.xml")
        if body is None:
            raise Refused(Refusal.MISLABELLED)
        if any(part.compress_type not in _KNOWN_PACKINGS for part in (body, styles_part) if part is not None):
            raise Refused(Refusal.DAMAGED)
        budget = _Budget(limits.max_unpacked_bytes)
        styles = _Styles()
        if styles_part is not None:
            _parse(archive.open(styles_part), styles, budget)
        document = _Document(styles)
        _parse(archive.open(body), document, budget)
    return document


@dataclass(slots=True)
class _Budget:
    """Bytes that may still be unpacked."""

    left: int


def _parse(stream: IO[bytes], reader: _Styles | _Document, budget: _Budget) -> None:
    depth = 0

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise Refused(Refusal.TANGLED)
        reader.begin(_local(tag), {_local(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        reader.end(_local(tag))

    def refuse(*_: object) -> None:
        raise Refused(Refusal.DAMAGED)

    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = refuse
    with stream:
        while block := stream.read(_BLOCK_BYTES):
            budget.left -= len(block)
            if budget.left < 0:
                raise Refused(Refusal.UNPACKED)
            parser.Parse(block, False)
    parser.Parse(b"", True)


def _local(name: str) -> str:
    """The name within its namespace: formulas and drawings have words in ``t`` too."""
    return name.rpartition(" ")[2]


@dataclass(slots=True)
class _Styles:
    """Which of the paragraph styles are headings (1–6), the document's title, items of lists; by id."""

    levels: dict[str, int] = field(default_factory=dict)
    titles: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    _style: str = ""

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        value = attributes.get("val", "")
        if tag == "style":
            self._style = attributes.get("styleId", "")
        elif tag == "name" and self._style:
            found = _HEADING.match(value.casefold())
            if found is not None:
                self.levels[self._style] = int(found[1])
            elif value.casefold() in _TITLES:
                self.titles.add(self._style)
            elif value.casefold().startswith("list"):
                self.lists.add(self._style)
        elif tag == "outlineLvl" and self._style and value.isdecimal() and int(value) < 6:
            self.levels.setdefault(self._style, int(value) + 1)

    def end(self, tag: str) -> None:
        if tag == "style":
            self._style = ""

    def text(self, data: str) -> None:
        """Styles have no text of their own."""


@dataclass(slots=True)
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Paragraph:
    words: list[str] = field(default_factory=list)
    title: bool = False
    level: int = 0
    listed: bool = False


@dataclass(slots=True)
class _Document:
    """Gathers Markdown in ``out``. ``headed``: it begins with a heading. A table within a cell is the cell's text."""

    styles: _Styles
    out: list[str] = field(default_factory=list)
    headed: bool = False
    pictures: bool = False
    _tables: list[_Table] = field(default_factory=list)
    _open: list[_Paragraph] = field(default_factory=list)
    _below_title: int = 0
    _hidden: bool = False
    _unseen: int = 0
    _in_text: bool = False

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if self._unseen or tag in _UNSEEN:
            self._unseen += 1
            return
        value = attributes.get("val", "")
        paragraph = self._open[-1] if self._open else _Paragraph()
        if tag == "p":
            self._open.append(_Paragraph())  # a text box stands within a paragraph and has its own
            self._hidden = False
        elif tag == "pStyle":
            paragraph.title = value in self.styles.titles
            paragraph.level = self.styles.levels.get(value, 0)
            paragraph.listed = paragraph.listed or value in self.styles.lists
        elif tag == "numPr":
            paragraph.listed = True
        elif tag == "r":
            self._hidden = False
        elif tag == "vanish":
            self._hidden = value not in ("0", "false", "off")
        elif tag == "t":
            self._in_text = True
        elif tag == "tab":
            paragraph.words.append(" ")
        elif tag in ("br", "cr"):
            paragraph.words.append("\n")
        elif tag in ("drawing", "pict"):
            self.pictures = True
        elif tag == "tbl":
            self._tables.append(_Table())
        elif tag == "tr" and self._tables:
            self._tables[-1].rows.append([])

    def end(self, tag: str) -> None:
        if self._unseen:
            self._unseen -= 1
        elif tag == "t":
            self._in_text = False
        elif tag == "p" and self._open:
            self._paragraph(self._open.pop())
        elif tag == "tc" and self._tables and self._tables[-1].rows:
            table = self._tables[-1]
            table.rows[-1].append(one_line(" ".join(table.cell)).replace("|", "\\|"))
            table.cell = []
        elif tag == "tbl" and self._tables:
            self._table(self._tables.pop())

    def text(self, data: str) -> None:
        if self._in_text and self._open and not self._unseen and not self._hidden:
            self._open[-1].words.append(data)

    def _paragraph(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.words).strip()
        if not text:
            return
        if self._tables:
            self._tables[-1].cell.append(text)
        elif paragraph.title or paragraph.level:
            self.headed = self.headed or not self.out
            level = 1 if paragraph.title else min(6, paragraph.level + self._below_title)
            self._below_title = self._below_title or int(paragraph.title)
            self.out.append(f"\n\n{heading(level, text)}\n\n")
        elif paragraph.listed:
            self.out.append(f"\n- {one_line(text)}")
        else:
            self.out.append(f"\n\n{escaped(text)}\n\n")

    def _table(self, table: _Table) -> None:
        rows = [row for row in table.rows if any(row)]
        if self._tables:
            self._tables[-1].cell.extend(cell for row in rows for cell in row)
        elif rows:
            lines = [f"| {' | '.join(row)} |" for row in rows]
            lines.insert(1, f"| {' | '.join(['---'] * len(rows[0]))} |")
            self.out.append("\n\n" + "\n".join(lines) + "\n\n")
