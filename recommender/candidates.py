"""What a room could be told now, and all that its order is made of: one reading of the database.

Every query names the room: its subscriptions, its opinions, and entries of the feeds that it reads. Nothing of another
room's is looked at, not even which entries it liked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select

from recommender import opinions as opinion
from recommender.choosing import Candidate
from recommender.features import Item
from recommender.opinions import Kind, Opinion
from recommender.rules import TITLE
from recommender.settings import DAY_S
from recommender.stages import Stage, State
from recommender.tables import entries, feeds, room_entries, subscriptions, suggestions
from recommender.taste import MAX_BACKGROUND

MAX_CANDIDATES = 1_000
"""Of one digest; the youngest are looked at."""

DIGEST_WITHIN_DAYS = 7.0
ASKED_WITHIN_DAYS = 30.0
"""Whoever asks may be told something older than what a room is told by itself."""

RULE_WEIGHT = 0.3
"""What a room subscribes to only where it says a word, it likes a little before anybody said so."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """``candidates``: youngest first. ``background``: other entries of the room's feeds, rated by nobody."""

    candidates: tuple[Candidate, ...]
    opinions: tuple[Opinion, ...]
    background: tuple[Item, ...]


def read_shelf(connection: Connection, room_key: str, now: float, *, asked: bool = False) -> Shelf:
    """``asked``: a member wants to read now. Then entries count that were there before the room subscribed, and those
    of up to :data:`ASKED_WITHIN_DAYS`."""
    since = now - DAY_S * (ASKED_WITHIN_DAYS if asked else DIGEST_WITHIN_DAYS)
    found = tuple(_waiting(connection, room_key, since, asked))
    found += tuple(_suggested(connection, room_key, since))
    given = (*opinion.read(connection, room_key), *_rules(connection, room_key, now))
    rated = {each.about for each in given}
    open_to = tuple(candidate for candidate in found if candidate.key not in rated)
    known = {candidate.id for candidate in open_to} | {
        int(about.partition(":")[2]) for about in rated if about.startswith("entry:")
    }
    return Shelf(open_to, given, tuple(_background(connection, room_key, known)))


def _waiting(connection: Connection, room_key: str, since: float, asked: bool) -> list[Candidate]:
    """What waits, and what the filter stopped: whether it still does is asked again when it is chosen."""
    here = and_(room_entries.c.room == room_key, room_entries.c.entry_id == entries.c.id)
    stopped = and_(room_entries.c.state == State.FILTERED.value, room_entries.c.stage == Stage.SCREEN.value)
    open_to: ColumnElement[bool] = or_(room_entries.c.state == State.WAITING.value, stopped)
    if asked:
        # Not what the room's rules stopped, nor what it had from another feed: only what it was never told of.
        was_there = and_(room_entries.c.entry_id.is_(None), entries.c.same_as.is_(None))
        open_to = or_(open_to, was_there, room_entries.c.state == State.EXPIRED.value)
    at = func.coalesce(entries.c.published_at, entries.c.seen_at)
    chosen = (
        select(
            entries,
            feeds.c.title.label("feed_title"),
            feeds.c.address,
            feeds.c.explicit.label("feed_explicit"),
        )
        .join(feeds, feeds.c.id == entries.c.feed_id)
        .join(subscriptions, subscriptions.c.feed_id == feeds.c.id)
        .outerjoin(room_entries, here)
        .where(
            subscriptions.c.room == room_key,
            subscriptions.c.paused_at.is_(None),
            open_to,
            # What the filter stops again and again is not young for that.
            or_(at > since, and_(room_entries.c.state == State.WAITING.value, room_entries.c.at > since)),
        )
        .order_by(entries.c.seen_at.desc(), entries.c.id.desc())
        .limit(MAX_CANDIDATES)
    )
    return [_candidate(row) for row in connection.execute(chosen).mappings()]


def _candidate(row: RowMapping) -> Candidate:
    fingerprint = row["fingerprint"]
    return Candidate(
        id=row["id"],
        link=row["link"],
        item=_item(row),
        source=row["feed_title"] or site_of(row["address"]),
        source_key=f"feed:{row['feed_id']}",
        at=row["published_at"] or row["seen_at"],
        fingerprint=None if fingerprint is None else fingerprint & 0xFFFF_FFFF_FFFF_FFFF,
        picture=row["picture"],
        explicit=bool(row["explicit"] or row["feed_explicit"]),
    )


def _suggested(connection: Connection, room_key: str, since: float) -> Iterator[Candidate]:
    """From feeds of shared pages, as long as nobody here reads them anyway, and no entry of that link was sent."""
    read_here = (
        select(feeds.c.address)
        .join(subscriptions, subscriptions.c.feed_id == feeds.c.id)
        .where(subscriptions.c.room == room_key)
    )
    known = (
        select(entries.c.link)
        .join(room_entries, room_entries.c.entry_id == entries.c.id)
        .where(room_entries.c.room == room_key)
    )
    chosen = (
        select(suggestions)
        .where(
            suggestions.c.room == room_key,
            suggestions.c.origin.is_(None),
            suggestions.c.at > since,
            suggestions.c.feed.not_in(read_here),
            suggestions.c.link.not_in(known),
        )
        .order_by(suggestions.c.published_at.desc())
        .limit(MAX_CANDIDATES)
    )
    for row in connection.execute(chosen).mappings():
        yield Candidate(
            id=None,
            link=row["link"],
            item=_item(row),
            source=row["source"] or site_of(row["feed"]),
            source_key=f"site:{row['feed']}",
            at=row["published_at"],
            explicit=row["explicit"],
            shared=row["shared"],
            feed=row["feed"],
        )


def _rules(connection: Connection, room_key: str, now: float) -> Iterator[Opinion]:
    """The words that the room's subscriptions ask for."""
    chosen = select(subscriptions.c.include).where(subscriptions.c.room == room_key)
    for rule in {str(rule) for (rules,) in connection.execute(chosen) for rule in rules or ()}:
        word = next((rule.removeprefix(mark) for mark in TITLE if rule.startswith(mark)), rule).strip()
        if not word.startswith("/"):  # a pattern is no word
            yield Opinion(f"rule:{word}", Item(word), Kind.RULE, RULE_WEIGHT, now)


def _background(connection: Connection, room_key: str, without: set[int | None]) -> Iterator[Item]:
    chosen = (
        select(entries.c.id, entries.c.title, entries.c.summary, entries.c.tags)
        .join(subscriptions, subscriptions.c.feed_id == entries.c.feed_id)
        .where(subscriptions.c.room == room_key)
        .order_by(entries.c.id.desc())
        .limit(MAX_BACKGROUND)
    )
    for row in connection.execute(chosen).mappings():
        if row["id"] not in without:
            yield _item(row)


def _item(row: RowMapping) -> Item:
    return Item(row["title"], row["summary"], tuple(row["tags"] or ()))


def site_of(address: str) -> str:
    """Whose address it is, to be shown; what names no host is shown as it is."""
    return urlsplit(address).hostname or address
