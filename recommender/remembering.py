"""What a fetch leaves in the database: entries, each room's part in them, and the feed's validators, in one commit.

Plain functions of a connection, to be run by the store's writer. A process that dies before the commit has seen
nothing and asks again; one that dies after it sees by the keys that it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, exists, func, insert, select, update

from bot.prepared import Prepared as PreparedStatement
from bot.store import insert_once
from net.fetching import host_of
from recommender.deduplicating import (
    Known,
    Prints,
    canonical,
    content_hash,
    keys_of,
    same_entry,
    text_print,
    title_hash,
)
from recommender.left_rooms import READS_NOW
from recommender.parsing import ParsedEntry, ParsedFeed
from recommender.rules import judge
from recommender.settings import DAY_S
from recommender.stages import Stage, State
from recommender.tables import entries, feeds, room_entries, subscriptions

LISTED_EVERY_S = DAY_S
"""``listed_at`` is written no more often."""

DUPLICATE = "duplicate"
OLD = "old"
"""The reason for what was published too long ago."""

_MANY = 500


@dataclass(frozen=True, slots=True)
class Validators:
    etag: str | None = None
    modified: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A feed that was read. ``moved_to``: its permanent new address."""

    feed_id: int
    parsed: ParsedFeed
    validators: Validators
    next_check_at: float
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """How many entries were new, changed, and set waiting for a room."""

    new: int = 0
    edited: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry with what is reckoned from its text, off the writer's thread."""

    row: dict[str, Any]
    link_is_its_own: bool
    near: tuple[int, ...] = ()
    watermark: int = 0
    """The last entry that ``near`` was looked for among; later ones are compared in the commit."""


def prepare(parsed: ParsedFeed, now: float) -> list[Prepared]:
    """The entries as rows, without those that repeat a key."""
    keys = keys_of(parsed.entries)
    links = Counter(canonical(each.link) for each in parsed.entries)
    prepared: dict[str, Prepared] = {}
    for key, entry in zip(keys, parsed.entries, strict=True):
        if key not in prepared:
            row = _row(key, entry, now, parsed.explicit)
            prepared[key] = Prepared(row, links[row["link"]] == 1)
    return list(prepared.values())


def compared(
    prepared: Sequence[Prepared], known: Mapping[str, str], prints: Prints, watermark: int, *, priming: bool = False
) -> list[Prepared]:
    """``prepared`` with what those that are new or changed are compared by. ``known``: hashes by key. ``watermark``:
    the last entry that ``prints`` surely holds.

    Tokenising and fingerprinting a text is most of what an entry costs. ``priming``: the feed is read for the first
    time, its entries are told to nobody, and their titles and addresses are enough to know them by later.
    """
    done = []
    for each in prepared:
        row = each.row
        if known.get(row["key"]) == row["hash"]:
            done.append(each)
            continue
        value = None if priming else text_print(row["title"], row["summary"])
        row = {**row, "title_hash": title_hash(row["title"]), "fingerprint": value}
        done.append(Prepared(row, each.link_is_its_own, tuple(prints.near(value)), watermark))
    return done


def known_hashes(connection: Connection, feed_id: int, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(keys), _MANY):
        part = entries.c.key.in_(keys[start : start + _MANY])
        chosen = select(entries.c.key, entries.c.hash).where(entries.c.feed_id == feed_id, part)
        found |= {row.key: row.hash for row in connection.execute(chosen)}
    return found


