"""Imports lark-oapi so that it leaves no open event loop behind: a warning of that kind fails a test run.

``lark_oapi.ws.client`` makes a loop when it is imported in a thread that has none. Here it gets one, for the
length of the import.
"""

from __future__ import annotations

import asyncio
import importlib
import threading


def _import() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        importlib.import_module("lark_oapi.ws.client")
    finally:
        asyncio.set_event_loop(None)
        loop.close()


_thread = threading.Thread(target=_import, name="import-lark-oapi")
_thread.start()
_thread.join()
