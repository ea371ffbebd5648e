"""Feeds and pages, read in a process of its own: run as a script by :mod:`recommender.parsing`, never imported there.

What comes from a stranger's server can make any parser loop or eat memory, so this process limits its memory and its
parent ends it when it takes too long. It serves one request after the other until its input ends. A request is a
length (4 bytes, big-endian), that many bytes of JSON (``kind``, ``address``, ``content_type``, ``bytes``), then the
document; a reply is a length and JSON. It imports nothing of ours.

feedparser runs with its own cleaning off: that costs up to 27 times the parsing itself, and only what is shown needs
it. What is told here is plain text.
"""

from __future__ import annotations

import calendar
import html
import io
import json
import logging
import re
import struct
import sys
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

MAX_AUTHOR_CHARS = 512
"""feedparser looks for an address in an author's name with a pattern that takes quadratic time
(https://github.com/kurtmckee/feedparser/issues/562): 19 s for 50 KB of letters."""

MAX_TITLE_CHARS = 500
MAX_SUMMARY_CHARS = 4_000
MAX_HTML_CHARS = 200_000
"""Of one entry, read for its summary and its picture."""

MAX_LINK_CHARS = 2_048
MAX_KEY_CHARS = 1_000
MAX_TAGS = 20
MAX_PAGE_LINKS = 20
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
ADULT = frozenset({"nsfw", "adult", "r18", "r-18", "18+", "porn", "hentai", "explicit"})
RTA = "rta-5042-1996-1400-1577-rta"
"""https://www.rtalabel.org: the label that sites for adults put on their pages."""

_SPACE = re.compile(r"\s+")
_BLOCKS = re.compile(r"<(?=/?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|blockquote|pre|section|article|img|hr)\b)", re.I)
_LOOKS_LIKE_A_FEED = re.compile(r"(?:^|[/._-])(?:rss|atom|feeds?|index\.xml|feed\.json)(?:$|[/._?-])", re.IGNORECASE)
_PERIODS_S = {"hourly": 3600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}


