"""lark-oapi, imported late: it costs seconds and 150 MB, and takes an event loop with it.

``lark_oapi.ws.client`` asks for its thread's event loop when it is imported, makes one where there is none,
and keeps it in its module. So it is imported in a thread that has nothing else to do, with a loop that is
closed at once; whoever makes a client puts the loop of that client in its place first. One long connection per
process is all that this can do.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
import threading
from typing import Any

from bot.errors import UsageError

MISSING = 'Feishu is configured, but its library is missing: pip install "maodou[feishu]".'


def load(module: str = "lark_oapi") -> Any:
    """A module of the library, or of those that it needs. Blocking: call it in a thread. Raises ``UsageError``
    when it is not installed."""
    if module not in sys.modules:
        failures: list[ImportError] = []
        thread = threading.Thread(target=_import, args=(module, failures), name="feishu-import")
        thread.start()
        thread.join()
        if failures:
            raise UsageError(MISSING) from failures[0]
    return importlib.import_module(module)


def _import(module: str, failures: list[ImportError]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        importlib.import_module(module)
        # It would log whole messages below this level, to standard output. What matters is logged by us.
        logging.getLogger("Lark").setLevel(logging.CRITICAL)
    except ImportError as error:
        failures.append(error)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
