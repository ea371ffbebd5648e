"""Connections to checked addresses: the name is looked up here, once, and the number that was checked is dialled.

A check of the name before the connection could be answered differently a moment later (DNS rebinding), so the check
and the connection see the same lookup. Each hop of a redirect is a connection of its own and passes here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpcore

from net.addresses import is_public

_LOOKUPS = ThreadPoolExecutor(16, thread_name_prefix="lookup")
"""Threads of their own: a name server that does not answer holds one for half a minute, and the loop's common ones are
everybody's."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a name, as digits; raises ``OSError`` where it has none."""


class Inward(Exception):
    """Raised instead of a connection to an address that may not be reached."""

    def __init__(self, host: str, number: str) -> None:
        self.host = host
        self.number = number
        super().__init__(f"{host} leads to {number}")


class NoSuchHost(Exception):
    pass


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system's resolver. It also reads 0x7f.1, 2130706433 and their like, as numbers."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    except UnicodeError as error:  # a label that is too long, or empty
        raise OSError(str(error)) from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore. ``allowed``: the hosts, as ``name`` or ``name:port``, that may lie anywhere."""

    def __init__(self, allowed: Iterable[str], resolve: Resolve, attempts: int = 3) -> None:
        self._allowed = frozenset(each.casefold() for each in allowed)
        self._resolve = resolve
        self._attempts = attempts
        self._dial = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 – httpcore's own interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """``timeout`` in seconds, for the lookup and for each attempt."""
        numbers = await self._numbers(host, port, timeout)
        if not self._may_lie_anywhere(host, port):
            for number in numbers:  # one bad number among good ones is how a name is rebound
                if not is_public(number):
                    raise Inward(host, number)
        tried = numbers[: self._attempts]
        for number in tried[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._dial.connect_tcp(number, port, timeout, local_address, socket_options)
        return await self._dial.connect_tcp(tried[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 – httpcore's own interface
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Inward(path, "a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _may_lie_anywhere(self, host: str, port: int) -> bool:
        name = host.casefold()
        return name in self._allowed or f"{name}:{port}" in self._allowed

    async def _numbers(self, host: str, port: int, within_s: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(within_s):
                numbers = await self._resolve(host, port)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout(f"{host} was not looked up in time") from None
            raise NoSuchHost(host) from None
        if not numbers:
            raise NoSuchHost(host)
        return numbers
