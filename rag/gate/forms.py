"""What a message looks like, whatever it is about: a question, a call for help, small talk. First half of the gate.

Chinese and English are equals. The patterns are the grammar of asking, not the topics of any community.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from search.normalise import folded

_ASKS_ZH = re.compile(
    "吗|嘛|么|呢|吧|咋|啥|谁|哪|几[个种款次步条位张块台卡号倍层]|多少|多久|多大|(?<![很许好更最])多[长高宽远重深快]|怎|如何|为何|何时|几时|什么|"
    "请问|请教|求教|想问|问一?下|问个|咨询|求助|求指|求解|求推荐|求[个份一]|求(?:教程|文档|链接|资料|地址)|是否|能否|可否|有无|有木有|"
    "([\\u4e00-\\u9fff])[不没]\\1|[大多快好行对在有]不[大多快好行对在有]?(?:[,，。！!?？\\s]|$)|不[?？。！!\\s]*$|"
    "[^，。！？]还是[^，。！？]{1,16}[。！？?\\s]*$|不太?(?:懂|明白|理解|清楚|知道|确定|会)|看不懂|搞不[清懂定]|疑问|疑惑|好奇|"
    "没找到|找不到|对不上|不一致|应该|好像|似乎|难道|是何|"
    "报错|出错|错误|失败|装不上|跑不[了起通]|打不开|用不了|不工作|不生效|卡住|卡死"
)
_ASKS_EN = re.compile(
    r"\b(?:how|what|which|who|whom|whose|where|when|why)(?:'s|'re|'d)?\b|"
    r"\b(?:can|could|may|might|should|would|will|shall|do|does|did|is|are|was|were|has|have|am)(?:n't)?\s+"
    r"(?:i|we|you|it|this|that|there|these|those|they|he|she|anyone|anybody|someone|somebody)\b|"
    r"(?:^|[.!?:;\n]\s*)(?:(?:hi|hey|hello|so|and|but|also|please)[,\s]+)?"
    r"(?:can|could|should|would|will|do|does|did|is|are|was|were|has|have)(?:n't)?\s+\w+|"
    r"\b(?:help|issue|problem|error|exception|traceback|fail(?:s|ed|ing|ure)?|crash(?:es|ed)?|stuck|"
    r"cannot|can'?t|won'?t|unable|doesn'?t\s+work|not\s+working|wondering|any\s+(?:idea|way|docs?|example|tutorial)s?|"
    r"looking\s+for|trying\s+to|wanna\s+know|want\s+to\s+know)\b",
    re.IGNORECASE,
)
_HOW = re.compile(
    "怎么|如何|怎样|咋|怎|支持|步骤|教程|方法|办法|配置|安装|设置"
    r"|\b(?:how\s+(?:to|do|does|can|should)|support(?:s|ed|ing)?|steps?|tutorial|configur\w+|install\w*|set\s*up)\b",
    re.IGNORECASE,
)
_CALLS = re.compile(
    "大佬|大神|各位|佬们|老师|大家|兄弟们|朋友们|群友|有人|哪位|请问|请教|想问|麻烦"
    r"|\b(?:any(?:one|body)|some(?:one|body)|everyone|folks|guys|hi\s+all|hello\s+all|please|pls|plz)\b",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    "报错|出错|错误|失败|异常|崩溃|警告|装不上|跑不[了起通]|用不了"
    r"|[A-Za-z]*(?:Error|Exception|Warning)\b|\b(?:error|exception|traceback|fail(?:s|ed|ure)?|crash\w*|segfault|errno)\b"
    r"|\b(?:cuda|exit|status|return)\s+(?:code|error)\b"
)
_GREETING = re.compile(
    r"[\s,，。.!！~～…]*(?:(?:大家|各位|群友们?|豆哥|毛豆|@\S+)\s*)?"
    r"(?:你好|您好|大家好|早上好|早安|早|中午好|下午好|晚上好|晚安|在吗|在不在|谢谢|感谢|多谢|辛苦了?|哈+|嘿+|呵+|嗯+|哦+|好的?|"
    r"收到|明白了?|牛|厉害|赞|666+|再见|拜拜|新年快乐|"
    r"hi|hello|hey|yo|good\s+(?:morning|afternoon|evening|night)|morning|thanks?|thank\s+you|thx|ty|ok(?:ay)?|"
    r"cool|nice|great|awesome|lol|haha+|bye|see\s+you|you\s+there|who\s+are\s+you|how\s+are\s+you)"
    r"(?:\s*(?:啊|呀|哈|啦|了|吗|大家|各位|all|guys|everyone|there|maodou|毛豆|豆哥|doing|so\s+much|a\s+lot))*"
    r"[\s,，。.!！?？~～…]*",
    re.IGNORECASE,
)
_STICKER = re.compile(r"\[[^\[\]\s]{1,8}\]|[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]")
"""``[旺柴]``: how WeChat and Feishu spell their own emoji in text."""

_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Form:
    """``text``: folded, without stickers. ``asks``: it has any form of a question or of a call for help.
    ``seeks_way``: how to, steps, support. ``calls``: it turns to the others. ``trouble``: it names an error.
    ``greets``: nothing but a greeting, thanks, an assent. ``chars``: letters, digits and Han characters."""

    text: str
    asks: bool
    seeks_way: bool
    calls: bool
    trouble: bool
    greets: bool
    chars: int


def form_of(text: str) -> Form:
    """The form of a message's ``text``."""
    plain = _STICKER.sub(" ", folded(text)).strip()
    return Form(
        text=plain,
        asks=any(pattern.search(plain) for pattern in (_ASKS_ZH, _ASKS_EN)) or "?" in plain,
        seeks_way=_HOW.search(plain) is not None,
        calls=_CALLS.search(plain) is not None,
        trouble=_TROUBLE.search(plain) is not None,
        greets=_GREETING.fullmatch(plain) is not None,
        chars=len(_LETTER.findall(plain)),
    )
