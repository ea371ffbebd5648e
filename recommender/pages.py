"""A page that somebody linked to: its own words, and the feed of the site that it stands on.

The page is fetched within the fetcher's limits and read in the parser's process, like a feed. Only what it says of
itself is taken – title and description – and of the feeds that it names the likeliest one.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from net.failures import FetchFailed
from net.fetching import Answer, Fetcher
from recommender.deduplicating import canonical
from recommender.features import Item
from recommender.parsing import ACCEPT, ParsedFeed, ParsedPage, ParseFailed, Parser

MAX_PAGE_BYTES = 2 * 1024 * 1024
ACCEPT_PAGE = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SitePage:
    """``link``: canonical, after redirects. ``feed_address``: empty where the page names none."""

    link: str
    item: Item
    explicit: bool
    feed_address: str = ""


@dataclass(frozen=True, slots=True)
class SiteFeed:
    address: str
    parsed: ParsedFeed


class Pages:
    def __init__(self, fetcher: Fetcher, parser: Parser) -> None:
        self._fetcher = fetcher
        self._parser = parser

    async def look_at(self, link: str) -> SitePage | None:
        """None for what is no page, or does not tell anything. Raises ``FetchFailed``."""
        answer = await self._fetcher.fetch(link, accept=ACCEPT_PAGE, max_bytes=MAX_PAGE_BYTES)
        page = await self._parsed(answer)
        if page is None or not (page.title or page.summary):
            return None
        feed = page.feeds[0] if page.feeds else ""
        return SitePage(canonical(answer.address), Item(page.title, page.summary), page.explicit, feed)

    async def words(self, link: str) -> Item | None:
        """What the page says of itself; None where it cannot be read."""
        try:
            page = await self.look_at(link)
        except FetchFailed as error:
            log.info("page.unread", why=str(error))
            return None
        return None if page is None else page.item

    async def feed(self, address: str) -> SiteFeed | None:
        """The feed that a page named; None where it cannot be read now."""
        try:
            answer = await self._fetcher.fetch(address, accept=ACCEPT)
            parsed = await self._parser.feed(answer.body, answer.address, answer.content_type)
        except (FetchFailed, ParseFailed) as error:
            log.info("page.feed_unread", address=address, why=str(error))
            return None
        return SiteFeed(answer.address, parsed)

    async def _parsed(self, answer: Answer) -> ParsedPage | None:
        if "html" not in answer.content_type.casefold():
            return None
        try:
            return await self._parser.page(answer.body, answer.address)
        except ParseFailed as error:
            log.info("page.unread", why=str(error))
            return None
