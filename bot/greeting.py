"""The one greeting when Maodou is added to a room: what it does, what it keeps, how to address it, how to ask
for less."""

from __future__ import annotations

from collections.abc import Sequence

from bot.delivery import Button, Content
from bot.durations import say_duration
from bot.room_settings import LANGUAGE, NAMES, UNASKED, UNASKED_PER_HOUR, Eagerness, Language
from bot.texts import LANGUAGES, Text
from bot.values import Values

GREETING_TEXT = Text(
    zh=(
        "大家好，我是毛豆，根据这个群的文档回答问题，并注明出处。\n"
        "- **怎么叫我**：{address}；`/help` 列出我会做的事。\n"
        "- **平时**：{unasked}。\n"
        "- **我保存什么**：这里的消息文字，最多 {kept}，用来按顺序回答和理解上下文。撤回的消息随即删除；"
        "`/forget me` 删除你说过的一切。\n"
        "- **嫌我吵**：`/mute 2h` 让我安静两小时，`/settings unasked off` 让我只在被叫到时说话（都由协管员操作）；"
        "`/stop` 停下正在写的回答；`/why` 说明我为什么说话或不说话。"
    ),
    en=(
        "Hello, I am Maodou. I answer questions from this group's documents and say where it stands.\n"
        "- **To address me**: {address}; `/help` lists what I can do.\n"
        "- **Otherwise**: {unasked}.\n"
        "- **What I keep**: the text of messages here, for at most {kept}, to answer in order and to follow the "
        "conversation. A message that is taken back is erased at once; `/forget me` erases all that you said.\n"
        "- **If I talk too much**: `/mute 2h` keeps me quiet for two hours, `/settings unasked off` lets me speak "
        "only when addressed (both by a moderator); `/stop` stops the answer that is being written; `/why` tells "
        "why I spoke or did not."
    ),
)
MENTION = Text(zh="@我，或者回复我的消息", en="mention me, or reply to a message of mine")
MENTION_OR_NAME = Text(
    zh="@我、回复我的消息，或者叫“{name}”", en="mention me, reply to a message of mine, or say “{name}”"
)
UNASKED_TEXTS = {
    Eagerness.OFF: Text(zh="没有人叫我，我就不说话", en="I do not speak unless addressed"),
    Eagerness.QUIET: Text(
        zh="没有人叫我时，只在很有把握时回答，一小时最多 {most} 次",
        en="unasked I answer only when I am very sure, at most {most} times an hour",
    ),
    Eagerness.HELPFUL: Text(
        zh="没有人叫我时，文档能答的我会回答，一小时最多 {most} 次",
        en="unasked I answer what the documents can answer, at most {most} times an hour",
    ),
}
HELP_LABEL = Text(zh="我会做什么", en="What I can do")


def greeting(values: Values, *, retention_days: float, language: str | None = None) -> Content:
    """The greeting for a room with these settings. ``language``: ``zh`` or ``en``; None takes the room's, and
    both where the room's follows the speaker, since nobody has spoken yet."""
    if language is None and values[LANGUAGE] is not Language.AUTO:
        language = values[LANGUAGE].value
    languages: Sequence[str] = LANGUAGES if language is None else (language,)
    text = "\n\n".join(_in(each, values, retention_days) for each in languages)
    label = " · ".join(HELP_LABEL.in_language(each) for each in languages)
    return Content(text, buttons=(Button(label, "/help"),))


def _in(language: str, values: Values, retention_days: float) -> str:
    names = values[NAMES]
    if names:
        readable = next((name for name in names if name.isascii() is (language == "en")), names[0])
        address = MENTION_OR_NAME.in_language(language, name=readable)
    else:
        address = MENTION.in_language(language)
    return GREETING_TEXT.in_language(
        language,
        address=address,
        unasked=UNASKED_TEXTS[values[UNASKED]].in_language(language, most=values[UNASKED_PER_HOUR]),
        kept=say_duration(retention_days * 86_400, language),
    )
