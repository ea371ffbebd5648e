"""Links that members share: what a room passes around, it likes a little – and more of the kind may be found there.

Nobody has to address the bot for it. The inbox is read on from where it was left, so a link is learned from once,
whatever dies; a message that was taken back is gone from there, or takes with it what was learned. Only rooms that read
feeds, and have not switched it off, are listened to: a page is asked for only where somebody wants recommendations.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import structlog
from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from bot.errors import StoreError
from bot.event import AttachmentKind, Message, Room, Said, load_event
from bot.inbox import room_of
from bot.ports import Clock
from bot.room_settings import Switch
from bot.scopes import Scopes
from bot.store import Operation, Store, insert_once, upsert
from bot.tables import inbox, rooms
from net.failures import Failure, FetchFailed
from recommender.deduplicating import canonical
from recommender.features import Item
from recommender.opinions import about_link, share
from recommender.pages import Pages, SiteFeed
from recommender.quoting import web_address
from recommender.settings import DAY_S
from recommender.tables import entries, feeds, opinions, read_marks, shared_links, subscriptions, suggestions
from recommender.taste_settings import LEARN_FROM_LINKS

EVERY_S = 30.0
EVENTS_AT_ONCE = 500
LINKS_OF_A_MESSAGE = 3
LINKS_AT_ONCE = 16
LINKS_OF_A_ROOM_AT_ONCE = 2
"""Of one round, so that a room that passes much around neither makes the others wait nor us ask much of one site."""

LINKS_OF_A_ROOM_WAITING = 30
"""What is shared while so many wait is not looked at: a thousand links tell no more of a room than these."""

PAGES_AT_ONCE = 4
MOST_ATTEMPTS = 3
SUGGESTIONS_OF_A_SITE = 30
SUGGESTIONS_WITHIN_DAYS = 14.0
MARK = "shared-links"

FOR_GOOD = frozenset(
    {
        Failure.BAD_ADDRESS,
        Failure.INWARD,
        Failure.NO_SUCH_HOST,
        Failure.TOO_LARGE,
        Failure.FORBIDDEN,
        Failure.NOT_FOUND,
        Failure.GONE,
    }
)
"""Asking again would bring the same."""

_URL = re.compile(r"https?://[^\s<>\"'`\u3000-\u303f\uff00-\uffef\u4e00-\u9fff]+", re.IGNORECASE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    room: str
    message_id: str
    member: str
    link: str
    at: float
    attempts: int = 0


class Sharing:
    """:meth:`tick` is a job of :class:`recommender.reading.Reading`, every :data:`EVERY_S` seconds."""

    def __init__(self, store: Store, clock: Clock, scopes: Scopes, pages: Pages) -> None:
        self._store = store
        self._clock = clock
        self._scopes = scopes
        self._pages = pages

    async def tick(self) -> int:
        """Read on in the inbox, then look at the pages that wait; returns how many were learned from."""
        while await self._store.write(partial(_collect, now=self._clock.now())):
            pass
        waiting = await self._store.read(_waiting)
        turns = asyncio.Semaphore(PAGES_AT_ONCE)

        async def one(link: Link) -> bool:
            async with turns:
                try:
                    return await self._learn(link)
                except StoreError:
                    raise
                except Exception:  # one link's defect must not cost all rooms theirs, again and again
                    log.exception("sharing.fell", room=link.room)
                    await self._store.write(_failed(link))
                    return False

        return sum(await asyncio.gather(*map(one, waiting)))

    async def _learn(self, link: Link) -> bool:
        room = await self._store.read(partial(_room, key=link.room))
        if room is None or (await self._scopes.of(room))[LEARN_FROM_LINKS] is Switch.OFF:
            await self._store.write(partial(_done, link=link))
            return False
        known = await self._store.read(partial(_known_here, room_key=link.room, link=link.link))
        if known is not None:
            await self._store.write(_learning(link, link.link, known, None, ""))
            return True
        try:
            page = await self._pages.look_at(link.link)
        except FetchFailed as error:
            for_good = error.failure in FOR_GOOD
            log.info("sharing.unread", room=link.room, why=str(error), for_good=for_good)
            await self._store.write(partial(_done, link=link) if for_good else _failed(link))
            return False
        if page is None or page.explicit:
            await self._store.write(partial(_done, link=link))
            return False
        feed = await self._pages.feed(page.feed_address) if page.feed_address else None
        await self._store.write(_learning(link, page.link, page.item, feed, page.item.title))
        log.info("sharing.learned", room=link.room, feed=feed is not None)
        return True


def links_in(message: Message) -> list[str]:
    """The first web addresses of a message, in its text and beside it; none in what is said to a bot as a command."""
    if message.author.is_bot or message.text.lstrip().startswith(("/", "／")):
        return []
    beside = (each.ref for each in message.attachments if each.kind is AttachmentKind.LINK)
    found = (_trimmed(each) for each in (*_URL.findall(message.text), *beside))
    # A control character would be refused by PostgreSQL, for ever.
    usable = (canonical(each) for each in found if each.isprintable() and web_address(each))
    return list(dict.fromkeys(usable))[:LINKS_OF_A_MESSAGE]


def _trimmed(url: str) -> str:
    url = url.rstrip(".,;:!?*_")
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1].rstrip(".,;:!?*_")
    return url


# ── reading on in the inbox ──────────────────────────────────────────────────────────────────────────────


def _collect(connection: Connection, now: float) -> bool:
    """Keep the links of the next messages and how far that was; True when there may be more of them. One commit, so
    that a link is neither lost nor met twice."""
    mark = connection.execute(select(read_marks.c.event_id).where(read_marks.c.name == MARK)).scalar()
    last = connection.execute(select(func.max(inbox.c.id))).scalar() or 0
    if mark is None:  # what was said before is nobody's wish to be recommended anything
        upsert(connection, read_marks, {"name": MARK, "event_id": last}, conflict_on=("name",))
        return False
    if last <= mark:
        return False
    until = min(last, mark + EVENTS_AT_ONCE)
    counted = select(shared_links.c.room, func.count()).group_by(shared_links.c.room)
    waiting: Counter[str] = Counter()
    for room, count in connection.execute(counted):
        waiting[room] = count
    for link in _said(connection, mark, until):
        if waiting[link.room] >= LINKS_OF_A_ROOM_WAITING:
            continue
        waiting[link.room] += 1
        row = {
            "room": link.room,
            "message_id": link.message_id,
            "link": link.link,
            "member": link.member,
            "at": link.at,
        }
        insert_once(connection, shared_links, row, returning=shared_links.c.link)
    upsert(connection, read_marks, {"name": MARK, "event_id": until}, conflict_on=("name",))
    return bool(until < last)


def _said(connection: Connection, after: int, until: int) -> Iterator[Link]:
    reads_feeds = select(subscriptions.c.room).distinct()
    chosen = select(inbox.c.id, inbox.c.payload).where(
        inbox.c.id > after,
        inbox.c.id <= until,
        inbox.c.kind == "said",
        inbox.c.payload.is_not(None),
        inbox.c.room.in_(reads_feeds),
    )
    for row in connection.execute(chosen.order_by(inbox.c.id)):
        try:
            event = load_event(row.payload)
        except ValidationError as error:
            log.error("sharing.unreadable", event_id=row.id, problems=error.error_count())
            continue
        if isinstance(event, Said):
            message = event.message
            for link in links_in(message):
                yield Link(message.room.key, message.id, message.author.key, link, message.sent_at)


def _waiting(connection: Connection) -> list[Link]:
    """A few of each room, the rooms' first ones before their second ones."""
    oldest = (shared_links.c.attempts, shared_links.c.at, shared_links.c.message_id, shared_links.c.link)
    place = func.row_number().over(partition_by=shared_links.c.room, order_by=oldest).label("place")
    placed = select(shared_links, place).subquery()
    chosen = (
        select(placed)
        .where(placed.c.place <= LINKS_OF_A_ROOM_AT_ONCE)
        .order_by(placed.c.place, placed.c.attempts, placed.c.at)
        .limit(LINKS_AT_ONCE)
    )
    rows = connection.execute(chosen).mappings()
    return [
        Link(row["room"], row["message_id"], row["member"], row["link"], row["at"], row["attempts"]) for row in rows
    ]


