"""Why a file is not in a base: the reasons as a type, and the sentence for each. What every reader may raise."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.texts import Text


class Refusal(StrEnum):
    """Why a file is not in the base."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BINARY = "binary"
    ENCODING = "encoding"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    UNSUPPORTED = "unsupported"
    OUTSIDE = "outside"
    TANGLED = "tangled"
    NO_PAIRS = "no_pairs"
    MISLABELLED = "mislabelled"
    DAMAGED = "damaged"
    SCANNED = "scanned"
    ENCRYPTED = "encrypted"
    MANY_PAGES = "many_pages"
    UNPACKED = "unpacked"
    COSTLY = "costly"


REFUSALS: Mapping[Refusal, Text] = {
    Refusal.EMPTY: Text(zh="文件里没有文字", en="there is no text in it"),
    Refusal.TOO_LARGE: Text(zh="文件太大", en="it is too large"),
    Refusal.BINARY: Text(zh="是二进制文件，不是文本", en="it is binary, not text"),
    Refusal.ENCODING: Text(zh="认不出文字编码，请存为 UTF-8", en="its encoding cannot be told: save it as UTF-8"),
    Refusal.UNREADABLE: Text(zh="没有读取权限，或读取出错", en="it cannot be read (rights, or a read error)"),
    Refusal.VANISHED: Text(zh="读取时文件消失了", en="it vanished while it was being read"),
    Refusal.UNSUPPORTED: Text(zh="不支持这种文件", en="this kind of file is not supported"),
    Refusal.OUTSIDE: Text(zh="链接指向文件夹之外", en="it is a link that leads out of the folder"),
    Refusal.TANGLED: Text(zh="网页或 JSON 嵌套太深", en="its elements are nested too deeply"),
    Refusal.NO_PAIRS: Text(
        zh="里面没有问答对：每一项要有 question 和 answer",
        en="there are no questions and answers in it: each entry needs a question and an answer",
    ),
    Refusal.MISLABELLED: Text(
        zh="内容和文件名的后缀不符", en="it is not what its name says: the ending does not fit the contents"
    ),
    Refusal.DAMAGED: Text(zh="文件已损坏或不完整", en="it is damaged or incomplete"),
    Refusal.SCANNED: Text(
        zh="只有扫描的页面，没有文字：请先做文字识别（OCR）",
        en="scanned pages only: have their text recognised (OCR) first",
    ),
    Refusal.ENCRYPTED: Text(zh="有密码保护：请存为没有密码的文件", en="a password protects it: save it without one"),
    Refusal.MANY_PAGES: Text(zh="页数太多：请拆成几个文件", en="it has too many pages: split it into several files"),
    Refusal.UNPACKED: Text(zh="解压以后太大", en="it is too large once it is unpacked"),
    Refusal.COSTLY: Text(zh="读取它要花太多时间或内存", en="reading it takes too much time or memory"),
}

PASSING = frozenset({Refusal.UNREADABLE, Refusal.VANISHED})
"""Reasons that say nothing about the file's text: what was read of it before stays."""


class Refused(Exception):
    """Raised by every reader; the document's row and the report carry the reason."""

    def __init__(self, reason: Refusal) -> None:
        self.reason = reason
        super().__init__(REFUSALS[reason].en)
