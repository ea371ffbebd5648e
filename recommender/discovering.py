"""From whatever a member names – a page, a site, a feed, an RSSHub route – to the feed that is meant.

Tried in this order: the address itself, the feeds that the page declares, the links on it that look like one, and the
places where feeds usually lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from net.failures import Failure, FetchFailed
from net.fetching import Answer, Fetcher, cleaned
from recommender.parsing import ACCEPT, ParsedFeed, ParsedPage, ParseFailed, Parser, Unreadable

WELL_KNOWN = ("feed", "rss", "rss.xml", "atom.xml", "feed.xml", "index.xml", "feed.json")
MAX_TRIED = 10
"""Addresses that one search asks."""

RSSHUB = "rsshub://"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_TRAILING = ",.;:!?，。；：！？、)）]】>》\"'"


class NotFound(Exception):
    """Raised where no feed is found. ``reason``: a key of :data:`recommender.reasons.WORDS`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason} {detail}".strip())


@dataclass(frozen=True, slots=True)
class Discovery:
    """``address``: where the feed is asked from now on. ``explicit``: the page that led to it is for adults."""

    address: str
    answer: Answer
    parsed: ParsedFeed
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Discoverer:
    """``rsshub``: the base that ``rsshub://`` stands for, empty for none."""

    fetcher: Fetcher
    parser: Parser
    rsshub: str = ""

    def address_of(self, typed: str) -> str:
        """What a member typed, as an address. Raises :class:`NotFound`."""
        address = typed.strip().strip("<>").rstrip(_TRAILING)
        if address.casefold().startswith(RSSHUB):
            if not self.rsshub:
                raise NotFound(Failure.BAD_ADDRESS, "no RSSHub is configured")
            address = f"{self.rsshub.rstrip('/')}/{address[len(RSSHUB) :].lstrip('/')}"
        elif address.casefold().startswith("feed:"):
            rest = address[5:].removeprefix("//")
            address = rest if rest.startswith(("http://", "https://")) else f"https://{rest}"
        elif not _SCHEME.match(address) or re.match(r"[\w.-]+:\d+(?:/|$)", address):
            address = f"https://{address}"
        try:
            return cleaned(address)
        except FetchFailed as error:
            raise NotFound(error.failure, error.detail) from None

    async def find(self, typed: str) -> Discovery:
        """Raises :class:`NotFound` with what was wrong with the address itself."""
        address = self.address_of(typed)
        try:
            answer = await self.fetcher.fetch(address, accept=ACCEPT)
            return await self._read(address, answer)
        except FetchFailed as error:
            raise NotFound(error.failure, str(error)) from None
        except ParseFailed as error:
            if error.reason is not Unreadable.NOT_A_FEED:
                raise NotFound(error.reason, error.detail) from None
        page = await self._page(answer)
        for candidate in _candidates(answer.address, page):
            try:
                found = await self._read(candidate, await self.fetcher.fetch(candidate, accept=ACCEPT))
            except (FetchFailed, ParseFailed):
                continue
            return Discovery(found.address, found.answer, found.parsed, page.explicit)
        raise NotFound(Unreadable.NOT_A_FEED)

    async def _read(self, address: str, answer: Answer) -> Discovery:
        parsed = await self.parser.feed(answer.body, answer.address, answer.content_type)
        return Discovery(answer.moved_to or cleaned(address), answer, parsed)

    async def _page(self, answer: Answer) -> ParsedPage:
        try:
            return await self.parser.page(answer.body, answer.address)
        except ParseFailed:
            return ParsedPage("", False, ())


def _candidates(address: str, page: ParsedPage) -> Iterator[str]:
    """The likeliest first, each once, so many as one search may ask."""
    parts = urlsplit(address)
    top = f"{parts.scheme}://{parts.netloc}/"
    folder = urljoin(address, ".") if parts.path.endswith("/") else f"{address.partition('?')[0]}/"
    guesses = [*page.feeds[: MAX_TRIED - 4], *(urljoin(top, name) for name in WELL_KNOWN)]
    if folder != top:
        guesses.insert(len(page.feeds[: MAX_TRIED - 4]), urljoin(folder, WELL_KNOWN[0]))
    seen = {address}
    for guess in guesses:
        if guess not in seen and len(seen) <= MAX_TRIED:
            seen.add(guess)
            yield guess