def remember(
    connection: Connection, found: Found, prepared: Sequence[Prepared], now: float, max_age_s: float
) -> Remembered:
    """Store what a fetch found."""
    feed = connection.execute(select(feeds).where(feeds.c.id == found.feed_id)).mappings().one_or_none()
    if feed is None:  # unsubscribed meanwhile
        return Remembered()
    known = _known(connection, found.feed_id, [each.row["key"] for each in prepared])
    new = [each for each in prepared if each.row["key"] not in known]
    edited = _edit(connection, [each for each in prepared if each.row["key"] in known], known, now)
    new.reverse()  # feeds list the newest first: ids then rise with time
    waiting = 0
    if feed["primed_at"] is None:
        if new:
            connection.execute(insert(entries), [{**each.row, "feed_id": found.feed_id} for each in new])
    else:
        stored = [(_insert(connection, found.feed_id, each, now), each) for each in new]
        waiting = _give_to_rooms(connection, found.feed_id, stored, now, max_age_s)
    changed = {"changed_at": now} if new else {}
    _update_feed(connection, feed, found, now, changed)
    return Remembered(len(new), edited, waiting)


def _row(key: str, entry: ParsedEntry, now: float, explicit: bool) -> dict[str, Any]:
    link = canonical(entry.link)
    return {
        "key": key,
        "link": link,
        "title": entry.title,
        "summary": entry.summary,
        "picture": entry.picture,
        "author": entry.author,
        "tags": list(entry.tags) or None,
        "explicit": entry.explicit or explicit,
        "published_at": min(entry.published_at, now) if entry.published_at is not None else None,
        "seen_at": now,
        "listed_at": now,
        "hash": content_hash(entry),
        "title_hash": "",
        "fingerprint": None,
    }


def _known(connection: Connection, feed_id: int, keys: Sequence[str]) -> dict[str, RowMapping]:
    found: dict[str, RowMapping] = {}
    columns = (entries.c.id, entries.c.key, entries.c.hash, entries.c.listed_at)
    for start in range(0, len(keys), _MANY):
        part = entries.c.key.in_(keys[start : start + _MANY])
        rows = connection.execute(select(*columns).where(entries.c.feed_id == feed_id, part)).mappings()
        found |= {row["key"]: row for row in rows}
    return found


def _edit(connection: Connection, listed: Sequence[Prepared], known: Mapping[str, RowMapping], now: float) -> int:
    """An edit changes what is kept and shown, and is no news."""
    edited, seen = [], []
    for each in listed:
        row = known[each.row["key"]]
        if row["hash"] != each.row["hash"]:
            kept = {name: value for name, value in each.row.items() if name not in ("key", "seen_at")}
            edited.append({**kept, "edited_at": now, "entry_id": row["id"]})
        elif now - row["listed_at"] >= LISTED_EVERY_S:
            seen.append(row["id"])
    for values in edited:
        connection.execute(
            update(entries)
            .where(entries.c.id == bindparam("entry_id"))
            .values({name: bindparam(name) for name in values if name != "entry_id"}),
            values,
        )
    if seen:
        connection.execute(update(entries).where(entries.c.id.in_(seen)).values(listed_at=now))
    return len(edited)


def _insert(connection: Connection, feed_id: int, each: Prepared, now: float) -> tuple[int, int | None]:
    """The new row's id, and the id of the entry that it repeats."""
    row = {**each.row, "feed_id": feed_id}
    root = _root(connection, row, each, now)
    result = connection.execute(insert(entries).returning(entries.c.id), {**row, "same_as": root})
    return int(result.scalar_one()), root


def _root(connection: Connection, row: Mapping[str, Any], each: Prepared, now: float) -> int | None:
    alike = []
    if row["fingerprint"] is not None:  # what was committed since the index was asked
        later = (entries.c.id > each.watermark) & entries.c.fingerprint.is_not(None)
        alike.append(later & (entries.c.feed_id != row["feed_id"]))
    if row["link"]:
        alike.append(entries.c.link == row["link"])
    if row["title_hash"]:
        alike.append(entries.c.title_hash == row["title_hash"])
    if each.near:
        alike.append(entries.c.id.in_(each.near[:_MANY]))
    known: dict[int, Known] = {}
    for condition in alike:  # one by one: each has its index
        rows = connection.execute(_COMPARED.where(condition).order_by(entries.c.id.desc()).limit(_MANY))
        known |= {found.id: Known(*found) for found in rows}
    new = Known(0, row["feed_id"], row["link"], row["hash"], row["title_hash"], row["fingerprint"], None, now)
    return same_entry(new, list(known.values()), link_is_its_own=each.link_is_its_own)


