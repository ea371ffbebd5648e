"""Files to text: Markdown, plain text and HTML. The first step of a document on its way in.

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
from enum import StrEnum
from pathlib import Path

from bot.texts import Text
from rag.html import Tangled, html_to_markdown
from rag.markdown import plain_markdown
from search.normalise import visible

VERSION = 2
"""Part of every document's hash: raise it when the same bytes read differently, and they are read again."""


class Refusal(StrEnum):
    """Why a file is not in the base."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BINARY = "binary"
    ENCODING = "encoding"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    UNSUPPORTED = "unsupported"
    OUTSIDE = "outside"
    TANGLED = "tangled"


REFUSALS: Mapping[Refusal, Text] = {
    Refusal.EMPTY: Text(zh="文件里没有文字", en="there is no text in it"),
    Refusal.TOO_LARGE: Text(zh="文件太大", en="it is too large"),
    Refusal.BINARY: Text(zh="是二进制文件，不是文本", en="it is binary, not text"),
    Refusal.ENCODING: Text(zh="认不出文字编码，请存为 UTF-8", en="its encoding cannot be told: save it as UTF-8"),
    Refusal.UNREADABLE: Text(zh="没有读取权限，或读取出错", en="it cannot be read (rights, or a read error)"),
    Refusal.VANISHED: Text(zh="读取时文件消失了", en="it vanished while it was being read"),
    Refusal.UNSUPPORTED: Text(zh="不支持这种文件", en="this kind of file is not supported"),
    Refusal.TANGLED: Text(zh="网页嵌套太深", en="its elements are nested too deeply"),
    Refusal.OUTSIDE: Text(zh="链接指向文件夹之外", en="it is a link that leads out of the folder"),
}

NOT_DOCUMENTS = frozenset({".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules"})
"""Folders of tools, never walked into."""

PASSING = frozenset({Refusal.UNREADABLE, Refusal.VANISHED})
"""Reasons that say nothing about the file's text: what was read of it before stays."""


class Refused(Exception):
    """Raised by :func:`load` and :func:`text_of`; the document's row and the report carry the reason."""

    def __init__(self, reason: Refusal) -> None:
        self.reason = reason
        super().__init__(REFUSALS[reason].en)


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
            if Path(name).suffix.lower() in READERS:
                path = Path(folder, name)
                yield Found(path, _source(root, path))
    yield from closed


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


def text_of(name: str, data: bytes) -> str:
    """The text of a file as Markdown (or plain text), by the ending of its name. Raises :class:`Refused`."""
    reader = READERS.get(Path(name).suffix.lower())
    if reader is None:
        raise Refused(Refusal.UNSUPPORTED)
    if not data.strip():
        raise Refused(Refusal.EMPTY)
    try:
        text = reader(visible(decode(data)))
    except Tangled:
        raise Refused(Refusal.TANGLED) from None
    if not text.strip():
        raise Refused(Refusal.EMPTY)
    return text


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
}
"""By the ending of a file's name; what is not here is passed over in a folder and refused when named itself."""
