"""Text to the tokens that the word index counts: Chinese, English, and the names that code is made of.

* Han, kana and Hangul runs become character bigrams: as good as a dictionary for finding (CLIR experience since
  Kwok 1997, SIGIR "Comparing representations in Chinese information retrieval") and 16 times faster than jieba.
* English words are stemmed (Snowball through PyStemmer); function words are left out.
* Identifiers, paths, versions, error names (``topdown_demo_with_mmdet.py``, ``RuntimeError``, ``cu11.8``) are
  kept whole and given in parts as well, so that either finds the other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import add

import Stemmer

from search.normalise import folded

_CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(
    r"(?P<url>https?://[^\s<>\"'()\[\]{}`" + _CJK + r"，。；、）】》]+)"
    r"|(?P<name>[A-Za-z0-9_]+(?:[._\-/\\:@+#~]+[A-Za-z0-9_]+)*(?:\+\+|\#(?!\w))?)"
    r"|(?P<cjk>[" + _CJK + r"]+)"
    r"|(?P<other>[^\W_]+)"
)
_SEPARATORS = re.compile(r"[\-/\\:@+#~_.]+")
_SEGMENTS = re.compile(r"[/\\:@~]+")
_ESCAPE = re.compile(r"\\([_*.#+\-])")  # Markdown writes mmcv\_ext
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)[a-z0-9._\-]*", re.IGNORECASE)
_CAMEL = re.compile(r"\d+(?:\.\d+)*|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FILE = re.compile(r".*[A-Za-z]\.[A-Za-z]{1,5}")
VERSION = 1
"""Of the tokens: an index made with another one is made anew."""

_MAX_NAME_CHARS = 120
"""Longer runs are encoded data, not names."""

_STOP_EN = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both but
    by can could did do does doing done down during each etc few for from further get gets got had has have having he
    her here hers him his how i if in into is it its itself just let me more most my myself no nor not now of off on
    once one only or other our out over own please same she should so some such than that the their them then there
    these they this those through to too under until up us use used using very was we were what when where which while
    who whom why will with would you your""".split()  # noqa: SIM905 (readable as prose)
)
_STOP_ZH = re.compile(
    "请问一下|请问|请教|一下|怎么样|怎么办|怎么|怎样|什么样|什么|为什么|为啥|如何|哪些|哪个|哪里|哪儿|是否|是不是|有没有|"
    "能不能|可不可以|可以|需要|应该|这个|那个|这些|那些|这里|那里|我们|你们|他们|它们|大家|大佬们|大佬|各位|有人|谢谢|感谢|"
    "因为|所以|但是|而且|或者|以及|并且|如果|的话|然后|还是|已经|现在|目前|没有|不是|就是|都是|也是|"
    "[的了吗呢吧啊呀哦嘛我你他她它们]"
)
_stem = Stemmer.Stemmer("english").stemWord


_SEAMS = frozenset("是的了和或吗呢")
"""Characters that join words and are seldom part of one."""


def tokens(text: str) -> list[str]:
    """The tokens of ``text`` in their order, repeated as often as they occur; lower case."""
    found: list[str] = []
    text = folded(text)
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", text)
    for run in _RUNS.finditer(text):
        kind, value = run.lastgroup, run.group()
        if kind == "cjk":
            _bigrams(value, found)
        elif kind == "name":
            if len(value) <= _MAX_NAME_CHARS:
                found.extend(_name(value))
        elif kind == "url":
            for segment in _SEGMENTS.split(value.partition("://")[2]):
                if 0 < len(segment) <= _MAX_NAME_CHARS:
                    found.extend(_name(segment))
        else:
            found.append(value.casefold())
    return found


def content(text: str) -> list[str]:
    """The tokens that carry what a line is about, without the pairs at the seams between words: 毛豆是什么 and
    什么是毛豆 are about the same."""
    return [token for token in tokens(text) if not _SEAMS & set(token)]


def _bigrams(run: str, found: list[str]) -> None:
    for piece in _STOP_ZH.split(run):
        if len(piece) == 1:
            found.append(piece)
        else:
            found.extend(map(add, piece, piece[1:]))


@lru_cache(maxsize=1 << 16)
def _name(value: str) -> tuple[str, ...]:
    """An English word (stemmed, or nothing), or a name: whole, then its parts."""
    if value.isalpha() and (value.islower() or value.isupper() or value.istitle()):
        word = value.lower()
        return () if word in _STOP_EN else (_stem(word),)
    value = value.strip("_")
    if not value:
        return ()
    whole = value.lower()
    version = _VERSION.fullmatch(value)
    if version is not None:
        number = version[1]
        return tuple(dict.fromkeys((whole.removeprefix("v"), number, ".".join(number.split(".")[:2]))))
    if whole.isdigit():
        return (whole,)
    return tuple(dict.fromkeys((whole, *_parts(value))))


def _parts(value: str) -> list[str]:
    """What a name is made of: path segments, words between ``_ - .``, words of camel case, version numbers."""
    parts: list[str] = []
    segments = [segment for segment in _SEGMENTS.split(value) if segment]
    for segment in segments:
        if len(segments) > 1:
            parts.append(segment.lower())
        if _FILE.fullmatch(segment):
            segment = segment.rpartition(".")[0]  # thousands of names end in .py: that ending finds nothing
            parts.append(segment.lower())
        words = [word for word in _SEPARATORS.split(segment) if word]
        for word in words:
            if len(words) > 1 and not word.isdigit():
                parts.append(_word(word.lower()))
            pieces = _CAMEL.findall(word)
            if len(pieces) > 1:
                parts.extend(_word(piece.lower()) for piece in pieces)
        numbers = re.findall(r"\d+(?:\.\d+)+", segment)
        parts.extend(numbers)
    return [part for part in parts if len(part) > 1 and part not in _STOP_EN and not part.isdigit()]


def _word(word: str) -> str:
    return _stem(word) if word.isalpha() else word
