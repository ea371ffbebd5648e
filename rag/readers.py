"""Files to text: Markdown, plain text, HTML, PDF, Word, question–answer pairs. A document's first step on its way in.

Nothing here trusts a file: its size is checked while it is read, its encoding is found, what a reader would not see
(comments, scripts, hidden elements, invisible characters) is taken out, and whatever cannot be read is
:class:`Refused` with a typed reason.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rag import pairs
from rag.html import Tangled, html_to_markdown
from rag.markdown import plain_markdown
from rag.pairs import csv_to_markdown, json_to_markdown
from rag.pdf import pdf_to_markdown
from rag.reading import Reading
from rag.refusal import PASSING, REFUSALS, Refusal, Refused
from rag.word import word_to_markdown
from search.normalise import visible

__all__ = [
    "PACKED",
    "PASSING",
    "READERS",
    "REFUSALS",
    "Closed",
    "Found",
    "Refusal",
    "Refused",
    "load",
    "max_bytes_of",
    "storable",
    "text_of",
    "walk",
]

VERSION = 4
"""Part of every document's hash: raise it when the same bytes read differently, and they are read again."""


NOT_DOCUMENTS = frozenset({".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules"})
"""Folders of tools, never walked into."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder. ``source``: its path relative to the folder, with ``/``."""

    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A folder that cannot be listed; ``source`` like a file's, empty for the folder that was added."""

    source: str


def walk(root: Path) -> Iterator[Found | Closed]:
    """The files below ``root`` that a reader exists for, by name; linked folders are passed over.

    A ``root`` that is a file gives itself, whatever its kind. Folders without rights come as :class:`Closed`.
    """
    if not root.is_dir():
        yield Found(root, storable(root.name))
        return
    closed: list[Closed] = []

    def note(error: OSError) -> None:
        closed.append(Closed(_source(root, Path(error.filename or root))))

    for folder, names, files in os.walk(root, onerror=note):
        names[:] = sorted(name for name in names if name not in NOT_DOCUMENTS)
        yield from closed
        closed.clear()
        for name in sorted(files):
            path = Path(folder, name)
            if _is_document(path):
                yield Found(path, _source(root, path))
    yield from closed


def _is_document(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending in pairs.ENDINGS:
        return pairs.promising(path)
    return (ending in READERS or ending in PACKED) and not path.name.startswith("~$")  # Word's mark of an open file


def _source(root: Path, path: Path) -> str:
    source = path.relative_to(root).as_posix()
    return "" if source == "." else storable(source)


def storable(name: str) -> str:
    """A file's name as a database takes it: bytes that are no UTF-8 become ``\\udcxx``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def load(path: Path, root: Path, max_bytes: int) -> bytes:
    """The bytes of ``path``, which must lie in ``root`` when every link is followed. Raises :class:`Refused`."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise Refused(Refusal.OUTSIDE)
        info = real.stat()
        if not stat.S_ISREG(info.st_mode):
            raise Refused(Refusal.UNSUPPORTED)
        if info.st_size > max_bytes:
            raise Refused(Refusal.TOO_LARGE)
        with real.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise Refused(Refusal.VANISHED) from None
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        raise Refused(Refusal.UNREADABLE) from None
    if len(data) > max_bytes:
        raise Refused(Refusal.TOO_LARGE)
    return data


def max_bytes_of(name: str, max_bytes: int, limits: Reading) -> int:
    """What a file of that name may weigh."""
    return limits.max_packed_bytes if Path(name).suffix.lower() in PACKED else max_bytes


def text_of(name: str, data: bytes, limits: Reading | None = None) -> str:
    """The text of a file as Markdown (or plain text), by the ending of its name. Blocks. Raises :class:`Refused`."""
    ending = Path(name).suffix.lower()
    reader, unpacked = READERS.get(ending), PACKED.get(ending)
    if reader is None and unpacked is None:
        raise Refused(Refusal.UNSUPPORTED)
    if not data.strip():
        raise Refused(Refusal.EMPTY)
    try:
        if unpacked is not None:
            text = unpacked(data, name, limits or Reading())
        elif reader is not None:
            text = reader(visible(decode(data)))
    except Tangled:
        raise Refused(Refusal.TANGLED) from None
    text = visible(_without_halves(text))
    if not text.strip():
        raise Refused(Refusal.EMPTY)
    return text


def _without_halves(text: str) -> str:
    """Without halves of UTF-16 pairs, which JSON's escapes and a PDF's fonts can name and no database takes."""
    return text.encode("utf-8", "ignore").decode("utf-8")


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 65_536


def decode(data: bytes) -> str:
    """Text from bytes: by byte-order mark, as UTF-8, else as charset-normalizer judges a sample.

    Raises :class:`Refused` (binary, encoding).
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise Refused(Refusal.ENCODING) from None
    if b"\x00" in data:
        raise Refused(Refusal.BINARY)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = _guessed(data)
    strange = sum(1 for char in text[:_SAMPLE_BYTES] if ord(char) < 32 and char not in "\t\n\r\f\x1b")
    if strange * 50 > min(len(text), _SAMPLE_BYTES):
        raise Refused(Refusal.BINARY)
    return text


def _guessed(data: bytes) -> str:
    from charset_normalizer import from_bytes, is_binary  # 60 ms, and most folders never need it

    sample = data[:_SAMPLE_BYTES]
    best = from_bytes(sample).best()
    if best is not None:
        # One superset reads all of the family, whichever of them the sample was taken for.
        encoding = {"gb2312": "gb18030", "gbk": "gb18030", "hz": "gb18030"}.get(best.encoding, best.encoding)
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    raise Refused(Refusal.BINARY if is_binary(sample) else Refusal.ENCODING)


def _plain(text: str) -> str:
    return text


READERS: Mapping[str, Callable[[str], str]] = {
    ".md": plain_markdown,
    ".markdown": plain_markdown,
    ".mdx": plain_markdown,
    ".txt": _plain,
    ".text": _plain,
    ".rst": _plain,
    ".html": html_to_markdown,
    ".htm": html_to_markdown,
    ".csv": csv_to_markdown,
    ".json": json_to_markdown,
}
"""By the ending of a file's name; what is not here is passed over in a folder and refused when named itself."""

PACKED: Mapping[str, Callable[[bytes, str, Reading], str]] = {
    ".pdf": pdf_to_markdown,
    ".docx": word_to_markdown,
}
"""Readers of files that are no text themselves: bytes, the file's name and the limits in, Markdown out."""
