"""What is to be said as messages that a platform takes: none too long, some in the place of older ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.delivery import Content
from bot.splitting import split


@dataclass(frozen=True, slots=True)
class Piece:
    """One message to be: a new one, or the new text of ``instead_of``."""

    content: Content
    instead_of: str | None = None


def parts_of(contents: Iterable[Content], max_chars: int) -> list[Content]:
    """Each content as parts that fit a message; buttons hang on its last part. Audio is a message of its own."""
    parts: list[Content] = []
    for content in contents:
        if content.audio is not None:
            parts.append(content)
            continue
        texts = split(content.text, max_chars)
        parts.extend(Content(text) for text in texts)
        if content.buttons and texts:
            parts[-1] = replace(parts[-1], buttons=content.buttons)
    return parts


def pieces_of(parts: Sequence[Content], instead_of: Sequence[str] = ()) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """Each part beside the old message that it replaces, and the old messages that are left over."""
    targets = [*instead_of, *[None] * len(parts)]
    return tuple(map(Piece, parts, targets)), tuple(instead_of[len(parts) :])


def first_part(text: str, max_chars: int) -> str:
    """What of ``text`` the first of its messages shows; a blank text as it is."""
    return (split(text, max_chars) or [text])[0]
