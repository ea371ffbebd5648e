"""PDF to Markdown: the text of each page below the heading ``p. 3``, so that an answer can name its page.

The file is parsed in a process of its own (:mod:`rag.pdf_process`) that is ended when it takes too long.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rag.plain import blocks, escaped, heading, rejoined
from rag.reading import Reading
from rag.refusal import Refusal, Refused

_SCRIPT = Path(__file__).with_name("pdf_process.py")
_HEAD_BYTES = 1_024
"""Where the mark of a PDF may stand (PDF 1.7, annex H.3)."""


def pdf_to_markdown(data: bytes, name: str, limits: Reading) -> str:
    """``name``: of the file, which names the document where it has no title. Blocks. Raises :class:`Refused`."""
    if b"%PDF-" not in data[:_HEAD_BYTES]:
        raise Refused(Refusal.MISLABELLED)
    told = _told(data, limits)
    if "refused" in told:
        raise Refused(Refusal(told["refused"]))
    parts = [heading(1, told["title"]) if told["title"].strip() else heading(1, Path(name).stem)]
    for number, text in told["pages"]:
        parts += [heading(2, f"p. {number}"), escaped(rejoined(text))]
    return blocks(parts)


def _told(data: bytes, limits: Reading) -> dict[str, Any]:
    numbers = (limits.pdf_memory_bytes, limits.pdf_timeout_s, limits.max_pages, limits.max_unpacked_bytes)
    command = [sys.executable, "-I", str(_SCRIPT), *map(str, numbers)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limits.pdf_timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(Refusal.COSTLY) from None
    except OSError:  # no process to be had now
        raise Refused(Refusal.UNREADABLE) from None
    try:
        told = json.loads(done.stdout)
    except ValueError:  # it was ended by one of its limits
        raise Refused(Refusal.COSTLY) from None
    return told if isinstance(told, dict) else {"refused": Refusal.DAMAGED}
