"""A fetch brings the whole answer or a named failure, and costs no more than its limits."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import httpx
import pytest

from net.failures import Failure, FetchFailed
from net.fetching import Fetcher
from net.freshness import fresh_for_s, retry_after_s
from net.settings import FetchSettings
from tests.net.local_server import Asked, LocalServer, Write, response
from tests.waiting import until


def fetcher_for(server: LocalServer, **limits: object) -> Fetcher:
    return Fetcher(FetchSettings(allow_hosts=(server.host,), **limits))


async def failure(server: LocalServer, path: str, **limits: object) -> FetchFailed:
    fetcher = fetcher_for(server, **limits)
    with pytest.raises(FetchFailed) as caught:
        await fetcher.fetch(server.address(path))
    return caught.value


async def test_validators_are_sent_and_not_modified_is_no_body(server: LocalServer) -> None:
    async def conditional(asked: Asked, write: Write) -> None:
        same = asked.headers.get("if-none-match") == '"v1"' and "if-modified-since" in asked.headers
        await write(response(b"" if same else b"feed", status="304 Not Modified" if same else "200 OK", etag='"v1"'))

    server.pages["/"] = conditional
    fetcher = fetcher_for(server)
    first = await fetcher.fetch(server.address())
    assert (first.body, first.not_modified, first.headers["etag"]) == (b"feed", False, '"v1"')
    again = await fetcher.fetch(server.address(), etag='"v1"', modified="Sat, 29 Oct 2022 19:43:31 GMT")
    assert again.not_modified


@pytest.mark.parametrize(("pack", "name"), [
    (gzip.compress, "gzip"), (zlib.compress, "deflate"), (zlib.compress, "Deflate"),
    (lambda data: zlib.compress(data, wbits=-15), "deflate")])  # fmt: skip
async def test_packed_bodies_are_unpacked(server: LocalServer, pack: object, name: str) -> None:
    server.page("/", pack(b"x" * 10_000), content_encoding=name)  # type: ignore[operator]
    fetcher = fetcher_for(server)
    assert (await fetcher.fetch(server.address())).body == b"x" * 10_000


async def test_a_gigabyte_in_a_small_body_costs_the_limit(server: LocalServer) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(1024)) + packer.flush()
    assert len(bomb) < 2_000_000
    server.page("/", bomb, content_encoding="gzip")
    assert (await failure(server, "/", max_bytes=3_000_000)).failure is Failure.TOO_LARGE


async def test_every_fetch_has_a_connection_of_its_own_that_ends_with_it(server: LocalServer) -> None:
    server.page("/", b"feed")
    fetcher = fetcher_for(server)
    for _ in range(3):
        await fetcher.fetch(server.address())
    await until(lambda: server.open_now == 0)
    assert server.connections == 3


async def test_a_server_without_tls_is_no_https_server_and_the_certificates_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    make = httpx.create_ssl_context
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **how: made.append(how) or make(**how))

    def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listening:
        host = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        fetcher = Fetcher(FetchSettings(allow_hosts=(host,)))
        tried = await asyncio.gather(*(fetcher.fetch(f"https://{host}/") for _ in range(3)), return_exceptions=True)
    assert [each.failure for each in tried if isinstance(each, FetchFailed)] == [Failure.TLS] * 3
    assert made == [{"trust_env": False}]


async def test_a_stream_without_end_is_cut(server: LocalServer) -> None:
    sent = 0

    async def endless(asked: Asked, write: Write) -> None:
        nonlocal sent
        await write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await write(b"<item>" * 1000)
            sent += 6000

    server.pages["/"] = endless
    assert (await failure(server, "/", max_bytes=100_000)).failure is Failure.TOO_LARGE
    assert sent < 20_000_000


async def test_a_length_that_is_said_to_be_too_large_is_not_read(server: LocalServer) -> None:
    async def huge(asked: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")
        await asyncio.sleep(30)

    server.pages["/"] = huge
    assert (await failure(server, "/")).failure is Failure.TOO_LARGE


async def test_a_slow_drip_ends_with_the_total_time(server: LocalServer) -> None:
    async def drip(asked: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await write(b".")
            await asyncio.sleep(0.02)

    server.pages["/"] = drip
    async with asyncio.timeout(5):
        assert (await failure(server, "/", total_timeout_s=0.3, step_timeout_s=10)).failure is Failure.TIMEOUT


async def test_a_head_without_end_is_refused(server: LocalServer) -> None:
    async def heads(asked: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 200 OK\r\n")
        while True:
            await write(b"x-filler: " + b"y" * 1000 + b"\r\n")

    server.pages["/"] = heads
    assert (await failure(server, "/")).failure is Failure.BAD_ANSWER


async def test_permanent_moves_are_told_and_others_are_not(server: LocalServer) -> None:
    server.page("/old", b"", status="301 Moved Permanently", location="/new")
    server.page("/new", b"", status="308 Permanent Redirect", location="/newest")
    server.page("/newest", b"feed")
    server.page("/today", b"", status="302 Found", location="/old")
    fetcher = fetcher_for(server)
    moved = await fetcher.fetch(server.address("/old"))
    assert moved.moved_to == moved.address == server.address("/newest")
    passing = await fetcher.fetch(server.address("/today"))
    assert (passing.moved_to, passing.address) == (None, server.address("/newest"))


async def test_a_circle_of_redirects_ends(server: LocalServer) -> None:
    server.page("/", b"", status="302 Found", location="/")
    assert (await failure(server, "/")).failure is Failure.TOO_MANY_REDIRECTS
    assert server.connections == FetchSettings().max_redirects + 1


@pytest.mark.parametrize(("status", "expected"), [
    ("404 Not Found", Failure.NOT_FOUND), ("410 Gone", Failure.GONE), ("403 Forbidden", Failure.FORBIDDEN),
    ("429 Too Many Requests", Failure.TOO_MANY_REQUESTS), ("503 Unavailable", Failure.SERVER_ERROR),
    ("418 Teapot", Failure.STATUS)])  # fmt: skip
async def test_a_status_has_a_name(server: LocalServer, status: str, expected: Failure) -> None:
    server.page("/", b"", status=status, retry_after="120")
    failed = await failure(server, "/")
    assert (failed.failure, failed.after_s, failed.status) == (expected, 120.0, int(status[:3]))


async def test_nobody_there_and_nonsense_have_names(server: LocalServer) -> None:
    async def nonsense(asked: Asked, write: Write) -> None:
        await write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    server.pages["/"] = nonsense
    assert (await failure(server, "/")).failure is Failure.BAD_ANSWER
    server.page("/br", b"\x00", content_encoding="br")
    assert (await failure(server, "/br")).failure is Failure.BAD_ANSWER
    with pytest.raises(FetchFailed) as caught:
        await Fetcher(FetchSettings(allow_hosts=("127.0.0.1",))).fetch("http://127.0.0.1:1025/")
    assert caught.value.failure is Failure.UNREACHABLE


async def test_one_host_is_asked_by_two_at_a_time_and_does_not_keep_others_waiting(server: LocalServer) -> None:
    free = asyncio.Event()

    async def slow(asked: Asked, write: Write) -> None:
        await free.wait()
        await write(response(b"late"))

    server.pages["/slow"] = slow
    server.page("/quick", b"now")
    fetcher = Fetcher(FetchSettings(allow_hosts=("127.0.0.1", "localhost"), at_once=4))
    waiting = [asyncio.create_task(fetcher.fetch(server.address("/slow"))) for _ in range(10)]
    async with asyncio.timeout(5):
        assert (await fetcher.fetch(f"http://localhost:{server.port}/quick")).body == b"now"
    assert server.most_open <= 3
    free.set()
    assert [answer.body for answer in await asyncio.gather(*waiting)] == [b"late"] * 10


NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


def test_when_to_come_again_is_read_in_both_spellings() -> None:
    assert retry_after_s({"retry-after": "120"}, NOW) == 120
    assert retry_after_s({"retry-after": "Fri, 15 Jan 2027 08:02:00 GMT"}, NOW) == 120
    assert retry_after_s({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, NOW) == 0
    assert retry_after_s({"retry-after": "soon"}, NOW) is None
    assert retry_after_s({}, NOW) is None
    assert fresh_for_s({"cache-control": "public, max-age=900"}, NOW) == 900
    assert fresh_for_s({"cache-control": "no-cache, max-age=900"}, NOW) == 0
    assert fresh_for_s({"expires": "Fri, 15 Jan 2027 08:15:00 GMT"}, NOW) == 900
    assert fresh_for_s({"expires": "0"}, NOW) == 0
