"""What a message of theirs says: its content, one JSON shape per type, as text and attachments.

Both what events bring and what the history shows pass here. Nothing in it is trusted: a shape that is not
what the platform documents reads as an empty message, never as an error.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.event import Attachment, AttachmentKind

MAX_NAME_CHARS = 64
EVERYONE = "@_all"

Names = Mapping[str, str]
"""What stands for a mention in a text (``@_user_1``), and the words to show instead."""


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    attachments: tuple[Attachment, ...] = ()


def read(message_id: str, type_: str, content: str, names: Names) -> Said:
    """``content`` as the platform gives it. Mentions are replaced in one pass, so a name that looks like a
    mention stays a name."""
    body = _parsed(content)
    reader = _READERS.get(type_)
    if reader is None:
        return Said("")
    text, attachments = reader(body, message_id)
    return Said(_tidy(_with_names(text, names)), attachments)


def clean_name(name: str) -> str:
    """A member's name without what plays with the reader: control and direction characters, endless length."""
    kept = "".join(char for char in name if unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))
    return " ".join(kept.split())[:MAX_NAME_CHARS]


def _with_names(text: str, names: Names) -> str:
    marks = sorted(names, key=len, reverse=True)
    if not marks:
        return text
    # @_user_1 must not be found in @_user_12
    pattern = re.compile("|".join(re.escape(mark) + r"(?![0-9])" for mark in marks))
    return pattern.sub(lambda found: names[found.group()], text)


def _tidy(text: str) -> str:
    lines = [
        re.sub(r"[ \t]{2,}", " ", line).strip() if not line.startswith("    ") else line for line in text.split("\n")
    ]
    return "\n".join(lines).strip()


def _parsed(content: str) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


# ── types ────────────────────────────────────────────────────────────────────────────────────────────────

Read = tuple[str, tuple[Attachment, ...]]


def _text(body: dict[str, Any], message_id: str) -> Read:
    return _str(body.get("text")), ()


def _image(body: dict[str, Any], message_id: str) -> Read:
    key = _str(body.get("image_key"))
    return "", (_attachment(AttachmentKind.IMAGE, message_id, key, "image"),) if key else ()


def _audio(body: dict[str, Any], message_id: str) -> Read:
    key = _str(body.get("file_key"))
    if not key:
        return "", ()
    duration = body.get("duration")
    seconds = duration / 1000 if isinstance(duration, int | float) else None
    voice = _attachment(AttachmentKind.VOICE, message_id, key, "file", media_type="audio/ogg", duration_s=seconds)
    return "", (voice,)


def _file(body: dict[str, Any], message_id: str) -> Read:
    key = _str(body.get("file_key"))
    name = clean_name(_str(body.get("file_name")))
    return "", (_attachment(AttachmentKind.FILE, message_id, key, "file", name=name),) if key else ()


def _card(body: dict[str, Any], message_id: str) -> Read:
    """A card as the platform shows it to programs: lines of elements, often without the text in them."""
    lines = ["".join(_str(part.get("text")) for part in line) for line in _lines(body.get("elements"))]
    return "\n".join(lines), ()


def _post(body: dict[str, Any], message_id: str) -> Read:
    if "content" not in body:  # as it is sent: by language
        body = next((part for part in body.values() if isinstance(part, dict)), {})
    lines: list[str] = []
    attachments: list[Attachment] = []
    for line in _lines(body.get("content")):
        parts = []
        for part in line:
            words, attachment = _part(part, message_id)
            parts.append(words)
            if attachment is not None:
                attachments.append(attachment)
        lines.append("".join(parts))
    title = _str(body.get("title"))
    return "\n".join([title, *lines] if title else lines), tuple(attachments)


def _part(part: dict[str, Any], message_id: str) -> tuple[str, Attachment | None]:
    match part.get("tag"):
        case "text" | "md" | "plain_text":
            return _str(part.get("text")), None
        case "a":
            text, href = _str(part.get("text")), _str(part.get("href"))
            return (text if not href or text == href else f"[{text}]({href})"), None
        case "at":
            return f"{_str(part.get('user_id'))} ", None
        case "code_block":
            return f"```{_str(part.get('language')).lower()}\n{_str(part.get('text'))}\n```", None
        case "img":
            key = _str(part.get("image_key"))
            return "", _attachment(AttachmentKind.IMAGE, message_id, key, "image") if key else None
        case "media":
            key = _str(part.get("file_key"))
            return "", _attachment(AttachmentKind.FILE, message_id, key, "file") if key else None
        case _:
            return "", None


_READERS: dict[str, Callable[[dict[str, Any], str], Read]] = {
    "text": _text,
    "post": _post,
    "image": _image,
    "audio": _audio,
    "file": _file,
    "media": _file,
    "interactive": _card,
}


def _attachment(
    kind: AttachmentKind,
    message_id: str,
    key: str,
    resource: str,
    *,
    name: str = "",
    media_type: str = "",
    duration_s: float | None = None,
) -> Attachment:
    """``ref`` is what fetching needs: message, file and kind of resource."""
    return Attachment(kind, f"{message_id}/{key}/{resource}", name, media_type, duration_s=duration_s)


def _lines(value: Any) -> Iterator[list[dict[str, Any]]]:
    if not isinstance(value, list):
        return
    for line in value:
        if isinstance(line, list):
            yield [part for part in line if isinstance(part, dict)]
        elif isinstance(line, dict):
            yield [line]


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
