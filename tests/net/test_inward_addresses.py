"""Nothing on the inside is ever connected to, however its address is written or where it comes from."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from net.addresses import is_public
from net.failures import Failure, FetchFailed
from net.fetching import Fetcher
from net.settings import FetchSettings
from tests.net.local_server import LocalServer


class Counting:
    """A listening socket on every interface that counts what is opened to it."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def inside() -> Iterator[Counting]:
    counting = Counting()
    yield counting
    counting.close()


INWARD_HOSTS = (
    "127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0.0.0.0", "0",
    "localhost", "localhost.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.192", "198.18.0.1",
    "168.63.129.16", "224.0.0.1", "255.255.255.255", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]",
    "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[::ffff:169.254.169.254]", "[2001:db8::1]", "[100::1]",
)  # fmt: skip


@pytest.mark.parametrize("host", INWARD_HOSTS)
async def test_an_inward_address_is_not_dialled(inside: Counting, host: str) -> None:
    with pytest.raises(FetchFailed) as caught:
        await Fetcher().fetch(f"http://{host}:{inside.port}/")
    assert caught.value.failure in (Failure.INWARD, Failure.BAD_ADDRESS, Failure.NO_SUCH_HOST)
    assert inside.connections == 0


async def test_the_listener_would_have_counted(inside: Counting) -> None:
    fetcher = Fetcher(FetchSettings(allow_hosts=("127.0.0.1",), step_timeout_s=2))
    with pytest.raises(FetchFailed):
        await fetcher.fetch(f"http://127.0.0.1:{inside.port}/")
    assert inside.connections == 1


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "http://2130706433:{port}/", "//localhost:{port}/x",
                                    "http://[::ffff:127.0.0.1]:{port}/", "http://[::1]:{port}/"])  # fmt: skip
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_inward_is_not_followed(
    server: LocalServer, inside: Counting, target: str, status: str
) -> None:
    server.page("/feed", b"", status=status, location=target.format(port=inside.port))
    fetcher = Fetcher(FetchSettings(allow_hosts=(server.host,)))
    with pytest.raises(FetchFailed) as caught:
        await fetcher.fetch(server.address("/feed"))
    assert caught.value.failure is Failure.INWARD
    assert inside.connections == 0


async def test_a_name_that_is_rebound_between_two_lookups_is_dialled_as_it_was_checked(inside: Counting) -> None:
    answers = [["203.0.113.9"], ["127.0.0.1"]]  # the first is documentation's, which is not public either

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    fetcher = Fetcher(resolve=rebinding)
    for _ in range(3):
        with pytest.raises(FetchFailed) as caught:
            await fetcher.fetch(f"http://rebind.example:{inside.port}/")
        assert caught.value.failure is Failure.INWARD
    assert inside.connections == 0


async def test_one_lookup_a_connection(inside: Counting) -> None:
    asked: list[str] = []

    async def once(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["8.8.8.8", "127.0.0.1"]

    with pytest.raises(FetchFailed) as caught:
        await Fetcher(resolve=once).fetch(f"http://mixed.example:{inside.port}/")
    assert caught.value.failure is Failure.INWARD, "one inward number among public ones is enough"
    assert asked == ["mixed.example"]
    assert inside.connections == 0


async def test_only_the_host_that_is_allowed_may_lie_inside(server: LocalServer, inside: Counting) -> None:
    fetcher = Fetcher(FetchSettings(allow_hosts=(server.host,)))
    server.page("/", b"here")
    assert (await fetcher.fetch(server.address())).body == b"here"
    for address in (f"http://127.0.0.1:{inside.port}/", f"http://localhost:{inside.port}/"):
        with pytest.raises(FetchFailed):
            await fetcher.fetch(address)
    assert inside.connections == 0


@pytest.mark.parametrize(
    "address",
    ["ftp://example.com/", "file:///etc/passwd", "gopher://example.com:70/", "example.com", "", "http://", "http:///x",
     "http://example.com:25/", "http://example.com:22/", "javascript:alert(1)", "http://" + "a" * 3000,
     "http://exa mple.com/", "http://[::1/", "http://example.com:99999/"],
)  # fmt: skip
async def test_what_is_no_address_of_a_page_is_refused(address: str) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError("nothing is looked up")

    with pytest.raises(FetchFailed) as caught:
        await Fetcher(resolve=never).fetch(address)
    assert caught.value.failure is Failure.BAD_ADDRESS


@pytest.mark.parametrize("number", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(number: str) -> None:
    assert is_public(number)