_COMPARED = select(
    entries.c.id,
    entries.c.feed_id,
    entries.c.link,
    entries.c.hash,
    entries.c.title_hash,
    entries.c.fingerprint,
    entries.c.same_as,
    entries.c.seen_at,
)


def _give_to_rooms(
    connection: Connection,
    feed_id: int,
    stored: Sequence[tuple[tuple[int, int | None], Prepared]],
    now: float,
    max_age_s: float,
) -> int:
    """A row for each room that reads the feed and each new entry; returns how many wait to be told."""
    chosen = select(subscriptions).where(subscriptions.c.feed_id == feed_id, READS_NOW)
    waiting = 0
    for subscription in connection.execute(chosen).mappings().all():
        for (entry_id, root), each in stored:
            became = _became(connection, subscription, entry_id, root, each, now, max_age_s)
            row = {"room": subscription["room"], "entry_id": entry_id, "at": now, **became}
            insert_once(connection, room_entries, row, returning=room_entries.c.entry_id)
            waiting += became["state"] == State.WAITING.value
    return waiting


def _became(
    connection: Connection,
    subscription: RowMapping,
    entry_id: int,
    root: int | None,
    each: Prepared,
    now: float,
    max_age_s: float,
) -> dict[str, Any]:
    row = each.row
    if row["published_at"] is not None and now - row["published_at"] > max_age_s:
        return _stopped(Stage.RULES, OLD)
    judged = judge(subscription["include"], subscription["exclude"], row["title"], row["summary"])
    if judged.stopped is not None:
        return _stopped(Stage.RULES, judged.stopped.value, rule=judged.rule)
    if root is not None and (earlier := _had(connection, subscription, root, entry_id)) is not None:
        return _stopped(Stage.DUPLICATE, DUPLICATE, of=earlier)
    return {"state": State.WAITING.value, "stage": Stage.WAIT.value, "reason": "", "details": None}


def _stopped(stage: Stage, reason: str, **details: object) -> dict[str, Any]:
    return {"state": State.FILTERED.value, "stage": stage.value, "reason": reason, "details": details or None}


def _had(connection: Connection, subscription: RowMapping, root: int, entry_id: int) -> int | None:
    """The entry by which the room has, or will have, read the same; one of the same feed counts even if it was there
    before the subscription."""
    same = ((entries.c.id == root) | (entries.c.same_as == root)) & (entries.c.id != entry_id)
    told = exists().where(
        room_entries.c.entry_id == entries.c.id,
        room_entries.c.room == subscription["room"],
        room_entries.c.stage != Stage.RULES.value,
    )
    chosen = select(entries.c.id).where(same, told | (entries.c.feed_id == subscription["feed_id"]))
    return connection.execute(chosen.order_by(entries.c.id).limit(1)).scalar()


# ── the feed's own row ───────────────────────────────────────────────────────────────────────────────────


def _update_feed(
    connection: Connection, feed: RowMapping, found: Found, now: float, changed: Mapping[str, object]
) -> None:
    parsed = found.parsed
    _well(
        connection,
        found.feed_id,
        found.validators,
        found.next_check_at,
        now,
        title=parsed.title or feed["title"],
        site=parsed.site or feed["site"],
        explicit=parsed.explicit,
        **changed,
    )
    if found.moved_to:
        _move(connection, found.feed_id, found.moved_to, now)


def unchanged(
    connection: Connection,
    feed_id: int,
    validators: Validators,
    next_check_at: float,
    now: float,
    moved_to: str | None = None,
) -> None:
    """Its server says, or its bytes show, that nothing is new. ``moved_to``: where it is asked from now on."""
    _well(connection, feed_id, validators, next_check_at, now)
    if moved_to is not None:
        _move(connection, feed_id, moved_to, now)


