"""Large libraries loaded without the garbage collector.

What an import makes stays. To look through all of it for garbage again and again while it grows is a fifth of the
work of a start; afterwards each full look takes a third of a second, in which no room is served, and the last one
holds up the end of the process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """No garbage is looked for inside; what is there at its end is left alone by every later look."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
