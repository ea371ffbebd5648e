"""Our Markdown as their messages: a post, or a card where a table, a button or a stream needs one.

A post is the better message – searched, quoted and edited like a person's – but knows no headings and no
tables. A card (JSON 2.0) shows both, takes buttons, and can be changed any number of times; with more than
three tables the platform refused one (HKUDS/nanobot#584), so later tables become code blocks, which keep
every cell. Text can never act: tags that would mention, colour or run something are broken by an invisible
space, and images from elsewhere become links.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from bot.delivery import Button, Content

MAX_CHARS = 5000
"""Of one message. Posts and cards end at 30 KB (Feishu's documentation): 5,000 characters of 4 bytes, escaped
twice, stay below."""

MAX_TABLES = 3
SUMMARY_CHARS = 60

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\(([^)\n]*)\)")
_TAG = re.compile(
    r"<(?=/?(?:at|person|font|text_tag|number_tag|link|local_datetime|audio|record|raw|table|chart|img|a|u)\b)", re.I
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ZERO_WIDTH_SPACE = "\u200b"


@dataclass(frozen=True, slots=True)
class Rendered:
    """``content`` is the JSON string that goes over the wire."""

    type: Literal["post", "interactive"]
    content: str


def render(content: Content, *, streaming: bool = False) -> Rendered:
    """As a post where one can show it, else as a card."""
    if streaming or content.buttons or any(kind == "table" for kind, _ in _blocks(content.text)):
        return as_card(content)
    return as_post(content)


def as_post(content: Content) -> Rendered:
    text = _shown(content.text, headings=False, tables=0)
    body = {"zh_cn": {"content": [[{"tag": "md", "text": text}]]}}
    return Rendered("post", json.dumps(body, ensure_ascii=False))


def as_card(content: Content) -> Rendered:
    text = _shown(content.text, headings=True, tables=MAX_TABLES)
    elements: list[dict[str, Any]] = [{"tag": "markdown", "element_id": "answer", "content": text}]
    if content.buttons:
        elements.append(_row(content.buttons))
    card = {
        "schema": "2.0",
        "config": {"update_multi": True, "summary": {"content": _summary(content.text)}},
        "body": {"elements": elements},
    }
    return Rendered("interactive", json.dumps(card, ensure_ascii=False))


def as_type(content: Content, type_: str) -> Rendered:
    """For an edit: a message keeps its type."""
    return as_card(content) if type_ == "interactive" else as_post(content)


def gist(text: str) -> str:
    """What is left of a text when all marks are gone: letters, digits, Han characters. Two messages with one
    gist say the same, whatever the platform made of the Markdown."""
    return re.sub(r"[\W_]+", "", text)


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────


def _shown(text: str, *, headings: bool, tables: int) -> str:
    parts: list[str] = []
    for kind, lines in _blocks(text):
        if kind == "code":
            parts.extend(lines)
        elif kind == "table":
            tables -= 1
            parts.extend(lines if tables >= 0 else ["```", *lines, "```"])
        else:
            parts.extend(_line(line, headings) for line in lines)
    return _TAG.sub("<" + _ZERO_WIDTH_SPACE, _CONTROL.sub("", "\n".join(parts)))


def _line(line: str, headings: bool) -> str:
    if not headings and (heading := _HEADING.match(line)) is not None:
        title = heading.group(1).replace("**", "")
        line = f"**{title}**" if title else ""
    return _IMAGE.sub(lambda image: f"[{image.group(1) or image.group(2)}]({image.group(2)})", line)


def _blocks(text: str) -> Iterator[tuple[Literal["text", "code", "table"], list[str]]]:
    """The text's lines in order, as runs of one kind."""
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        start = index
        if (fence := _FENCE.match(lines[index])) is not None:
            index += 1
            while index < len(lines) and not _closes(lines[index], fence.group(1)):
                index += 1
            index = min(index + 1, len(lines))
            yield "code", lines[start:index]
        elif _begins_table(lines, index):
            index += 2
            while index < len(lines) and "|" in lines[index]:
                index += 1
            yield "table", lines[start:index]
        else:
            index += 1
            yield "text", lines[start:index]


def _closes(line: str, fence: str) -> bool:
    found = _FENCE.match(line)
    return found is not None and found.group(1).startswith(fence) and not line.strip().strip(fence[0])


def _begins_table(lines: list[str], index: int) -> bool:
    return "|" in lines[index] and index + 1 < len(lines) and _is_rule(lines[index + 1])


def _is_rule(line: str) -> bool:
    return "|" in line and _TABLE_RULE.match(line) is not None


def _summary(text: str) -> str:
    """What the chat list shows of a card."""
    plain = _CONTROL.sub("", re.sub(r"[#*`>|]+", "", text))
    return " ".join(plain.split())[:SUMMARY_CHARS].replace("<", "‹")


def _row(buttons: tuple[Button, ...]) -> dict[str, Any]:
    columns = [
        {
            "tag": "column",
            "width": "auto",
            "elements": [
                {
                    "tag": "button",
                    "text": {"tag": "plain_text", "content": button.label},
                    "type": "default",
                    "behaviors": [{"type": "callback", "value": {"id": button.id}}],
                }
            ],
        }
        for button in buttons
    ]
    return {"tag": "column_set", "flex_mode": "flow", "columns": columns}
