"""A follow-up made whole: 「那 Windows 上呢？」 after a question becomes one that can be looked up. By rule; where a
model is configured it is asked first (:mod:`rag.model_completion`).

A message is a follow-up when it is short, asks for something, and says too little of what: it opens or ends the way
follow-ups do and brings no subject of its own along. It is completed with the last message that asked something of its
own. Where both name one of a kind – two systems, two formats, two names – the new one takes the old one's place, so
that the old one is not looked up as well. What is no follow-up by its form stays as it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from bot.ports import Question, Utterance
from rag.gate.background import RARE_WORD, chance
from rag.gate.forms import form_of
from search.normalise import folded
from search.tokenise import tokens

MAX_WORDS = 8
"""A longer message carries its own subject."""
MAX_PASSED_OVER = 3
"""Remarks between a question and what leans on it: after more of them the talk is about something else."""

Complete = Callable[[Question], Awaitable[str]]
"""Makes a question's text whole: :func:`whole`, or one that asks a model first."""

_OPENS_ZH = re.compile(r"\s*(?:那么?|那如果|如果是?|要是|换成|改成|还有|另外|以及|或者|它|这个|那个|这样|上面)")
_INSTEAD_ZH = re.compile(r"\s*(?:那?(?:如果是|要是|换成|改成))")
_ENDS_ZH = re.compile(r"(?:呢|又(?:怎么样|如何)|也(?:一样|可以|支持|行|是这样)[吗么嘛])\s*[?？。！!]*\s*$")
_NOT_THAT_ZH = re.compile(r"着呢|才.{0,4}呢|[正还在].{0,6}呢\s*[。！!~～]*\s*$|人呢|呢喃")
"""「忙着呢」「还在吃饭呢」 end in 呢 and ask nothing; 「人呢」 asks for somebody."""
_OPENS_EN = re.compile(
    r"\s*(?:and|or|but|so|then|also|same|does\s+(?:it|that|this)|is\s+(?:it|that|this)|can\s+(?:it|that|this)|"
    r"(?:it|that|this)\b)",
    re.IGNORECASE,
)
_ABOUT_EN = re.compile(r"\s*(?:and\s+|but\s+|so\s+)?(?:what|how)\s+about\b|\s*(?:and\s+)?what\s+if\b", re.IGNORECASE)
_ABOUT_US = re.compile(r"\babout\s+(?:you|us|me|lunch|dinner|tomorrow|tonight|we)\b|\babout\s+\w+ing\b", re.IGNORECASE)
_ELSEWHERE_EN = re.compile(r"\s*(?:and|or)\s+(?:on|in|with|for|under|via|from)\s+\S+", re.IGNORECASE)
_PRONOUN_EN = re.compile(r"\b(?:it|that|this|them|they|those|these|there|instead|too|as well)\b", re.IGNORECASE)
_WAY = re.compile(
    r"怎么?|咋|如何|怎样|为什么|为啥|什么|支持|多少|多久|几|哪|[吗么]|能不能|可不可以|"
    r"\b(?:how|why|where|when|which|what|does|do|is|are|can)\b",
    re.IGNORECASE,
)
_PLEASANTRY = re.compile(
    r"辛苦|下班|吃饭|睡觉|先走|撤了|溜了|晚安|明天|周末|开会|回头|再说|随便|算了|不用|没事|不会吧|真的吗|是吗|就这样|这样吧|好吧|说得对|好吗$|行吗$|可以吗$|"
    r"\b(?:lunch|dinner|home|tomorrow|weekend|tonight|thanks|thank|lol|really|sure|never\s*mind|see\s+you|right|yesterday|i\s+(?:was|am)|i'm)\b",
    re.IGNORECASE,
)
"""What people say to each other whatever the talk is about."""

_KINDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![a-z])(?:windows|win\s?1[01]|linux|ubuntu|debian|centos|mac\s?os|mac|android|ios|wsl2?)(?![a-z])|苹果|安卓",
        r"(?<![a-z])(?:discord|feishu|lark|slack|telegram|wechat|web)(?![a-z])|飞书|微信|钉钉|网页版?",
        r"(?<![a-z])(?:pdf|word|docx?|html|markdown|md|csv|json|txt|excel|xlsx?|pptx?)(?![a-z])",
        r"(?<![a-z])(?:pip|conda|docker|poetry|uv|brew|apt)(?![a-z])|源码",
        r"(?<![a-z])(?:cpu|gpu|cuda|npu)(?![a-z])|显卡",
        r"(?<![a-z])(?:sqlite|postgres(?:ql)?|mysql|redis)(?![a-z])",
        r"(?<![a-z])(?:chinese|english|japanese)(?![a-z])|中文|英文|日文|英语|日语",
        r"(?<![a-z])(?:python\s?)?v?\d+(?:\.\d+)+",
    )
)
"""Things of which one is said in the place of another, whatever the documents are about."""

