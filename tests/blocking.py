"""Finds calls of our code that block the event loop, while tests run.

``blockbuster`` wraps the blocking functions of the standard library (files, sockets, locks, ``sleep``,
SQLite …); called on a running loop with one of our folders on the stack, they raise ``BlockingError``.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from blockbuster import BlockBuster, BlockBusterFunction

ROOT = Path(__file__).resolve().parent.parent
OURS = (
    "adapters",
    "asr_tts",
    "bot",
    "finetune_xtuner",
    "llm",
    "maodou",
    "moderation",
    "net",
    "rag",
    "recommender",
    "search",
)

MAY_BLOCK: tuple[tuple[str, str, str, str], ...] = (
    (
        "*",
        "llm/client.py",
        "__init__",
        "the app makes it before its loop runs; a test may make it on its own",
    ),
    ("*", "llm/checks.py", "_check", "on the doctor's own loop, which serves nobody: a client reads its certificates"),
    ("*", "recommender/times.py", "zone", "a zone is a small file of the system's own, read once in a process"),
    (
        "threading.Lock.acquire",
        "adapters/feishu/connection.py",
        "_within",
        "on the client's own loop, which has no connection then: it asks for its address with a blocking call",
    ),
    (
        "*",
        "adapters/web/look.py",
        "made_apart",
        "on a loop of its own in a thread of its own, which serves nobody: Gradio wants one to be made in",
    ),
    (
        "os.stat",
        "gradio/route_utils.py",
        "routes_safe_join",
        "Gradio looks for the files of its own page so; ours is the middleware above it",
    ),
    (
        "*",
        "gradio/route_utils.py",
        "upload_fn",
        "Gradio writes what browsers upload so, in pieces; ours is the middleware above it",
    ),
    ("*", "recommender/reading.py", "run", "imports its scheduler at the start, when nobody is served yet"),
)
"""What is allowed all the same: the blocking function (``*`` for each), the end of a file's path and the function
in it from which it is called, and why."""


def _folder(name: str) -> ModuleType:
    """A folder as blockbuster wants it, without importing what the test does not use."""
    module = ModuleType(name)
    module.__path__ = [f"{ROOT / name}/"]
    return module


@functools.cache
def _watch() -> BlockBuster:
    folders = [_folder(name) for name in OURS]
    watch = BlockBuster(folders)
    if importlib.util.find_spec("psycopg"):  # it waits for its server in C, where no wrapper sees it
        watch.functions["psycopg.Connection.wait"] = BlockBusterFunction(
            None, "psycopg.Connection.wait", scanned_modules=folders
        )
    for name, file, where, _ in MAY_BLOCK:
        for function in watch.functions.values() if name == "*" else (watch.functions[name],):
            function.can_block_in(file, where)
    return watch


@contextmanager
def forbid_blocking() -> Iterator[None]:
    watch = _watch()
    watch.activate()
    try:
        yield
    finally:
        watch.deactivate()