def limit(memory_bytes: int) -> None:
    """Where the system knows such limits; the parent's timeout holds everywhere."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # macOS refuses some of them
            resource.setrlimit(what, (most, most))


# ── feeds ────────────────────────────────────────────────────────────────────────────────────────────────


def read_feed(data: bytes, address: str, content_type: str, max_entries: int) -> dict[str, Any]:
    """``{"title", "site", …, "entries": […]}``, or ``{"refused": "not_a_feed"}``."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _read_json(data, address, max_entries)
    import feedparser

    headers = {"content-location": address}
    if content_type:
        headers["content-type"] = content_type
    told = feedparser.parse(
        io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    if not told.get("version"):
        return {"refused": "not_a_feed"}
    feed = told.feed
    return {
        "title": _plain(feed.get("title", ""), MAX_TITLE_CHARS),
        "site": _link(feed.get("link", ""), address),
        "explicit": _is_explicit(feed),
        "every_s": _every_s(feed),
        "entries": [_entry(each, address) for each in told.entries[:max_entries]],
    }


def _entry(entry: Any, address: str) -> dict[str, Any]:
    markup = _markup(entry)
    base = entry.get("summary_detail", {}).get("base") or address
    enclosures = entry.get("enclosures") or ()
    key = str(entry.get("id") or "")
    link = entry.get("feedburner_origlink") or entry.get("link") or next((e.get("href") for e in enclosures), "")
    return {
        "id": key[:MAX_KEY_CHARS],
        "link": _link(link or (key if key.startswith(("http://", "https://")) else ""), address),
        "title": _plain(entry.get("title", ""), MAX_TITLE_CHARS),
        "summary": _plain(markup, MAX_SUMMARY_CHARS),
        "picture": _picture(entry, markup, _link(base, address) or address),
        "author": _plain(entry.get("author", ""), 200),
        "tags": _tags(entry),
        "explicit": _is_explicit(entry),
        "published_at": _time(entry.get("published_parsed")) or _time(entry.get("updated_parsed")),
    }


def _markup(entry: Any) -> str:
    """The longest of what the entry has to say."""
    texts = [str(entry.get("summary") or ""), *(str(each.get("value") or "") for each in entry.get("content") or ())]
    return max(texts, key=len)[:MAX_HTML_CHARS]


def _picture(entry: Any, markup: str, base: str) -> str:
    for name in ("media_thumbnail", "media_content", "enclosures", "links"):
        for each in entry.get(name) or ():
            kind = str(each.get("type") or "")
            is_picture = name == "media_thumbnail" or each.get("medium") == "image" or kind.startswith("image/")
            if is_picture and (found := _link(each.get("url") or each.get("href") or "", base)):
                return found
    image = entry.get("image")
    if isinstance(image, Mapping) and (found := _link(image.get("href") or "", base)):
        return found
    if "<img" in markup:
        from selectolax.lexbor import LexborHTMLParser

        for node in LexborHTMLParser(markup).css("img"):
            if found := _link(node.attributes.get("src") or "", base):
                return found
    return ""


def _tags(entry: Any) -> list[str]:
    found = (_plain(each.get("label") or each.get("term") or "", 80) for each in entry.get("tags") or ())
    return list(dict.fromkeys(filter(None, found)))[:MAX_TAGS]


def _is_explicit(told: Any) -> bool:
    """By iTunes' mark, Media RSS's rating, or a category that says so."""
    if told.get("itunes_explicit") is True:
        return True
    rating = told.get("media_rating") or {}
    if isinstance(rating, Mapping) and str(rating.get("content", "")).casefold() in ("adult", "r", "nc-17", "tv-ma"):
        return True
    return any(str(each.get("term") or "").casefold() in ADULT for each in told.get("tags") or ())


def _every_s(feed: Any) -> float:
    """How often the feed says it changes: RSS ``ttl`` in minutes, or the syndication module; 0 where it does not."""
    with suppress(TypeError, ValueError):
        return max(0.0, min(float(feed.get("ttl")) * 60, 1e7))
    with suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        period = _PERIODS_S[str(feed["sy_updateperiod"]).strip().casefold()]
        return max(0.0, period / float(feed.get("sy_updatefrequency") or 1))
    return 0.0


def _time(parsed: Any) -> float | None:
    with suppress(TypeError, ValueError, OverflowError):
        at = float(calendar.timegm(parsed))
        return at if 0 < at < 1e11 else None
    return None


# ── JSON Feed (https://www.jsonfeed.org/version/1.1/) ────────────────────────────────────────────────────


def _read_json(data: bytes, address: str, max_entries: int) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {"refused": "not_a_feed"}
    if "jsonfeed.org/version" not in str(told.get("version", "")) or not isinstance(told.get("items"), list):
        return {"refused": "not_a_feed"}
    entries = [_json_entry(each, address) for each in told["items"][:max_entries] if isinstance(each, dict)]
    title, site = _plain(_text(told, "title"), MAX_TITLE_CHARS), _link(_text(told, "home_page_url"), address)
    return {"title": title, "site": site, "explicit": False, "every_s": 0.0, "entries": entries}


def _json_entry(item: dict[str, Any], address: str) -> dict[str, Any]:
    markup = _text(item, "content_html") or html.escape(_text(item, "content_text") or _text(item, "summary"))
    authors = [each for each in [*_list(item, "authors"), item.get("author")] if isinstance(each, dict)]
    tags = [_plain(each, 80) for each in _list(item, "tags") if isinstance(each, str)][:MAX_TAGS]
    return {
        "id": str(item.get("id") or "")[:MAX_KEY_CHARS],
        "link": _link(_text(item, "external_url") or _text(item, "url"), address),
        "title": _plain(html.escape(_text(item, "title")), MAX_TITLE_CHARS),
        "summary": _plain(markup[:MAX_HTML_CHARS], MAX_SUMMARY_CHARS),
        "picture": _link(_text(item, "image") or _text(item, "banner_image"), address),
        "author": _plain(_text(authors[0], "name"), 200) if authors else "",
        "tags": tags,
        "explicit": any(tag.casefold() in ADULT for tag in tags),
        "published_at": _iso(_text(item, "date_published")) or _iso(_text(item, "date_modified")),
    }


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _list(told: Mapping[str, Any], name: str) -> list[Any]:
    value = told.get(name)
    return value if isinstance(value, list) else []


def _iso(date: str) -> float | None:
    import datetime

    with suppress(ValueError, OverflowError):
        at = datetime.datetime.fromisoformat(date)
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp() or None
    return None


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────


def read_page(data: bytes, address: str) -> dict[str, Any]:
    """``{"title", "summary", "explicit", "feeds": [address, …]}``: what a page says of itself and of its feeds, the
    likeliest first."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(data)
    base_node = tree.css_first("base[href]")
    base = _link((base_node.attributes.get("href") if base_node else "") or "", address) or address
    declared, linked = [], []
    for node in tree.css("link[href]"):
        told = node.attributes
        kinds = (told.get("rel") or "").casefold().split()
        if "alternate" in kinds and (told.get("type") or "").casefold().split(";")[0].strip() in FEED_TYPES:
            declared.append(told.get("href") or "")
    for node in tree.css("a[href]")[:5_000]:
        href = node.attributes.get("href") or ""
        if _LOOKS_LIKE_A_FEED.search(urlsplit(href).path if len(href) < MAX_LINK_CHARS else ""):
            linked.append(href)
    labels = (_attribute(node, "content") for node in tree.css("meta[name=rating]"))
    title = tree.css_first("title")
    found = (_link(each, base) for each in _comments_last([*declared, *linked]))
    return {
        "title": _folded_space(title.text(deep=True) if title else "", MAX_TITLE_CHARS),
        "summary": _folded_space(_described(tree), MAX_SUMMARY_CHARS),
        "explicit": any(label.casefold() in (RTA, "adult", "mature", "restricted") for label in labels),
        "feeds": list(dict.fromkeys(filter(None, found)))[:MAX_PAGE_LINKS],
    }


def _described(tree: Any) -> str:
    """What the page says to those who link to it, or else to search engines."""
    for meta in ('meta[property="og:description"]', 'meta[name="description"]', 'meta[name="twitter:description"]'):
        node = tree.css_first(meta)
        if node is not None and (said := _attribute(node, "content")):
            return said
    return ""


def _attribute(node: Any, name: str) -> str:
    return (node.attributes.get(name) or "").strip()


def _comments_last(links: Iterable[str]) -> list[str]:
    """A blog's feed of comments stands beside its own, and nobody means it."""
    return sorted(links, key=lambda link: "comments" in link.casefold())


# ── words and links ──────────────────────────────────────────────────────────────────────────────────────


def _plain(markup: Any, max_chars: int) -> str:
    """The words of a piece of HTML, on one line."""
    text = str(markup or "")
    if "<" in text:
        from selectolax.lexbor import LexborHTMLParser

        tree = LexborHTMLParser(_BLOCKS.sub(" <", text))
        tree.strip_tags(["script", "style", "template", "noscript", "iframe"])
        body = tree.body
        text = body.text(deep=True) if body is not None else ""
    elif "&" in text:
        text = html.unescape(text)
    return _folded_space(text, max_chars)


def _folded_space(text: str, max_chars: int) -> str:
    flat = _SPACE.sub(" ", text.replace("\x00", "")).strip()
    flat = flat if len(flat) <= max_chars else flat[: max_chars - 1].rstrip() + "…"
    return flat.encode("utf-8", "replace").decode()  # no lone surrogates


def _link(link: Any, base: str) -> str:
    """The absolute address; empty for what is none of http(s)."""
    try:
        found = urljoin(base, str(link or "").strip().replace(" ", "%20"))  # as browsers read it
        parts = urlsplit(found)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return ""
    if not is_one or not link or len(found) > MAX_LINK_CHARS or any(char.isspace() for char in found):
        return ""
    found = found.replace("<", "%3C").replace(">", "%3E")  # no address has them, and in Markdown they end one
    return found.encode("utf-8", "replace").decode()


# ── serving ──────────────────────────────────────────────────────────────────────────────────────────────


def _guard_authors() -> None:
    """See :data:`MAX_AUTHOR_CHARS`."""
    from feedparser.mixin import _FeedParserMixin as Mixin

    kept = Mixin._sync_author_detail

    def cut(self: Any, key: str = "author") -> None:
        context = self._get_context()
        value = context.get(key)
        if isinstance(value, str) and len(value) > MAX_AUTHOR_CHARS:
            context[key] = value[:MAX_AUTHOR_CHARS]
        kept(self, key)

    Mixin._sync_author_detail = cut


def answer(request: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    try:
        if request["kind"] == "page":
            return read_page(data, request["address"])
        return read_feed(data, request["address"], request["content_type"], request["max_entries"])
    except (MemoryError, RecursionError):
        return {"refused": "costly"}
    except Exception as error:  # noqa: BLE001 – whatever a parser raises over a broken document: it is broken
        return {"refused": "damaged", "error": f"{type(error).__name__}: {error}"[:200]}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    while head := requests.read(4):
        request = json.loads(requests.read(struct.unpack(">I", head)[0]))
        told = json.dumps(answer(request, requests.read(request["bytes"]))).encode()
        replies.write(struct.pack(">I", len(told)) + told)
        replies.flush()


def main() -> None:
    """Argument: memory in bytes."""
    import feedparser  # noqa: F401 – while there is memory for it
    import selectolax.lexbor  # noqa: F401

    limit(int(sys.argv[1]))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    _guard_authors()
    sys.stdout.buffer.write(b"+")  # ready
    sys.stdout.buffer.flush()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
