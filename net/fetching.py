"""The one fetcher: an address in, its bytes out, and nothing spent beyond the limits.

The address is checked when the connection is made (:mod:`net.dialling`). The body is counted before and after it is
unpacked, so that neither a stream without end nor a small one that unpacks to gigabytes costs more than
``max_bytes``. Heads are bounded by h11 at 100 KiB. Nothing is cached here: who asks keeps the validators.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpcore
import httpx

from net.addresses import is_port_allowed
from net.dialling import CheckedBackend, Inward, NoSuchHost, Resolve, resolve
from net.failures import Failure, FetchFailed, of_status
from net.freshness import retry_after_s
from net.settings import FetchSettings
from net.unpacking import Unpacker, UnpackFailed

PERMANENT = (301, 308)
REDIRECTS = (301, 302, 303, 307, 308)
MAX_ADDRESS_CHARS = 2_048
ACCEPT_ENCODING = "gzip, deflate"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came. ``address``: of the last hop. ``moved_to``: where the first address says that it lives now, if all
    hops to there are permanent. ``headers``: names in small letters. ``not_modified``: the validators still hold, and
    ``body`` is empty."""

    address: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    moved_to: str | None = None

    @property
    def not_modified(self) -> bool:
        return self.status == 304

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


@dataclass(slots=True)
class _Host:
    turns: asyncio.Semaphore
    users: int = 0


@dataclass(slots=True)
class Fetcher:
    """``now``: Unix seconds, to read dates in headers by. ``resolve``: looks names up."""

    settings: FetchSettings = field(default_factory=FetchSettings)
    now: Callable[[], float] = time.time
    resolve: Resolve = resolve
    _context: ssl.SSLContext | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turns: asyncio.Semaphore | None = None
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _backend: CheckedBackend = field(init=False)

    def __post_init__(self) -> None:
        self._backend = CheckedBackend(self.settings.allow_hosts, self.resolve)

    async def fetch(
        self,
        address: str,
        *,
        etag: str | None = None,
        modified: str | None = None,
        accept: str = "*/*",
        max_bytes: int | None = None,
    ) -> Answer:
        """The answer to a GET, conditional where there are validators. Raises :class:`FetchFailed` for everything
        else than 2xx and 304."""
        url = _parsed(address, address)
        headers = {"accept": accept, "accept-encoding": ACCEPT_ENCODING, "user-agent": self.settings.user_agent}
        if etag:
            headers["if-none-match"] = etag
        if modified:
            headers["if-modified-since"] = modified
        try:
            return await self._follow(url, headers, max_bytes or self.settings.max_bytes)
        except TimeoutError:
            raise FetchFailed(Failure.TIMEOUT, address) from None

    async def _follow(self, url: httpx.URL, headers: dict[str, str], max_bytes: int) -> Answer:
        moved_to, is_permanent = None, True
        left_s = self.settings.total_timeout_s
        for _ in range(self.settings.max_redirects + 1):
            async with self._turn(url.host):
                began = time.monotonic()
                async with asyncio.timeout(left_s):
                    answer = await self._get(url, headers, max_bytes)
                left_s = max(0.001, left_s - (time.monotonic() - began))
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                break
            is_permanent = is_permanent and answer.status in PERMANENT
            url = _parsed(_joined(url, target), answer.address)
            moved_to = str(url) if is_permanent else moved_to
        else:
            raise FetchFailed(Failure.TOO_MANY_REDIRECTS, str(url))
        if not (200 <= answer.status < 300 or answer.not_modified):
            after_s = retry_after_s(answer.headers, self.now())
            raise FetchFailed(of_status(answer.status), answer.address, status=answer.status, after_s=after_s)
        return Answer(answer.address, answer.status, answer.headers, answer.body, moved_to)

    async def _get(self, url: httpx.URL, headers: dict[str, str], max_bytes: int) -> Answer:
        """One hop."""
        address, step_s = str(url), self.settings.step_timeout_s
        timeouts = {"connect": step_s, "read": step_s, "write": step_s}
        try:
            target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
            host = url.netloc
            sent = [(b"host", host), *((name.encode(), value.encode()) for name, value in headers.items())]
            async with (
                await self._connection(target) as connection,
                connection.stream("GET", target, headers=sent, extensions={"timeout": timeouts}) as response,
            ):
                answered = _headers(response.headers)
                if response.status in REDIRECTS or not 200 <= response.status < 300:
                    return Answer(address, response.status, answered, b"")
                body = await _read(response, answered, address, max_bytes)
                return Answer(address, response.status, answered, body)
        except Inward as error:
            raise FetchFailed(Failure.INWARD, address, str(error)) from None
        except NoSuchHost as error:
            raise FetchFailed(Failure.NO_SUCH_HOST, address, str(error)) from None
        except httpcore.TimeoutException as error:
            raise FetchFailed(Failure.TIMEOUT, address, type(error).__name__) from None
        except httpcore.ConnectError as error:
            tls = "ssl" in str(error).casefold() or "certificate" in str(error).casefold()
            raise FetchFailed(Failure.TLS if tls else Failure.UNREACHABLE, address, _short(error)) from None
        except httpcore.NetworkError as error:
            raise FetchFailed(Failure.UNREACHABLE, address, _short(error)) from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, UnicodeError, UnpackFailed) as error:
            raise FetchFailed(Failure.BAD_ANSWER, address, _short(error)) from None

    async def _connection(self, target: httpcore.URL) -> httpcore.AsyncHTTPConnection:
        """One for each hop, closed after it: a feed is asked once an hour. How many there are at once is for
        :meth:`_turn` to say."""
        if target.scheme == b"https" and self._context is None:
            async with self._making:  # reading the authorities' certificates takes a moment, and once is enough
                self._context = self._context or await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        return httpcore.AsyncHTTPConnection(target.origin, self._context, network_backend=self._backend)

    @asynccontextmanager
    async def _turn(self, host: str) -> AsyncIterator[None]:
        """Waits until the host, and then the machine, has a place free."""
        if self._turns is None:
            self._turns = asyncio.Semaphore(self.settings.at_once)
        waiting = self._hosts.setdefault(host, _Host(asyncio.Semaphore(self.settings.at_once_per_host)))
        waiting.users += 1
        try:
            async with waiting.turns, self._turns:
                yield
        finally:
            waiting.users -= 1
            if not waiting.users:
                self._hosts.pop(host, None)


