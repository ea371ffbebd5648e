"""Lists of feeds, in and out: OPML 2.0 (http://opml.org/spec2.opml), as every feed reader writes it.

A list comes from a stranger, so it is read by expat with entities refused, and at a depth that lists have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

MAX_DEPTH = 20
MAX_FEEDS = 2_000
_ADDRESS = re.compile(r"(?:https?|feed|rsshub)://[^\s<>\"'，。；、）】》]+", re.IGNORECASE)
_XML_CANNOT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class NotAList(Exception):
    """Raised for what neither is OPML nor names an address."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One feed of a list. ``title`` and ``site`` may be empty."""

    address: str
    title: str = ""
    site: str = ""


def read(data: bytes) -> list[Listed]:
    """The feeds of an OPML file, or the addresses of a plain text, each once and in their order. Raises
    :class:`NotAList`."""
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    found = _opml(data) if text.startswith(b"<") else _addresses(data)
    unique = {each.address: each for each in reversed(found)}
    listed = list(reversed(unique.values()))[:MAX_FEEDS]
    if not listed:
        raise NotAList
    return listed


def _opml(data: bytes) -> list[Listed]:
    found: list[Listed] = []
    depth = 0
    is_opml = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, is_opml
        depth += 1
        if depth > MAX_DEPTH:
            raise NotAList
        is_opml = is_opml or name.casefold() == "opml"
        if name.casefold() == "outline":
            told = {key.casefold(): value.strip() for key, value in attributes.items()}
            if address := told.get("xmlurl") or (told.get("url") if told.get("type") == "rss" else ""):
                found.append(Listed(address, told.get("title") or told.get("text") or "", told.get("htmlurl") or ""))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def no_entity(*_: object) -> None:
        raise NotAList

    for encoding in (None, "utf-8"):  # some declare an encoding that they do not have, or one that does not exist
        found.clear()
        depth, is_opml = 0, False
        parser = expat.ParserCreate(encoding)
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.EntityDeclHandler = no_entity
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError):
            continue
        break
    else:
        if not found:  # broken somewhere after the feeds that it lists: those are kept
            raise NotAList
    if not is_opml:
        raise NotAList
    return found


def _addresses(data: bytes) -> list[Listed]:
    return [Listed(each) for each in _ADDRESS.findall(data.decode("utf-8", "replace"))]


def write(title: str, listed: Iterable[Listed]) -> str:
    """The list as an OPML file."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">']
    lines += [f"<head><title>{_attribute(title)[1:-1]}</title></head>", "<body>"]
    for each in listed:
        name = _attribute(each.title or each.address)
        site = f" htmlUrl={_attribute(each.site)}" if each.site else ""
        lines.append(f'<outline type="rss" text={name} title={name} xmlUrl={_attribute(each.address)}{site}/>')
    return "\n".join([*lines, "</body>", "</opml>", ""])


def _attribute(value: str) -> str:
    return quoteattr(_XML_CANNOT.sub("", value), {'"': "&quot;"})
