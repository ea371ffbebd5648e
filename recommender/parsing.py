"""Feeds and pages as their plain facts, read in processes that can be ended (:mod:`recommender.parse_process`).

A process serves many documents, since starting one costs a hundred times what an ordinary feed does. One that takes
too long, eats too much or dies is replaced, and only its document is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from recommender.settings import ParseSettings

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/rdf+xml, application/feed+json, application/xml;q=0.9, "
    "text/xml;q=0.9, */*;q=0.5"
)
"""What a request for a feed asks for."""

_SCRIPT = Path(__file__).with_name("parse_process.py")


class Unreadable(StrEnum):
    NOT_A_FEED = "not_a_feed"
    DAMAGED = "damaged"  # the parser gave up on it
    COSTLY = "costly"  # it took more time or memory than a feed may


class ParseFailed(Exception):
    """Raised by :class:`Parser`. ``detail``: the parser's own words, for the log."""

    def __init__(self, reason: Unreadable, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason} {detail}".strip())


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """``id``: what the feed calls it, may be empty. Texts are plain, on one line; ``link`` and ``picture`` absolute."""

    id: str
    link: str
    title: str
    summary: str
    picture: str
    author: str
    tags: tuple[str, ...]
    explicit: bool
    published_at: float | None


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """``every_s``: how often it says that it changes, 0 where it does not. ``entries``: in the feed's own order."""

    title: str
    site: str
    explicit: bool
    every_s: float
    entries: tuple[ParsedEntry, ...]


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """``feeds``: addresses that the page names, the likeliest first. ``explicit``: it is labelled for adults.
    ``summary``: what it says of itself."""

    title: str
    explicit: bool
    feeds: tuple[str, ...]
    summary: str = ""


@dataclass(slots=True)
class Parser:
    """``settings.processes`` of them work side by side; each is started when it is first needed."""

    settings: ParseSettings = field(default_factory=ParseSettings)
    replaced: int = 0
    _free: asyncio.LifoQueue[_Child] | None = None
    _children: list[_Child] = field(default_factory=list)

    async def feed(self, data: bytes, address: str, content_type: str = "") -> ParsedFeed:
        """``address``: where ``data`` was found, for relative links. Raises :class:`ParseFailed`."""
        told = await self._ask("feed", data, address, content_type)
        entries = tuple(ParsedEntry(**{**each, "tags": tuple(each["tags"])}) for each in told.pop("entries"))
        return ParsedFeed(**told, entries=entries)

    async def page(self, data: bytes, address: str) -> ParsedPage:
        told = await self._ask("page", data, address, "")
        return ParsedPage(told["title"], told["explicit"], tuple(told["feeds"]), told["summary"])

    async def aclose(self) -> None:
        for child in self._children:
            await child.end()
        self._children.clear()
        self._free = None

    async def _ask(self, kind: str, data: bytes, address: str, content_type: str) -> dict[str, Any]:
        if self._free is None:  # last in, first out: one process does what one can do
            self._free = asyncio.LifoQueue()
            self._children = [_Child(self.settings) for _ in range(self.settings.processes)]
            for child in self._children:
                self._free.put_nowait(child)
        free = self._free
        request = {
            "kind": kind,
            "address": address,
            "content_type": content_type,
            "max_entries": self.settings.max_entries,
            "bytes": len(data),
        }
        child = await free.get()
        try:
            async with asyncio.timeout(self.settings.start_timeout_s):
                await child.begin()
            async with asyncio.timeout(self.settings.timeout_s):
                told = await child.ask(request, data)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            await child.end()
            self.replaced += 1
            raise ParseFailed(Unreadable.COSTLY, type(error).__name__) from None
        except BaseException:
            await child.end()  # cancelled in the middle of a reply: what comes next would not fit
            raise
        finally:
            free.put_nowait(child)
        if "refused" in told:
            raise ParseFailed(Unreadable(told["refused"]), str(told.get("error", "")))
        return told


@dataclass(slots=True)
class _Child:
    settings: ParseSettings
    _process: asyncio.subprocess.Process | None = None
    _served: int = 0

    async def begin(self) -> None:
        """Returns when there is a process that serves; its start is not the document's time."""
        if self._served >= self.settings.documents_per_process:
            await self.end()
        if self._process is None or self._process.returncode is not None:
            self._process = await self._started()
            assert self._process.stdout is not None
            await self._process.stdout.readexactly(1)

    async def ask(self, request: dict[str, Any], data: bytes) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        self._served += 1
        head = json.dumps(request).encode()
        process.stdin.write(struct.pack(">I", len(head)) + head)
        process.stdin.write(data)
        await process.stdin.drain()
        (length,) = struct.unpack(">I", await process.stdout.readexactly(4))
        told: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
        return told

    async def end(self) -> None:
        process, self._process, self._served = self._process, None, 0
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # else its pipes wait for the collector

    async def _started(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_SCRIPT),
            str(self.settings.memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
