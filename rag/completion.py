"""A follow-up made whole: 「那 Windows 上呢？」 after a question becomes one that can be looked up. By rule alone.

A message is a follow-up when it is short and opens or ends the way follow-ups do. It is completed with the last
message that asked something of its own, and both are looked up together. Nothing is guessed: what is no follow-up
by its form stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.ports import Question, Utterance
from rag.gate.forms import form_of
from search.tokenise import tokens

MAX_WORDS = 8
"""A longer message carries its own subject."""

_OPENS_ZH = re.compile(r"\s*(?:那么?|那如果|如果是|要是|换成|还有|另外|以及|或者|它|这个|那个|这样|上面)")
_ENDS_ZH = re.compile(r"(?:呢|又(?:怎么样|如何)|也(?:一样|可以|支持|行|是这样)[吗么嘛])\s*[?？。！!]*\s*$")
_OPENS_EN = re.compile(
    r"\s*(?:and|or|but|so|then|also|what\s+about|how\s+about|what\s+if|same|does\s+(?:it|that|this)|"
    r"is\s+(?:it|that|this)|can\s+(?:it|that|this)|(?:it|that|this)\b)",
    re.IGNORECASE,
)
_PRONOUN_EN = re.compile(r"\b(?:it|that|this|them|they|those|these|there|instead|too|as well)\b", re.IGNORECASE)


def is_follow_up(text: str) -> bool:
    """Whether a message leans on the one before it. 「mmdeploy 呢？」 does, 「那个项目怎么安装？」 may."""
    words = tokens(text)
    if len(words) > MAX_WORDS:
        return False
    if _ENDS_ZH.search(text) and len(words) <= MAX_WORDS // 2 + 1:
        return True
    if _OPENS_ZH.match(text):
        return True
    return bool(_OPENS_EN.match(text)) and (len(words) <= MAX_WORDS // 2 or bool(_PRONOUN_EN.search(text)))


def completed(text: str, earlier: Sequence[Utterance]) -> str | None:
    """The message with the question it leans on before it, or None when it stands alone or leans on nothing.

    ``earlier``: the room's last messages, oldest first; our own are passed over.
    """
    if not is_follow_up(text):
        return None
    for utterance in reversed(earlier):
        if utterance.ours or not utterance.text.strip():
            continue
        form = form_of(utterance.text)
        if form.greets or is_follow_up(utterance.text) or not (form.asks or form.trouble):
            continue
        return f"{utterance.text.strip()}\n{text.strip()}"
    return None


async def whole(question: Question) -> str:
    """The question's text, completed from the room's last messages where it leans on them."""
    if not is_follow_up(question.text):
        return question.text
    return completed(question.text, await question.earlier()) or question.text