def _room(connection: Connection, key: str) -> Room | None:
    """None where we are not any more."""
    here = (rooms.c.key == key) & rooms.c.removed_at.is_(None)
    row = connection.execute(select(rooms).where(here)).mappings().one_or_none()
    return None if row is None else room_of(row)


def _known_here(connection: Connection, room_key: str, link: str) -> Item | None:
    """The entry of this address in a feed that the room reads, or the page as it was when somebody shared it here
    before: then it need not be asked for."""
    entry = (
        select(entries.c.title, entries.c.summary, entries.c.tags)
        .join(subscriptions, subscriptions.c.feed_id == entries.c.feed_id)
        .where(subscriptions.c.room == room_key, entries.c.link == link)
        .limit(1)
    )
    shared = (
        select(opinions.c.title, opinions.c.text.label("summary"), opinions.c.tags)
        .where(opinions.c.room == room_key, opinions.c.about == about_link(link))
        .limit(1)
    )
    row = connection.execute(entry).one_or_none() or connection.execute(shared).one_or_none()
    return None if row is None else Item(row.title, row.summary, tuple(row.tags or ()))


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────


def _is_waiting(connection: Connection, link: Link) -> bool:
    """Not when its message was taken back meanwhile."""
    return connection.execute(select(shared_links.c.at).where(_this(link))).first() is not None