def _well(
    connection: Connection, feed_id: int, validators: Validators, next_check_at: float, now: float, **more: object
) -> None:
    values: dict[str, object] = {
        "known_id": feed_id,
        "now": now,
        "next_check_at": next_check_at,
        "leased_until": 0.0,
        "checked_at": now,
        "failures": 0,
        "failing_since": None,
        "reason": "",
        "error": "",
        **more,
    }
    for name in ("etag", "modified", "body_hash"):
        if (value := getattr(validators, name)) is not None:
            values[name] = value or None
    _WELL.run(connection, values)


_WELL = PreparedStatement(
    lambda dialect: (
        update(feeds)
        .where(feeds.c.id == bindparam("known_id"))
        .values(primed_at=func.coalesce(feeds.c.primed_at, bindparam("now")))
    )
)


def failed(connection: Connection, feed_id: int, reason: str, error: str, next_check_at: float, now: float) -> None:
    """It could not be read; it will be asked again, whatever it was."""
    connection.execute(
        update(feeds)
        .where(feeds.c.id == feed_id)
        .values(
            next_check_at=next_check_at,
            leased_until=0.0,
            checked_at=now,
            failures=feeds.c.failures + 1,
            failing_since=func.coalesce(feeds.c.failing_since, now),
            reason=reason,
            error=error[:500],
        )
    )


def _move(connection: Connection, feed_id: int, address: str, now: float) -> None:
    """Follow a permanent redirect for good; where the new address is another feed of ours, they become one."""
    other = connection.execute(select(feeds.c.id).where(feeds.c.address == address)).scalar()
    if other == feed_id:
        return
    if other is None:
        connection.execute(update(feeds).where(feeds.c.id == feed_id).values(address=address, host=host_of(address)))
        return
    for row in connection.execute(select(subscriptions).where(subscriptions.c.feed_id == feed_id)).mappings().all():
        insert_once(connection, subscriptions, {**row, "feed_id": other}, returning=subscriptions.c.feed_id)
    pace = select(func.min(feeds.c.interval_s)).where(feeds.c.id.in_((feed_id, other))).scalar_subquery()
    connection.execute(update(feeds).where(feeds.c.id == other).values(interval_s=pace))
    _join(connection, feed_id, other, now)
    connection.execute(delete(feeds).where(feeds.c.id == feed_id))


def _join(connection: Connection, feed_id: int, other: int, now: float) -> None:
    """The entries of a feed become another's; of those that both have, the rooms' rows do. What is new just now and
    the other has not read yet goes: it will read it for the rooms of both."""
    theirs = entries.alias("theirs")
    pairs = (
        select(entries.c.id, theirs.c.id.label("same"))
        .join(theirs, (theirs.c.key == entries.c.key) & (theirs.c.feed_id == other))
        .where(entries.c.feed_id == feed_id)
    )
    same = {row.id: row.same for row in connection.execute(pairs)}
    ids = list(same)
    for start in range(0, len(ids), _MANY):
        part = room_entries.c.entry_id.in_(ids[start : start + _MANY])
        for row in connection.execute(select(room_entries).where(part)).mappings().all():
            moved = {**row, "entry_id": same[row["entry_id"]]}
            insert_once(connection, room_entries, moved, returning=room_entries.c.entry_id)
    known = select(theirs.c.key).where(theirs.c.feed_id == other)
    own = (entries.c.feed_id == feed_id) & entries.c.key.not_in(known)
    unread = select(entries.c.id).where(own, entries.c.seen_at >= now)
    connection.execute(delete(room_entries).where(room_entries.c.entry_id.in_(unread)))
    connection.execute(delete(entries).where(own, entries.c.seen_at >= now))
    connection.execute(update(entries).where(own).values(feed_id=other))
