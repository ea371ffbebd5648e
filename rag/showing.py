"""What an answer may carry into a room: no mentions, no HTML, and only links that the cited documents hold.

A link is where text from outside could act: a reader clicks it, a client fetches a preview of it. So it is shown only
as it stands in a cited document that an operator added, in a sentence that speaks of what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.\-]{1,20}://|\b(?:javascript|data|vbscript|mailto|tel|sms):|\bwww\.)"
    r"[^\s<>\"'`()\[\]{}，。；、！？）】》」”]+(?:\([^\s()]*\))?",
    re.IGNORECASE,
)
_TARGET = re.compile(r"\]\(\s*<?([^)\s>]*)[^)]*\)")
_TO_A_PATH = re.compile(
    r"!?\[([^\[\]\n]*)\]\(\s*(?!<?(?:[a-z][a-z0-9+.\-]*:|//|www\.))[^()\n]*(?:\([^()\n]*\)[^()\n]*)?\)", re.IGNORECASE
)
_HALF = re.compile(r"\A(\s*(?:(?:[-*+]|\d{1,3}[.)])\s+)?)\*\*(?=\S)|(?<=\S)\*\*((?:\s*\[\d+\])?\s*)\Z")
_DEFINITION = re.compile(r"^\s*\[[^\]]+\]:", re.MULTILINE)
_TAG = re.compile(r"<[@#:/!?A-Za-z]")
_EVERYBODY = re.compile(r"@(?=\s*(?:everyone|here|all|channel|所有人|全体成员|全员|全体)(?![A-Za-z]))", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w.\-/])@(?=\w)")
_HOST = re.compile(r"(?<![\w@/.`\-])(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}(?:/[^\s`，。；、）】]*)?(?![\w`])")


_FILE_ENDINGS = frozenset(
    """py md rst txt json jsonl yaml yml toml cfg ini conf env sh bash bat ps1 html htm css js ts jsx tsx vue c
    cc cpp h hpp cu java go rs rb php sql csv tsv xml pdf doc docx ppt pptx xls xlsx ipynb log lock db sqlite
    png jpg jpeg gif svg webp mp3 mp4 wav ogg zip tar gz tgz bz2 xz whl so dll exe deb rpm bin onnx pt pth
    ckpt safetensors gguf engine param npy npz pkl tmp bak diff patch""".split()  # noqa: SIM905 (readable as prose)
)
"""What ends a file's name: such a word is no host, even where a domain ends so."""


def hosts(text: str) -> set[str]:
    """Bare names of hosts (``example.org/x``) outside code, which some clients make links of by themselves."""
    return {match.group() for match in _HOST.finditer(outside_code(text)) if not _is_file(match.group())}


def _is_file(name: str) -> bool:
    return name.partition("/")[0].rpartition(".")[2].lower() in _FILE_ENDINGS


def links(text: str) -> set[str]:
    """Every address in ``text`` that a client could make a link or an image of, without its closing punctuation."""
    found = {match.group().rstrip(".,;:!?*_~") for match in _URL.finditer(text)}
    return found | {match[1] for match in _TARGET.finditer(text)}


def outside_code(text: str) -> str:
    """``text`` with its code spans blanked out."""
    return CODE_SPAN.sub(lambda match: " " * len(match.group()), text)


def has_markup(text: str) -> bool:
    """Whether there is HTML, a platform's own tag (``<@1>``) or a link's definition in ``text``, outside code."""
    plain = outside_code(text)
    return bool(_TAG.search(plain)) or bool(_DEFINITION.search(plain))


def allowed_links(texts: Iterable[str]) -> set[str]:
    """The addresses that documents hold."""
    return {link for text in texts for link in links(text)}


def without_mentions(text: str) -> str:
    """The same to read, and nobody is called: the sign before a name becomes ``＠``. Code keeps its ``@`` signs
    (decorators, package names), except before the words that would call everybody."""
    text = _EVERYBODY.sub("＠", text)
    return _outside_code(text, lambda part: _MENTION.sub("＠", part))


def without_loose_hosts(text: str) -> str:
    """The bare names of hosts become code, of which no client makes a link."""
    if links(outside_code(text)):
        return text  # they were checked, and what is around them may be part of them
    return _outside_code(
        text,
        lambda part: _HOST.sub(lambda match: match.group() if _is_file(match.group()) else f"`{match.group()}`", part),
    )


def without_paths(text: str) -> str:
    """A link or an image that leads to another file of the documents' folder leads nowhere from a chat, and in the web
    room to a page that is not there: its words stay."""
    code = [match.span() for match in CODE_SPAN.finditer(text)]

    def words(link: re.Match[str]) -> str:
        written = any(start <= at < end for start, end in code for at in (link.start(), link.end() - 1))
        return link.group() if written else link[1]

    return _TO_A_PATH.sub(words, text)


def without_half_marks(text: str) -> str:
    """A stretch that begins or ends within bold words has one half of their marks, which a client shows as stars."""
    if outside_code(text).count("**") != 1:
        return text
    return _HALF.sub(r"\1\2", text, count=1)


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    at = 0
    for match in CODE_SPAN.finditer(text):
        parts += [change(text[at : match.start()]), match.group()]
        at = match.end()
    return "".join([*parts, change(text[at:])])
