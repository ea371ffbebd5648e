"""Why a fetch brought nothing: one closed list of reasons, so that whoever asked can say it in words."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    BAD_ADDRESS = "bad_address"  # no http(s) address, or a port that is not asked
    INWARD = "inward"  # it leads to an address that may not be reached
    NO_SUCH_HOST = "no_such_host"
    UNREACHABLE = "unreachable"  # no connection, or it broke
    TLS = "tls"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_ANSWER = "bad_answer"  # not HTTP, or packed in a way that cannot be unpacked
    FORBIDDEN = "forbidden"  # 401, 402, 403, 407, 451
    NOT_FOUND = "not_found"
    GONE = "gone"  # 410: it says that it will not come back
    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"  # 5xx
    STATUS = "status"  # any other


class FetchFailed(Exception):
    """Raised by :class:`net.fetching.Fetcher`. ``address``: where it happened, the last hop. ``status``: of the
    answer, where there was one. ``after_s``: what the server asks to wait, where it says so."""

    def __init__(
        self,
        failure: Failure,
        address: str,
        detail: str = "",
        *,
        status: int | None = None,
        after_s: float | None = None,
    ) -> None:
        self.failure = failure
        self.address = address
        self.detail = detail
        self.status = status
        self.after_s = after_s
        super().__init__(" ".join(filter(None, (str(failure), str(status or ""), detail))))


def of_status(status: int) -> Failure:
    """The failure that a status outside 2xx and 304 is."""
    known = {404: Failure.NOT_FOUND, 410: Failure.GONE, 429: Failure.TOO_MANY_REQUESTS}
    if status in known:
        return known[status]
    if status in (401, 402, 403, 407, 451):
        return Failure.FORBIDDEN
    return Failure.SERVER_ERROR if status >= 500 else Failure.STATUS