def cleaned(address: str) -> str:
    """The address as it is fetched: no name, password or fragment. Raises :class:`FetchFailed` for what is none."""
    return str(_parsed(address, address))


def host_of(address: str) -> str:
    """The host of an address, as limits count it. Raises :class:`FetchFailed` for what is no address."""
    return _parsed(address, address).host


async def _read(response: httpcore.Response, headers: Mapping[str, str], address: str, max_bytes: int) -> bytes:
    said = headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:19]) > max_bytes:
        raise FetchFailed(Failure.TOO_LARGE, address, f"{said} bytes")
    unpacker = Unpacker(headers.get("content-encoding", ""), max_bytes)
    parts: list[bytes] = []
    packed = size = 0
    async for chunk in response.aiter_stream():
        packed += len(chunk)
        part = unpacker.unpack(chunk)
        size += len(part)
        if packed > max_bytes or size > max_bytes:
            raise FetchFailed(Failure.TOO_LARGE, address, f"more than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


def _parsed(address: str, seen_at: str) -> httpx.URL:
    """``seen_at``: where the address was met."""
    if len(address) > MAX_ADDRESS_CHARS:
        raise FetchFailed(Failure.BAD_ADDRESS, seen_at, "too long")
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise FetchFailed(Failure.BAD_ADDRESS, seen_at, _short(error)) from None
    if url.scheme not in ("http", "https") or not url.host or "%" in url.host:
        raise FetchFailed(Failure.BAD_ADDRESS, seen_at, "no http or https address")
    if url.port is not None and not is_port_allowed(url.port):
        raise FetchFailed(Failure.BAD_ADDRESS, seen_at, f"port {url.port}")
    # A copy costs as much as reading the address, and most have neither.
    return url.copy_with(userinfo=b"", fragment=None) if "@" in address or "#" in address else url


def _joined(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except (httpx.InvalidURL, ValueError):
        return location


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The first of each name."""
    found: dict[str, str] = {}
    for name, value in raw:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
