"""Events of a job, as JSON lines: ``{"event": "step", …}``. Nothing else reaches the output."""

from __future__ import annotations

import json
import os
import sys
from typing import TextIO

_out: TextIO | None = None


class Refused(Exception):
    """The job cannot be done; the text is a sentence for whoever asked for it."""


def own_the_output() -> None:
    """From here on what libraries print to the output goes to the error output."""
    global _out
    _out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr


def tell(event: str, **what: object) -> None:
    if _out is not None:
        _out.write(json.dumps({"event": event, **what}, ensure_ascii=False) + "\n")
        _out.flush()
