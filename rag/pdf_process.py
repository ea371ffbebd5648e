"""The text of a PDF's pages, read in a process of its own: run as a script by :mod:`rag.pdf`, never imported there.

A hostile PDF can make any parser loop or eat memory, so this process limits itself and its parent ends it. It reads
the file from standard input and writes one JSON object: ``{"title": …, "pages": [[number, text], …]}`` or
``{"refused": reason}``. It imports nothing of ours: it starts in a tenth of a second.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Where the system knows such limits; the parent's timeout holds everywhere."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):  # macOS refuses some of them
            continue


def read(data: bytes, max_pages: int, max_chars: int) -> dict[str, Any]:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"refused": "encrypted"}
        count = len(reader.pages)
        if count > max_pages:
            return {"refused": "many_pages"}
        pages: list[tuple[int, str]] = []
        chars = broken = 0
        for number in range(count):
            try:
                text = reader.pages[number].extract_text()
            except (LimitReachedError, MemoryError):
                raise
            except Exception:  # noqa: BLE001 – one page that cannot be read does not cost the others
                broken += 1
                continue
            chars += len(text)
            if chars > max_chars:
                return {"refused": "unpacked"}
            if text.strip():
                pages.append((number + 1, text))
        if not pages:
            return {"refused": "damaged" if broken else "scanned" if _pictures(reader, count) else "empty"}
        return {"title": _title(reader), "pages": pages}
    except (DependencyError, FileNotDecryptedError):
        return {"refused": "encrypted"}
    except LimitReachedError:
        return {"refused": "unpacked"}
    except (MemoryError, RecursionError):
        return {"refused": "costly"}
    except Exception:  # noqa: BLE001 – whatever a parser raises over a broken file: the file is broken
        return {"refused": "damaged"}


def _pictures(reader: Any, count: int) -> bool:
    """Whether one of the first pages has a picture in it."""
    for number in range(min(count, 20)):
        found = reader.pages[number].get("/Resources")
        objects = (found.get_object() if found is not None else {}).get("/XObject")
        if objects is not None and objects.get_object():
            return True
    return False


def _title(reader: Any) -> str:
    try:
        return str((reader.metadata or {}).get("/Title") or "")[:200]
    except Exception:  # noqa: BLE001 – a broken title is no title
        return ""


def main() -> None:
    """Arguments: memory in bytes, processor time in seconds, pages, characters."""
    memory_bytes, cpu_s, max_pages, max_chars = map(int, sys.argv[1:5])
    limit(memory_bytes, cpu_s)
    logging.disable(logging.CRITICAL)
    told = read(sys.stdin.buffer.read(), max_pages, max_chars)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
