"""What each platform can and cannot do, as the page ``docs/platforms.md``: ``python -m maodou.capabilities``.

The first table is made from the adapters' own ``capabilities``. The second lists what a platform withholds
and what happens instead; the scenarios in ``tests/scenarios`` may leave a platform out only for one of these.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from bot.ports import Capabilities, Platform, SystemClock
from bot.store import Store, StoreSettings
from bot.texts import LANGUAGES, Text

NAMES = {
    "discord": Text(zh="Discord", en="Discord"),
    "feishu": Text(zh="飞书", en="Feishu"),
    "web": Text(zh="网页", en="Web"),
}
"""In the order of the columns."""

CAN = {
    "edits": Text(zh="改写自己的消息", en="rewrites messages of its own"),
    "recalls": Text(zh="撤回自己的消息", en="takes messages of its own back"),
    "threads": Text(zh="在话题、子区里回答", en="answers inside threads and topics"),
    "streams": Text(zh="边写边显示", en="shows an answer while it is made"),
    "buttons": Text(zh="按钮", en="buttons"),
    "voice": Text(zh="听语音消息，也发语音消息（带时长）", en="hears voice messages and sends them, with their length"),
    "history": Text(zh="读回群里的历史", en="reads the room's history back"),
}
BOUNDS = {
    "max_chars": Text(zh="一条消息最多几字", en="characters in one message"),
    "sends_per_s": Text(zh="每群每秒最多发几条", en="messages a second and room"),
    "edits_per_s": Text(zh="每群每秒最多改几次", en="edits a second and room"),
    "key_window_s": Text(zh="认得发送键多少秒", en="seconds for which a delivery's key is known"),
}
ALWAYS = Text(zh="一直", en="always")
NO_LIMIT = Text(zh="不另设限", en="none of ours")


class Lack(StrEnum):
    """Something that members may do or see elsewhere, and not on every platform."""

    THREADS = "threads"
    TOLD_OF_EDITS = "told_of_edits"
    SLASH_COMMANDS = "slash_commands"
    DIRECT_MESSAGES = "direct_messages"
    OTHER_BOTS = "other_bots"
    COMING_AND_GOING = "coming_and_going"
    AGE_RESTRICTION = "age_restriction"
    EVERYONE = "everyone"
    FORWARDS = "forwards"
    REDELIVERY = "redelivery"
    PERMISSIONS = "permissions"


LACKS: Mapping[Lack, tuple[tuple[str, ...], Text]] = {
    Lack.THREADS: (
        ("web",),
        Text(zh="只有一个房间，没有话题；引用代替话题", en="One room without threads; replies stand in for them."),
    ),
    Lack.TOLD_OF_EDITS: (
        ("feishu",),
        Text(
            zh="平台不告知成员改了消息：改过的问题不会重新回答",
            en="The platform tells nobody of a member's edit: an edited question is not answered anew.",
        ),
    ),
    Lack.SLASH_COMMANDS: (
        ("feishu", "web"),
        Text(
            zh="没有斜杠命令菜单：/help 等命令作为文字输入",
            en="No menu of slash commands: /help and the rest are typed.",
        ),
    ),
    Lack.DIRECT_MESSAGES: (
        ("web",),
        Text(zh="没有私聊：大家在同一个房间里", en="No direct messages: everybody is in the one room."),
    ),
    Lack.OTHER_BOTS: (
        ("web",),
        Text(zh="房间里只有人：别的机器人进不来", en="Only people come in: there are no other bots."),
    ),
    Lack.COMING_AND_GOING: (
        ("web",),
        Text(
            zh="房间就是它自己的：第一次打开时打招呼，不会被移出",
            en="The room is its own: it greets when that first opens, and cannot be removed from it.",
        ),
    ),
    Lack.AGE_RESTRICTION: (
        ("feishu", "web"),
        Text(
            zh="没有成人频道的标记：一律按更严的标准",
            en="No room is marked as age-restricted: the stricter rule holds.",
        ),
    ),
    Lack.EVERYONE: (("web",), Text(zh="没有 @所有人", en="There is no mention of everyone.")),
    Lack.FORWARDS: (
        ("feishu", "web"),
        Text(zh="转发的消息读不到原文", en="The words of a forwarded message are not read."),
    ),
    Lack.REDELIVERY: (
        ("discord",),
        Text(
            zh="平台不会再推送错过的消息：断线后从历史读回，错过的改写、撤回和表情看不到",
            en="What was missed is not delivered again: messages are read back from the history, but edits, "
            "deletions and reactions of that time are not seen.",
        ),
    ),
    Lack.PERMISSIONS: (
        ("web",),
        Text(
            zh="没有可收回的权限：能进房间就能说话",
            en="There are no rights to take away: who is in the room can speak.",
        ),
    ),
}
"""By lack: which platforms have it, and what it means there."""

TITLE = Text(zh="各平台能做什么", en="What each platform can do")
SECOND = Text(zh="做不到的，以及怎么办", en="What is missing, and what happens instead")
PLATFORM = Text(zh="平台", en="Platform")
YES_NO = {True: Text(zh="能", en="yes"), False: Text(zh="不能", en="no")}
MADE_BY = "<!-- Made by `python -m maodou.capabilities`; a test holds it to the adapters. -->"


def of_the_adapters(folder: Path) -> dict[str, Capabilities]:
    """What the three say of themselves as they come, by name, in the order of the columns. Nothing is connected;
    ``folder`` is for what they keep. Raises ``UsageError`` where an extra is missing."""
    from adapters.discord.adapter import DiscordPlatform
    from adapters.discord.settings import DiscordSettings
    from adapters.feishu.adapter import FeishuPlatform
    from adapters.feishu.settings import FeishuSettings
    from adapters.web.adapter import WebPlatform
    from adapters.web.settings import WebSettings

    store = Store.open(StoreSettings(url=f"sqlite:///{folder / 'maodou.db'}"))
    try:
        clock = SystemClock()
        platforms: tuple[Platform, ...] = (
            DiscordPlatform(store, DiscordSettings(token=SecretStr("not a token")), clock),
            FeishuPlatform(FeishuSettings(app_id="cli_none", app_secret=SecretStr("not a secret"))),
            WebPlatform(store, WebSettings(), clock, folder),
        )
        return {platform.name: platform.capabilities for platform in platforms}
    finally:
        store.close()


def lacks(platform: str, lack: Lack) -> bool:
    """Whether a platform withholds it."""
    return platform in LACKS[lack][0]


def page(capabilities: Mapping[str, Capabilities]) -> str:
    """The whole page, in both languages."""
    parts = [MADE_BY, f"# {TITLE.zh} · {TITLE.en}"]
    for language in LANGUAGES:
        heads = [NAMES[name].in_language(language) for name in capabilities]
        rows = [[text.in_language(language), *_can(capabilities, key, language)] for key, text in CAN.items()]
        rows += [[text.in_language(language), *_bounds(capabilities, key, language)] for key, text in BOUNDS.items()]
        missing = [
            [NAMES[name].in_language(language), text.in_language(language)]
            for name in capabilities
            for names, text in LACKS.values()
            if name in names
        ]
        parts += [
            f"## {TITLE.in_language(language)}",
            _table(["", *heads], rows),
            f"## {SECOND.in_language(language)}",
            _table([PLATFORM.in_language(language), SECOND.in_language(language)], missing),
        ]
    return "\n\n".join(parts) + "\n"


def _can(capabilities: Mapping[str, Capabilities], key: str, language: str) -> list[str]:
    return [YES_NO[bool(getattr(each, key))].in_language(language) for each in capabilities.values()]


def _bounds(capabilities: Mapping[str, Capabilities], key: str, language: str) -> list[str]:
    values = [float(getattr(each, key)) for each in capabilities.values()]
    return [_bound(value).in_language(language) for value in values]


def _bound(value: float) -> Text:
    if value == math.inf:
        return ALWAYS
    return NO_LIMIT if value == 0 else Text(zh=f"{value:,g}", en=f"{value:,g}")


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(page(of_the_adapters(Path(folder))))


if __name__ == "__main__":
    main()
