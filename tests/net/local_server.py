"""A server on the loopback that answers whatever bytes a test gives it, and counts who came."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Write = Callable[[bytes], Awaitable[None]]
Handler = Callable[["Asked", Write], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class LocalServer:
    """``pages``: what answers at a path; ``connections``: how many were opened, whatever came over them."""

    port: int = 0
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)
    pages: dict[str, Handler] = field(default_factory=dict)
    open_now: int = 0
    most_open: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def address(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def page(self, path: str, body: bytes, *, status: str = "200 OK", **headers: str) -> str:
        """Answer ``body`` there from now on; ``content_type="text/html"`` becomes a header. Returns the address."""

        async def answer(asked: Asked, write: Write) -> None:
            await write(response(body, status=status, **headers))

        self.pages[path] = answer
        return self.address(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
                asked = Asked(head[0].split(" ")[1], headers)
                self.asked.append(asked)

                async def write(data: bytes) -> None:
                    writer.write(data)
                    await writer.drain()

                handler = self.pages.get(asked.path)
                if handler is None:
                    await write(response(b"", status="404 Not Found"))
                else:
                    await handler(asked, write)
        finally:
            self.open_now -= 1
            writer.close()


def response(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def local_server() -> AsyncIterator[LocalServer]:
    server = LocalServer()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
