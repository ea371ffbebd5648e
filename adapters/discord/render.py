"""Ours into theirs: Markdown as Discord shows it, buttons as its components, speech as its voice messages."""

from __future__ import annotations

import base64
import re
import unicodedata
from typing import Any

import discord

from bot.delivery import Audio, Button

MAX_CHARS = 2000
"""Of one message (Discord, "Create Message")."""

MOST_BUTTONS, MOST_LABEL_CHARS = 25, 80
MOST_WAVEFORM_POINTS = 256
VOICE_MESSAGE = 1 << 13
"""Discord, "Message Flags"."""

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_DEEP_HEADING = re.compile(r"^#{4,6}\s+(.*?)\s*#*$")
_RULE = re.compile(r"^ {0,3}([-*_])(\s*\1){2,}\s*$")
_IMAGE = re.compile(r"!\[([^\]]*)\]\((\S+?)\)")


def markdown(text: str) -> str:
    """What Discord does not show in another form: tables as aligned text, deep headings bold, pictures as links.

    The text itself is kept. Where that would make it longer than a message, it stays as it is.
    """
    shown = "\n".join(_lines(text.split("\n")))
    return shown if len(shown) <= MAX_CHARS else text


def _lines(lines: list[str]) -> list[str]:
    shown: list[str] = []
    fence = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        mark = _FENCE.match(line)
        if mark and (not fence or (line.strip().startswith(fence) and not line.strip().strip(fence[0]))):
            fence = "" if fence else mark[1]
            shown.append(line)
        elif fence:
            shown.append(line)
        elif "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and _TABLE_RULE.match(lines[at + 1]):
            end = at + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            shown += _table(lines[at], lines[at + 2 : end])
            at = end
            continue
        else:
            shown.append(_line(line))
        at += 1
    return shown


def _line(line: str) -> str:
    if heading := _DEEP_HEADING.match(line):
        return f"**{heading[1]}**"
    if _RULE.match(line):
        return "───"
    return _IMAGE.sub(lambda found: f"[{found[1] or found[2]}]({found[2]})", line)


def _table(head: str, rows: list[str]) -> list[str]:
    """A table as columns of equal width in a code block."""
    table = [_cells(head), *map(_cells, rows)]
    columns = max(map(len, table))
    widths = [max(_width(row[column]) if column < len(row) else 0 for row in table) for column in range(columns)]
    lines = []
    for number, row in enumerate(table):
        cells = [cell + " " * (widths[column] - _width(cell)) for column, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("  ".join("─" * width for width in widths))
    return ["```", *(line.replace("```", "'''") for line in lines), "```"]


def _cells(row: str) -> list[str]:
    stripped = row.strip().removeprefix("|")
    if stripped.endswith("|") and not stripped.endswith(r"\|"):
        stripped = stripped[:-1]
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", stripped)]


def _width(text: str) -> int:
    """In columns of a fixed-width font: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def buttons(offered: tuple[Button, ...]) -> discord.ui.View | None:
    """A view that only shows: presses come as events, under the ids that the outbox keeps."""
    if not offered:
        return None
    view = discord.ui.View(timeout=None)
    for button in offered[:MOST_BUTTONS]:
        label = button.label[:MOST_LABEL_CHARS] or "…"
        view.add_item(discord.ui.Button(label=label, custom_id=button.id, style=discord.ButtonStyle.secondary))
    view.stop()  # discord.py keeps what is not stopped, one for every message ever sent
    return view


class VoiceFile(discord.File):
    """A voice message's one file. discord.py 2.7.1 sends none by itself: duration and waveform are added to what
    it says about the file (https://github.com/Rapptz/discord.py/pull/10230)."""

    duration_s: float = 0.0
    waveform: bytes = b""

    def to_dict(self, index: int) -> dict[str, Any]:
        return {
            **super().to_dict(index),
            "duration_secs": self.duration_s,
            "waveform": base64.b64encode(self.waveform).decode(),
        }


def waveform(audio: Audio) -> bytes:
    """At most 256 loudness points of a byte each; a flat line where nobody measured."""
    return bytes(audio.waveform[:MOST_WAVEFORM_POINTS]) or bytes(1)