def _this(link: Link) -> ColumnElement[bool]:
    return and_(
        shared_links.c.room == link.room,
        shared_links.c.message_id == link.message_id,
        shared_links.c.link == link.link,
    )


def _done(connection: Connection, link: Link) -> None:
    connection.execute(delete(shared_links).where(_this(link)))


def _failed(link: Link) -> Operation[None]:
    """Once more later, or not any more."""

    def write(connection: Connection) -> None:
        if link.attempts + 1 >= MOST_ATTEMPTS:
            _done(connection, link)
        else:
            connection.execute(update(shared_links).where(_this(link)).values(attempts=link.attempts + 1))

    return write


def _learning(link: Link, address: str, item: Item, feed: SiteFeed | None, title: str) -> Operation[None]:
    """The opinion, what the site's feed has, and that the link is dealt with: one commit."""

    def write(connection: Connection) -> None:
        if not _is_waiting(connection, link):
            return
        share(
            connection,
            room=link.room,
            member=link.member,
            link=address,
            item=item,
            message_id=link.message_id,
            at=link.at,
        )
        if feed is not None and not _is_read(connection, link.room, feed.address):
            _suggest(connection, link, address, feed, title)
        _done(connection, link)

    return write


def _is_read(connection: Connection, room_key: str, address: str) -> bool:
    chosen = (
        select(feeds.c.id)
        .join(subscriptions, subscriptions.c.feed_id == feeds.c.id)
        .where(subscriptions.c.room == room_key, feeds.c.address == address)
    )
    return connection.execute(chosen).first() is not None


def _suggest(connection: Connection, link: Link, address: str, feed: SiteFeed, title: str) -> None:
    known: set[str] = {address}
    for each in feed.parsed.entries[:SUGGESTIONS_OF_A_SITE]:
        where = canonical(each.link)
        published = min(each.published_at or link.at, link.at)
        if not where or where in known or link.at - published > SUGGESTIONS_WITHIN_DAYS * DAY_S:
            continue
        known.add(where)
        row = {
            "room": link.room,
            "link": where,
            "title": each.title,
            "summary": each.summary,
            "tags": list(each.tags) or None,
            "explicit": each.explicit or feed.parsed.explicit,
            "feed": feed.address,
            "source": feed.parsed.title,
            "shared": title,
            "message_id": link.message_id,
            "member": link.member,
            "published_at": published,
            "at": link.at,
        }
        insert_once(connection, suggestions, row, returning=suggestions.c.link)
