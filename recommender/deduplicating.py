"""When two entries are one: by what the feed calls them, by address, by title, by nearly the same words.

Plain functions and one index; what is known is read from the database and given to them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np

from recommender.parsing import ParsedEntry
from search.near_duplicates import MIN_TOKENS, fingerprint, near_any
from search.tokenise import tokens

LINK_WITHIN_S = 30 * 86_400.0
TITLE_WITHIN_S = 3 * 86_400.0
TEXT_WITHIN_S = 7 * 86_400.0
MAX_KEY_CHARS = 500
MIN_TITLE_TOKENS = 5
"""Shorter titles (“Weekly links”) are many entries' title."""

_TRACKING = frozenset(
    """fbclid gclid dclid msclkid yclid igshid mc_cid mc_eid spm ref_src wt.mc_id cmpid _hsenc _hsmi vero_id
    mkt_tok""".split()  # noqa: SIM905 (readable as prose)
)
_TRACKING_BEGINS = ("utm_", "share_", "hmsr", "pk_", "ns_")


def canonical(link: str) -> str:
    """The address without what only says where the reader came from; still to be clicked on."""
    if not link:
        return ""
    try:
        parts = urlsplit(link)
        host = parts.netloc.lower()
    except ValueError:
        return link
    if host.endswith((":80", ":443")) and host.endswith(":443" if parts.scheme == "https" else ":80"):
        host = host.rpartition(":")[0]
    query = parts.query
    if query and any(mark in query.casefold() for mark in ("utm_", *_TRACKING, *_TRACKING_BEGINS)):
        kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if not _is_tracking(pair[0].casefold())]
        query = urlencode(kept)
    fragment = "" if "utm_" in parts.fragment or parts.fragment in ("rss", "ref=rss") else parts.fragment
    return urlunsplit((parts.scheme, host, parts.path or "/", query, fragment))


def _is_tracking(name: str) -> bool:
    return name in _TRACKING or name.startswith(_TRACKING_BEGINS)


def is_page_of_its_own(link: str) -> bool:
    """Whether the address can tell an entry from others: not a site's front page."""
    parts = urlsplit(link)
    return bool(parts.path.strip("/") or parts.query)


def keys_of(entries: Sequence[ParsedEntry]) -> list[str]:
    """A key for each entry that the next fetch finds again: its id; where a feed gives one id to several or none at
    all, the address as well, then the words."""
    links = [canonical(entry.link) for entry in entries]
    names = [entry.id or link for entry, link in zip(entries, links, strict=True)]
    of_name, of_both = Counter(names), Counter(zip(names, links, strict=True))
    keys = []
    for entry, name, link in zip(entries, names, links, strict=True):
        key = name
        if of_name[name] > 1 and entry.id:
            key = f"{name}|{link}"
        if not name or of_both[name, link] > 1:
            key = f"{key}|{short_hash(entry.title or entry.summary)}"
        keys.append(key if len(key) <= MAX_KEY_CHARS else short_hash(key))
    return keys


def short_hash(*texts: str) -> str:
    """96 bits that tell texts apart."""
    return hashlib.blake2b("\x1f".join(texts).encode("utf-8", "replace"), digest_size=12).hexdigest()


def content_hash(entry: ParsedEntry) -> str:
    """Of what is shown of an entry."""
    return short_hash(entry.title, entry.summary, entry.link, entry.picture)


def title_hash(title: str) -> str:
    """Empty for a title that says too little to be compared."""
    found = tokens(title)
    return short_hash(" ".join(found)) if len(found) >= MIN_TITLE_TOKENS else ""


def text_print(title: str, summary: str) -> int | None:
    """The fingerprint as the database keeps it, signed; None for a text too short to have one."""
    found = tokens(f"{title}\n{summary}")
    if len(found) < MIN_TOKENS:
        return None
    value = fingerprint(found)
    return value - (1 << 64) if value >= 1 << 63 else value


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that is stored, as far as it is compared."""

    id: int
    feed_id: int
    link: str
    hash: str
    title_hash: str
    fingerprint: int | None
    same_as: int | None
    seen_at: float

    @property
    def root(self) -> int:
        return self.same_as or self.id


def same_entry(new: Known, known: Sequence[Known], *, link_is_its_own: bool) -> int | None:
    """The first entry that told the same as ``new``; None where it is news. ``known``: candidates that share an
    address, a title or a near fingerprint with it. ``link_is_its_own``: no other entry of its feed has the address."""
    roots = [each.root for each in known if each.id != new.id and _is_same(new, each, link_is_its_own)]
    return min(roots, default=None)


def _is_same(new: Known, other: Known, link_is_its_own: bool) -> bool:
    age_s = new.seen_at - other.seen_at
    same_feed = new.feed_id == other.feed_id
    same_title = bool(new.title_hash) and new.title_hash == other.title_hash
    same_link = bool(new.link) and new.link == other.link and is_page_of_its_own(new.link)
    if same_feed:
        # Its id has changed, and nothing that is read. A weather report has yesterday's title and nearly its words.
        same_words = same_title or new.hash == other.hash
        return new.link == other.link and same_words and age_s <= LINK_WITHIN_S
    if same_link and link_is_its_own and age_s <= LINK_WITHIN_S:
        return True
    if same_title and age_s <= TITLE_WITHIN_S:
        return True
    if new.fingerprint is None or other.fingerprint is None or age_s > TEXT_WITHIN_S:
        return False
    return bool(near_any(_unsigned(new.fingerprint), np.array([_unsigned(other.fingerprint)]))[0])


def _unsigned(value: int) -> np.uint64:
    return np.uint64(value & (1 << 64) - 1)


class Prints:
    """The fingerprints of the last week's entries, to be asked in microseconds: a cache of the database, which is
    read on after ``watermark``, the last id that it holds."""

    def __init__(self) -> None:
        self.watermark = 0
        # One value, replaced as a whole: a thread may be asking while more is read.
        self._known = (np.zeros(0, np.int64), np.zeros(0, np.uint64))

    def add(self, rows: Sequence[tuple[int, int]], watermark: int, most: int = 200_000) -> None:
        """``rows``: id and fingerprint, by rising id: all there are up to ``watermark``."""
        if not rows:
            self.watermark = watermark
            return
        ids, prints = zip(*rows, strict=True)
        known_ids, known_prints = self._known
        new_prints = np.array(prints, np.int64).view(np.uint64)
        self._known = (
            np.concatenate((known_ids, np.array(ids, np.int64)))[-most:],
            np.concatenate((known_prints, new_prints))[-most:],
        )
        self.watermark = watermark

    def near(self, value: int | None) -> list[int]:
        """The ids of entries whose words are nearly the same."""
        ids, prints = self._known
        if value is None or not len(ids):
            return []
        found: list[int] = ids[near_any(_unsigned(value), prints)].tolist()
        return found
