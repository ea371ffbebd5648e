"""What a feed or a member wrote, as it may stand inside of what we say: it is shown, and can do nothing."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from recommender.summary import cut, plain

MAX_ADDRESS_CHARS = 500

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#~"})


def escaped(text: str) -> str:
    """The text so that Markdown shows it as it is."""
    return text.translate(_MARKS)


def harmless(text: str, max_chars: int) -> str:
    """What a feed or a member wrote, as text inside of ours."""
    return escaped(cut(plain(text), max_chars)).replace("@", "@\u2060")


def web_address(link: str) -> str:
    """The address as it may stand in Markdown; empty where it is none of the web."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or len(link) > MAX_ADDRESS_CHARS:
        return ""
    return quote(link, safe="/:?#@!$&'*+,;=%-._~")
