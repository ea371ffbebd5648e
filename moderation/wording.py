"""What ``/filter`` says, and how a finding reads."""

from __future__ import annotations

from collections.abc import Mapping

from bot.room_settings import one_line
from bot.texts import Text
from moderation.categories import NAMES
from moderation.scoring import Finding, left

ABOUT = Text(zh="过滤：什么内容不在这里显示", en="the filter: what is not shown here")
NSFW_ABOUT = Text(zh="看、开、关 NSFW 过滤", en="see or switch the NSFW filter")
TEST_ABOUT = Text(zh="一段文字会不会被隐藏，为什么", en="whether a text would be hidden, and why")
ADD_ABOUT = Text(zh="添加一个要在这里隐藏的词", en="add a word that is hidden here")
ALLOW_ABOUT = Text(zh="添加一个例外：这个词在这里没有问题", en="add an exception: this word is fine here")
REMOVE_ABOUT = Text(zh="去掉一个添加过的词或者例外", en="remove a word or an exception that was added")
WORDS_ABOUT = Text(zh="列出这里自己的词和例外", en="list this room's own words and exceptions")
WORD = Text(zh="哪个词", en="the word")
TEXT = Text(zh="要检查的文字", en="the text to check")
STATE = Text(zh="on 打开，off 关闭，status 查看", en="on, off, or status")
CONFIRM = Text(zh="关闭时的第二步：confirm", en="the second step of switching it off: confirm")

IS_ON = Text(zh="NSFW 过滤开着。", en="The NSFW filter is on.")
IS_OFF = Text(
    zh="NSFW 过滤关着。`/filter nsfw on` 打开。", en="The NSFW filter is off. `/filter nsfw on` switches it on."
)
OFF_WITHOUT_EFFECT = Text(
    zh="NSFW 过滤开着：这里虽然设成了关闭，但现在不生效。",
    en="The NSFW filter is on: it was switched off here, but that has no effect now.",
)
CANNOT_BE_OFF = Text(zh="这里不能关闭 NSFW 过滤。", en="The NSFW filter cannot be off here.")
WHY_NOT_OFF: Mapping[str, Text] = {
    "discord": Text(
        zh="要先在 Discord 里把频道设为有年龄限制（私聊不行），再试一次。",
        en="Mark the channel as age-restricted in Discord first (a direct chat cannot be), then try again.",
    ),
    "feishu": Text(
        zh="外部群里它一直开着；也可能是飞书现在没有回答，可以过一会儿再试。",
        en="In an external group it is always on; or Feishu did not answer just now, then try again in a moment.",
    ),
}
NOT_KNOWN = Text(
    zh="平台现在没有回答，可以过一会儿再试。", en="The platform did not answer just now; try again in a moment."
)
SWITCHED_ON = Text(zh="{who} 打开了这里的 NSFW 过滤。", en="{who} has switched the NSFW filter on here.")
SWITCHED_OFF = Text(
    zh="{who} 关闭了这里的 NSFW 过滤。`/filter nsfw on` 重新打开。",
    en="{who} has switched the NSFW filter off here. `/filter nsfw on` switches it on again.",
)
SWITCH_OFF = Text(zh="关闭过滤", en="Switch it off")
REALLY = Text(
    zh="关闭以后，成人内容会在这里显示，所有成员都看得到。确定就按下面的按钮，或者说 `/filter nsfw off confirm`。",
    en="Once it is off, adult content is shown here, to every member. If you mean it, press the button or say "
    "`/filter nsfw off confirm`.",
)

ADDED = Text(zh="好，“{word}”从现在起在这里隐藏。", en="All right: “{word}” is hidden here from now on.")
ALLOWED = Text(
    zh="好，“{word}”在这里不再算可疑。`/filter test` 可以检查。",
    en="All right: “{word}” is not suspicious here any more. `/filter test` checks it.",
)
NO_EXCEPTION = Text(
    zh="“{word}”里有明确的成人词汇，不能作为例外。要显示这类内容，只能由有权的人用 `/filter nsfw off`。",
    en="“{word}” says by itself what is for adults, so it cannot be an exception. Such content takes "
    "`/filter nsfw off`, by those who may.",
)
REMOVED = Text(zh="好，“{word}”去掉了。", en="All right: “{word}” is removed.")
KNOWN = Text(zh="“{word}”已经在列表里。", en="“{word}” is on the list already.")
UNKNOWN = Text(
    zh="“{word}”不是这里添加的。`/filter words` 列出这里的词。",
    en="“{word}” was not added here. `/filter words` lists what was.",
)
LISTED = Text(zh="隐藏：{words}\n例外：{exceptions}", en="Hidden: {words}\nExceptions: {exceptions}")
BAD_WORD = Text(
    zh="“{word}”不能用：要 2 到 32 个字符，里面没有逗号、顿号和分号。",
    en="“{word}” will not do: 2 to 32 characters, without commas and semicolons.",
)
FULL = Text(
    zh="最多 {most} 个词。先用 `/filter remove` 去掉一些。", en="{most} words at most. `/filter remove` makes room."
)

HIDDEN = Text(zh="会隐藏：{category}，{score} 分（1 分起隐藏）。", en="Hidden: {category}, {score} (hidden from 1).")
SHOWN = Text(zh="会显示：{score} 分（1 分起隐藏）。", en="Shown: {score} (hidden from 1).")
ALWAYS = Text(zh="会隐藏：{category}。无论过滤是开是关。", en="Hidden: {category}. Whether the filter is on or off.")
NOTHING = Text(zh="没有命中任何规则。", en="No rule was hit.")
HIT = Text(zh="- `{word}`：{category}，+{weight}{disguised}", en="- `{word}`: {category}, +{weight}{disguised}")
DISGUISED = Text(zh="（写法有变形）", en=" (disguised)")
LESS = Text(
    zh="- 有报道、医学或规则的词 {words}：可疑词的分数乘以 {left}",
    en="- words of reports, medicine or rules, {words}: what is not certain counts {left} times",
)
MORE = Text(
    zh="- 暗示很多，或者有对人说的、讲自己的、推销的话：+{added}",
    en="- many hints, or words that turn to somebody, tell of oneself or offer something: +{added}",
)
SHOWN_HITS = 10


def explained(finding: Finding, language: str) -> list[str]:
    """Lines that say what a finding is made of."""
    if finding.category is None:
        return [SHOWN.in_language(language, score=finding.score), NOTHING.in_language(language)]
    head = ALWAYS if finding.always else HIDDEN if finding.hides else SHOWN
    category = NAMES[finding.category].in_language(language)
    lines = [head.in_language(language, category=category, score=finding.score)]
    for match in finding.evidence[:SHOWN_HITS]:
        term = match.term
        disguised = DISGUISED.in_language(language) if match.hidden else ""
        named = {"word": one_line(term.lemma), "category": NAMES[term.category].in_language(language)}
        lines.append(HIT.in_language(language, **named, weight=term.weight, disguised=disguised))
    if finding.added:
        lines.append(MORE.in_language(language, added=finding.added))
    if finding.context:
        words = ", ".join(f"`{match.term.lemma}`" for match in finding.context[:SHOWN_HITS])
        lines.append(LESS.in_language(language, words=words, left=left(len(finding.context))))
    return lines
