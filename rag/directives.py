"""MyST's directives (Sphinx writes documentation in them) as the plain Markdown that their reader sees.

A fence that begins with ``{note}``, of backticks or colons, holds prose; one with ``{code-block} shell`` holds code,
under a name that no other Markdown knows.
Syntax: https://myst-parser.readthedocs.io/en/latest/syntax/roles-and-directives.html
"""

from __future__ import annotations

import re

MAX_DEPTH = 8
"""Directives within directives; deeper ones stay as they are."""

_OPENS = re.compile(
    r"(?P<indent>[ \t]*)(?P<marks>`{3,}|~{3,}|:{3,})[ ]*\{(?P<name>[\w:.+-]{1,40})\}[ \t]*(?P<argument>.*)"
)
_FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})(.*)")
_OPTION = re.compile(r"[ \t]*:(?P<key>[\w-]+):(?:[ \t]+(?P<value>.*))?")

_CODE = frozenset({"code", "code-block", "code-cell", "sourcecode", "highlight", "prompt"})
_VERBATIM = frozenset({"math", "eval-rst", "mermaid", "graphviz", "parsed-literal", "testcode", "doctest"})
_UNSEEN = frozenset(
    {
        "toctree", "contents", "raw", "include", "literalinclude", "image", "only", "index", "meta", "highlightlang",
        "currentmodule", "module", "automodule", "autoclass", "autofunction", "autosummary", "bibliography", "youtube",
    }
)  # fmt: skip
"""What shows nothing, or what stands in another file."""


def undirected(text: str, depth: int = 0) -> str:
    """``text`` with each closed directive as what it shows: prose as prose, under its title; code as a fence with its
    language, its caption before it; a list of other pages as nothing. What is in an ordinary fence stays."""
    if "{" not in text or depth == MAX_DEPTH:
        return text
    lines = text.split("\n")
    kept: list[str] = []
    unclosed: set[str] = set()  # nothing closes these from here on: looked for once
    at = 0
    while at < len(lines):
        opens = _OPENS.fullmatch(lines[at])
        fence = None if opens else _FENCE.fullmatch(lines[at])
        marks = opens["marks"] if opens else fence[1] if fence else ""
        end = _closing(lines, at + 1, marks) if marks and marks not in unclosed else None
        if end is None:
            unclosed.add(marks)
            kept.append(lines[at])
            at += 1
        elif opens:
            kept += _shown(opens, lines[at + 1 : end], depth)
            at = end + 1
        else:
            kept += lines[at : end + 1]
            at = end + 1
    return "\n".join(kept)


def _closing(lines: list[str], start: int, marks: str) -> int | None:
    """The line that closes a fence of ``marks``: at least as many of them alone; None where none does."""
    for number in range(start, len(lines)):
        line = lines[number].strip()
        if len(line) >= len(marks) and set(line) == {marks[0]}:
            return number
    return None


def _shown(opens: re.Match[str], body: list[str], depth: int) -> list[str]:
    name, argument, marks = opens["name"].rpartition(":")[2], opens["argument"].strip(), opens["marks"]
    options, rest = _options(body)
    caption = options.get("caption", "")
    if name in _UNSEEN:
        return []
    if name in _CODE or name in _VERBATIM:
        fence = marks if marks[0] != ":" else "```"
        language = (argument if name in _CODE else name).partition(" ")[0]
        told = [opens["indent"] + caption, ""] if caption else []
        code = "\n".join(rest).strip("\n").split("\n")
        return [*told, f"{opens['indent']}{fence}{language}", *code, f"{opens['indent']}{fence}"]
    title = "" if name == "figure" else argument or options.get("title", "")
    told = ["", f"{opens['indent']}**{title}**"] if title else []
    return [*told, "", *undirected("\n".join(rest), depth + 1).split("\n"), ""]


def _options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options at the beginning of a directive, ``:key: value`` or a block of YAML, and what follows them."""
    options: dict[str, str] = {}
    if body and body[0].strip() == "---":
        for number, line in enumerate(body[1:], start=1):
            if line.strip() == "---":
                return options, body[number + 1 :]
            key, _, value = line.partition(":")
            options[key.strip()] = value.strip()
        return {}, body
    for number, line in enumerate(body):
        option = _OPTION.fullmatch(line)
        if option is None:
            return options, body[number:]
        options[option["key"]] = (option["value"] or "").strip()
    return options, []
