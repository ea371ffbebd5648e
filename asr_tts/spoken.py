"""An answer as a person would read it aloud: what :class:`asr_tts.mouth.Mouth` says.

Marks are not read, citations and the list of sources are left to the text, a link is its words or its host, a block
of code is named and not spelled, a table is read row by row with its headings. Pure; Markdown in, plain sentences
out, in Chinese or in English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.replies import SOURCES
from bot.texts import Text

CODE = Text(zh="这里有一段代码，请看文字。", en="There is some code here; please see the text.")
TABLE = Text(
    zh="这里有一张 {rows} 行的表格，请看文字。", en="There is a table of {rows} rows here; please see the text."
)
LINK = Text(zh="链接 {host}", en="a link to {host}")
MORE = Text(zh="其余的请看文字。", en="For the rest, please see the text.")

MAX_SPOKEN_CODE_CHARS = 40
"""A line of code as short as this is read; what is longer nobody can follow by ear."""
MAX_SPOKEN_ROWS = 5

_SOURCES = re.compile(
    rf"\n+\*\*(?:{re.escape(SOURCES.zh)}|{re.escape(SOURCES.en)})\*\*\s*\n(?:\s*-\s*\[\d+\].*\n?)+\s*$"
)
_CITATION = re.compile(r"\s*\[\d{1,3}\](?!\()")
_URL = re.compile(r"<?\bhttps?://[^\s<>()\[\]，。；、！？“”]+>?")
_ENDED = re.compile(r"[。！？!?.…；;:：][”’」』）)\"']*$")
_TAG = re.compile(r"<[^>\n]{1,200}>")
_EMOTICON = re.compile(r":[a-z0-9_+-]{2,30}:")
_SPACES = re.compile(r"[ \t\u00a0\u3000]+")
_BEFORE_MARK = re.compile(r"[ ]+([，。！？；：、,.!?;:])")

SYMBOLS = {
    "→": Text(zh="到", en=" to "),
    "⇒": Text(zh="得到", en=" gives "),
    "≥": Text(zh="大于等于", en=" at least "),
    "≤": Text(zh="小于等于", en=" at most "),
    "≠": Text(zh="不等于", en=" is not "),
    "≈": Text(zh="约", en=" about "),
    "×": Text(zh="乘", en=" times "),
    "÷": Text(zh="除以", en=" divided by "),
    "&": Text(zh="和", en=" and "),
    "›": Text(zh="，", en=", "),
    "·": Text(zh="，", en=", "),
    "•": Text(zh="，", en=", "),
    "—": Text(zh="，", en=", "),
    "–": Text(zh="到", en=" to "),
    "~": Text(zh="到", en=" to "),
}
_NUMBER_RANGE = re.compile(r"(?<=\d)\s*[-–~]\s*(?=\d)")
_SILENT = re.compile(r"[*_`#<>\\|^{}\[\]=+$]+")
"""Marks that a reader passes over."""


def spoken(text: str, language: str, max_chars: int = 1_200) -> str:
    """The spoken form of an answer in Markdown, at most about ``max_chars`` long; empty when nothing is to be said."""
    blocks = _blocks(_parser().parse(_SOURCES.sub("", f"\n{text}")), language)
    sentences = [sentence for block in blocks for sentence in _sentences(block)]
    said: list[str] = []
    room = max_chars
    for sentence in sentences:
        if len(sentence) > room:
            if not said:
                said.append(_ended(sentence[:room], language))
            said.append(MORE.in_language(language))
            break
        said.append(sentence)
        room -= len(sentence)
    return "\n".join(said)


_SENTENCE = re.compile(r".+?(?:[。！？!?；…]+[”’」』）)]*|(?<!\b\w)\.(?=\s+\W*[A-Z\u3400-\u9fff]|\s*$)|$)", re.DOTALL)


def _sentences(line: str) -> list[str]:
    """Each on a line of its own: engines pause there, and a long answer can be cut there."""
    found = (match[0].strip(" -\n") for match in _SENTENCE.finditer(line))
    return [sentence for sentence in found if any(char.isalnum() for char in sentence)]


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _blocks(tokens: Sequence[Token], language: str) -> Iterator[str]:
    """The blocks of a document, each a line that ends like a sentence."""
    numbers: list[int | None] = []
    before = ""
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == "ordered_list_open":
            numbers.append(int(token.attrGet("start") or 1))
        elif token.type == "bullet_list_open":
            numbers.append(None)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            numbers.pop()
        elif token.type == "list_item_open" and numbers:
            number = numbers[-1]
            if number is not None:
                before, numbers[-1] = _counted(number, language), number + 1
        elif token.type in ("fence", "code_block"):
            yield _ended(before + _code(token.content, language), language)
            before = ""
        elif token.type == "table_open":
            end = next(index for index in range(at, len(tokens)) if tokens[index].type == "table_close")
            yield from _table(tokens[at:end], language)
            at = end
        elif token.type == "inline":
            said = _plain(_inline(token.children or (), language), language)
            if said:
                yield _ended(before + said, language)
            before = ""
        at += 1


def _counted(number: int, language: str) -> str:
    if language == "zh":
        return f"第{'一二三四五六七八九十'[number - 1] if 1 <= number <= 10 else number}，"
    ordinals = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
    return f"{ordinals[number - 1]}, " if 1 <= number <= 10 else f"Number {number}, "


def _code(content: str, language: str) -> str:
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) <= MAX_SPOKEN_CODE_CHARS:
        return _plain(_as_words(lines[0].strip().lstrip("$> ")), language)
    return CODE.in_language(language) if lines else ""


def _as_words(code: str) -> str:
    """``kb_list --all`` is read “kb list all”."""
    return re.sub(r"(?<![\w.])-{1,2}(?=\w)|[_/\\](?=\w)", " ", code)


def _table(tokens: Sequence[Token], language: str) -> Iterator[str]:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(_plain(_inline(token.children or (), language), language).rstrip("。."))
    head, *body = rows or [[]]
    if len(body) > MAX_SPOKEN_ROWS:
        yield TABLE.in_language(language, rows=len(body))
        return
    comma, colon = ("，", "：") if language == "zh" else (", ", ": ")
    for row in body:
        cells = [
            f"{name}{colon}{cell}" if name and index else cell
            for index, (name, cell) in enumerate(zip(head, row, strict=False))
            if cell
        ]
        if cells:
            yield _ended(comma.join(cells), language)


def _inline(children: Sequence[Token], language: str) -> str:
    """The words of a line; links by their words, code by its words, pictures by their description."""
    said: list[str] = []
    for child in children:
        if child.type == "text":
            said.append(child.content)
        elif child.type == "code_inline":
            said.append(f" {_as_words(child.content)} ")
        elif child.type in ("softbreak", "hardbreak"):
            said.append("\n")
        elif child.type == "image":
            said.append(child.content)
    return "".join(said)


def _plain(text: str, language: str) -> str:
    """One line of plain words."""
    text = _CITATION.sub("", text)
    text = _URL.sub(lambda match: _link(match[0], language), text)
    text = _EMOTICON.sub("", _TAG.sub("", text))
    text = _NUMBER_RANGE.sub(SYMBOLS["~"].in_language(language), text)
    for symbol, name in SYMBOLS.items():
        text = text.replace(symbol, name.in_language(language))
    text = "".join(char for char in _SILENT.sub(" ", text) if _is_read(char))
    return _BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", text.replace("\n", " "))).strip()


def _link(match: str, language: str) -> str:
    url = match.rstrip(".,;:!?>'*")
    try:
        host = urlsplit(url.lstrip("<")).hostname or ""
    except ValueError:
        host = ""
    return f" {LINK.in_language(language, host=host.removeprefix('www.'))} {match[len(url) :].lstrip('>')}"


def _is_read(char: str) -> bool:
    """Emoji, their joiners, private and control characters are not."""
    return char == "\n" or unicodedata.category(char) not in ("So", "Sk", "Cf", "Cc", "Co", "Cn", "Cs", "Mn", "Me")


def _ended(line: str, language: str) -> str:
    """With a mark at its end, so that an engine lowers its voice there."""
    line = line.strip().rstrip("，、,")
    if not line or _ENDED.search(line):
        return line
    return line + ("。" if language == "zh" else ".")
