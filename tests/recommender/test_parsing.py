"""A feed is read whatever it is made of, or refused within its limits; the next one is read all the same."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import pytest

from recommender.parsing import ParsedFeed, ParseFailed, Parser, Unreadable
from recommender.settings import ParseSettings
from tests.recommender.feed_house import item, rss

LIMIT_S = 2.0


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(ParseSettings(timeout_s=LIMIT_S, processes=1, memory_bytes=256 * 1024 * 1024))
    await parser.feed(rss("warm"), "https://a.example/")
    yield parser
    await parser.aclose()


def bombs() -> dict[str, bytes]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return {
        "author": rss(item("x", extra=f"<author>{'a' * 50_000}</author>")),
        "authors": rss(*(item(f"x{n}", extra=f"<author>{'a@a.a.' * 12_000}</author>") for n in range(5))),
        "nested": rss(item("x", text="<a>" * 200_000)),
        "nested outside": b"<rss version='2.0'><channel>" + b"<a>" * 1_000_000,
        "comments": rss(item("x", text="<!--" * 50_000)),
        "laughs": f'<!DOCTYPE r [<!ENTITY l0 "ha">{laughs}]><rss><channel>&l11;</channel></rss>'.encode(),
        "quadratic": b'<!DOCTYPE r [<!ENTITY a "' + b"x" * 50_000 + b'">]><rss><channel><title>' + b"&a;" * 20_000,
        "file": b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel><title>&a;</title>',
        "attributes": b"<rss " + b" ".join(b"a%d='x'" % n for n in range(100_000)) + b"><channel/></rss>",
        "deep json": b'{"version": "https://jsonfeed.org/version/1.1", "items": ' + b"[" * 500_000,
        "zeros": bytes(4_000_000),
    }


@pytest.mark.parametrize("name", bombs())
async def test_a_hostile_feed_costs_at_most_its_limits(parser: Parser, name: str) -> None:
    began = time.monotonic()
    try:
        read: ParsedFeed | None = await parser.feed(bombs()[name], "https://a.example/")
    except ParseFailed:
        read = None
    if read is not None:
        assert "root:" not in read.title
        assert len(json.dumps(read.title)) < 4_000
    assert time.monotonic() - began < LIMIT_S + 3
    assert (await parser.feed(rss("after"), "https://a.example/")).entries[0].title == "after"


async def test_a_child_that_dies_costs_its_document_alone(parser: Parser) -> None:
    child = parser._children[0]
    assert child._process is not None
    child._process.kill()
    await child._process.wait()
    assert (await parser.feed(rss("next"), "https://a.example/")).title == "News"


async def test_a_space_in_an_address_is_no_end_of_it(parser: Parser) -> None:
    read = await parser.feed(rss(item("x", link=" https://a.example/two words?q=a b ")), "https://a.example/")
    assert read.entries[0].link == "https://a.example/two%20words?q=a%20b"


async def test_texts_are_plain_and_links_whole(parser: Parser) -> None:
    read = await parser.feed(
        rss(
            '<item><title>A &amp;lt;b&amp;gt; &amp; "c"</title><link>/story?a=1&amp;b=2</link><guid>7</guid>'
            "<description><![CDATA[<p>One<b>two</b></p><script>alert(1)</script><p>three</p>"
            '<img src="/p.png">]]></description><category>tech</category>'
            "<pubDate>Sat, 21 Nov 2026 08:00:00 GMT</pubDate></item>"
        ),
        "https://a.example/feed",
    )
    (entry,) = read.entries
    assert entry.link == "https://a.example/story?a=1&b=2"
    assert (entry.summary, entry.picture, entry.tags) == ("Onetwo three", "https://a.example/p.png", ("tech",))
    assert entry.published_at == 1795248000.0
    assert "script" not in entry.summary


@pytest.mark.parametrize("charset", ["utf-8", "gb2312", "gbk", "big5", "utf-16", "windows-1252"])
async def test_encodings(parser: Parser, charset: str) -> None:
    title = {"big5": "新聞", "windows-1252": "café"}.get(charset, "新闻")
    data = rss("x", title=title).decode().replace("UTF-8", charset).encode(charset)
    assert (await parser.feed(data, "https://a.example/", "application/xml")).title == title


@pytest.mark.parametrize("broken", [
    b"<rss version='2.0'><channel><title>T & T</title><item><title>x</title></item>",
    b"\n\n<?xml version='1.0'?><rss version='2.0'><channel><title>T &nbsp; T</title><item><title>x</title></item>",
    b"<rss version='2.0'><channel><title>T \xff T</title><item><title>x</title></item></channel></rss>",
    b"<rss version='2.0'><channel><title>T \x0b T</title><item><title>x</title></item></channel></rss>",
])  # fmt: skip
async def test_a_broken_feed_that_can_be_read_is_read(parser: Parser, broken: bytes) -> None:
    assert len((await parser.feed(broken, "https://a.example/")).entries) == 1


@pytest.mark.parametrize("other", [b"", b"<html><body>hi</body></html>", b"{}", b"[1]", b"hello", b"\x89PNG\r\n",
                                   b'{"version": 1, "items": []}'])  # fmt: skip
async def test_what_is_no_feed_is_called_so(parser: Parser, other: bytes) -> None:
    with pytest.raises(ParseFailed) as caught:
        await parser.feed(other, "https://a.example/")
    assert caught.value.reason is Unreadable.NOT_A_FEED


async def test_json_feeds_are_read(parser: Parser) -> None:
    told = {"version": "https://jsonfeed.org/version/1.1", "title": "J", "home_page_url": "https://j.example/",
            "items": [{"id": "1", "url": "/1", "content_html": "<p>a</p>", "date_published": "2026-11-21T08:00:00Z"},
                      {"id": 2, "url": "https://j.example/2", "content_text": "a < b", "tags": ["nsfw"]},
                      "junk"]}  # fmt: skip
    read = await parser.feed(json.dumps(told).encode(), "https://j.example/feed.json")
    assert [(each.id, each.link, each.summary, each.explicit) for each in read.entries] == [
        ("1", "https://j.example/1", "a", False), ("2", "https://j.example/2", "a < b", True)]  # fmt: skip


async def test_what_calls_itself_explicit_is_marked(parser: Parser) -> None:
    itunes = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:media="http://search.yahoo.com/mrss/"'
    data = rss(
        item("a", extra="<itunes:explicit>yes</itunes:explicit>"),
        item("b", extra='<media:rating scheme="urn:simple">adult</media:rating>'),
        item("c", extra="<category>NSFW</category>"),
        item("d"),
    ).replace(b'version="2.0"', f'version="2.0" {itunes}'.encode())
    read = await parser.feed(data, "https://a.example/")
    assert [entry.explicit for entry in read.entries] == [True, True, True, False]
