"""A server that speaks the chat completions protocol by script, one reply a request, with every fault it can have.

It is written on a bare socket, because the faults are those of the wire: a stream cut amid a line, a response that
never ends, a body that is not what its header says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]

USAGE = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class ScriptedServer:
    """``replies`` are used up in their order, the last one for ever. ``connections``: how many were opened."""

    replies: list[Reply]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if (task := asyncio.current_task()) is not None:
            self.serving.add(task)
        try:
            while request := await _request(reader):
                self.asked.append(request)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                await reply(writer)
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            writer.close()


@asynccontextmanager
async def scripted(*replies: Reply) -> AsyncIterator[ScriptedServer]:
    double = ScriptedServer(list(replies))
    server = await asyncio.start_server(double.serve, "127.0.0.1", 0)
    double.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield double
    finally:
        server.close()
        for task in double.serving:
            task.cancel()
        await asyncio.gather(*double.serving, return_exceptions=True)
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split(" ")[1], headers, json.loads(body) if body else {})


# ── what a good server says ──────────────────────────────────────────────────────────────────────────────


def chunk(text: str | None = None, finish: str | None = None, **delta: object) -> dict[str, Any]:
    said = {**delta, **({"content": text} if text is not None else {})}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": said, "finish_reason": finish}],
    }


def events(*data: object, done: bool = True) -> bytes:
    lines = [f"data: {each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)}\n\n" for each in data]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def completion(*pieces: str, usage: Mapping[str, int] | None = USAGE, finish: str = "stop") -> bytes:
    counted = [{"choices": [], "usage": usage}] if usage else []
    return events(chunk("", role="assistant"), *map(chunk, pieces), chunk(finish=finish), *counted)


def says(*pieces: str, usage: Mapping[str, int] | None = USAGE, finish: str = "stop") -> Reply:
    """An answer without a fault."""
    return streams(completion(*pieces, usage=usage, finish=finish))


# ── and what it may say instead ──────────────────────────────────────────────────────────────────────────


def streams(body: bytes, *, first_after_s: float = 0, kind: str = "text/event-stream") -> Reply:
    """``body`` as a stream, its first byte after a while."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _head(writer, 200, kind)
        await writer.drain()
        await asyncio.sleep(first_after_s)
        _piece(writer, body)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return reply


def breaks_off(body: bytes, *, cleanly: bool = False) -> Reply:
    """The connection ends amid the answer: as an error, or ``cleanly`` as if that were all."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _head(writer, 200, "text/event-stream")
        _piece(writer, body)
        if cleanly:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    return reply


def hangs_up() -> Reply:
    """The connection ends instead of an answer."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.close()

    return reply


def stalls(body: bytes) -> Reply:
    """Something comes, then nothing any more."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _head(writer, 200, "text/event-stream")
        _piece(writer, body)
        await writer.drain()
        await asyncio.sleep(30)

    return reply


def drips(piece: str, every_s: float) -> Reply:
    """One piece after the other, for ever: always alive, never done."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _head(writer, 200, "text/event-stream")
        while True:
            _piece(writer, events(chunk(piece), done=False))
            await writer.drain()
            await asyncio.sleep(every_s)

    return reply


def answers(status: int, body: str = "{}", kind: str = "application/json", **headers: str) -> Reply:
    """A plain response. Header names are written with ``_`` for ``-``."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        data = body.encode()
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        await writer.drain()

    return reply


def _head(writer: asyncio.StreamWriter, status: int, kind: str) -> None:
    writer.write(f"HTTP/1.1 {status} OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())


def _piece(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