_NAME = re.compile(r"[A-Za-z][\w.+#-]*")


def is_follow_up(text: str) -> bool:
    """Whether a message leans on the one before it. 「mmdeploy 呢？」 does, 「那 mmpose 怎么安装？」 does not."""
    words = tokens(text)
    if not words and not _ENDS_ZH.search(text):
        return False
    if len(words) > MAX_WORDS or _PLEASANTRY.search(text) or _NOT_THAT_ZH.search(text) or _has_subject(text):
        return False
    if _ENDS_ZH.search(text) and len(words) <= MAX_WORDS // 2 + 1:
        return True
    if _ABOUT_EN.match(text):
        return not _ABOUT_US.search(text)
    if _INSTEAD_ZH.match(text) or (_ELSEWHERE_EN.match(text) and len(words) <= 2):
        return True
    asks = form_of(text).asks
    if _OPENS_ZH.match(text):
        return asks
    short = len(words) <= MAX_WORDS // 2 or bool(_PRONOUN_EN.search(text))
    return asks and short and bool(_OPENS_EN.match(text))


def _has_subject(text: str) -> bool:
    """Whether it asks for something by a name of its own that stands for no other of a kind."""
    names = [name for name in _NAME.findall(folded(text)) if _is_rare(name) and not _kind_of(name)]
    return bool(names) and _WAY.search(_NAME.sub(" ", text)) is not None and not _ENDS_ZH.search(text)


def _is_rare(name: str) -> bool:
    """Whether a word in Latin letters is none of general English."""
    own = tokens(name)
    return bool(own) and all(chance(token) <= RARE_WORD for token in own[:1])


def _kind_of(text: str) -> re.Pattern[str] | None:
    return next((kind for kind in _KINDS if kind.search(text)), None)


def completed(text: str, earlier: Sequence[Utterance]) -> str | None:
    """The message with the question it leans on before it, or None when it stands alone or leans on nothing.

    ``earlier``: the room's last messages, oldest first; our own are passed over.
    """
    if not is_follow_up(text):
        return None
    passed_over, leaning = 0, ""
    for utterance in reversed(earlier):
        if utterance.ours or not utterance.text.strip():
            continue
        form = form_of(utterance.text)
        if form.greets:
            continue
        if is_follow_up(utterance.text):
            leaning = leaning or utterance.text
            continue
        if not (form.asks or form.trouble):
            passed_over += 1
            if passed_over > MAX_PASSED_OVER:
                break
            continue
        return _joined(utterance.text, text)
    return _joined(leaning, text) if leaning and not passed_over else None  # “Can it read PDF?” leans on us alone


def _joined(question: str, follow_up: str) -> str:
    return f"{instead(question.strip(), follow_up)}\n{follow_up.strip()}"


def instead(question: str, follow_up: str) -> str:
    """``question`` about what ``follow_up`` names, where both name one of a kind; otherwise as it was."""
    for kind in _KINDS:
        new, old = kind.findall(follow_up), kind.findall(question)
        if len(set(new)) == 1 and len({each.casefold() for each in old}) == 1:
            return kind.sub(lambda _, name=new[0]: name, question)  # type: ignore[misc]
    new = [name for name in _NAME.findall(follow_up) if _is_rare(name)]
    old = [name for name in _NAME.findall(question) if _is_rare(name) and not _kind_of(name)]
    if len(set(new)) == 1 and len({each.casefold() for each in old}) == 1 and _alike(new[0], old[0], question):
        return re.sub(rf"(?<![\w.+#-]){re.escape(old[0])}(?![\w+#-])", lambda _: new[0], question)
    return question


def _alike(new: str, old: str, question: str) -> bool:
    """Whether one name can stand for the other: any in a Chinese sentence; in an English one, where every rare word
    looks like a name, those of one family (mmdet, mmpose)."""
    return any("\u3400" <= char <= "\u9fff" for char in question) or new[:2].casefold() == old[:2].casefold()


async def whole(question: Question) -> str:
    """The question's text, completed from the room's last messages where it leans on them."""
    if not await asyncio.to_thread(is_follow_up, question.text):  # the first look at a word reads a file
        return question.text
    return await asyncio.to_thread(completed, question.text, await question.earlier()) or question.text
