"""What a room can set about its digests' content."""

from __future__ import annotations

from typing import Any

from bot.room_settings import Setting, Switch, switch, whole_number
from bot.texts import Text

MAX_PICKS = 8
"""Three buttons each: Discord shows 25."""

PICKS = Setting(
    "digest_picks",
    5,
    whole_number(1, MAX_PICKS),
    Text(zh="一次推荐最多几条", en="how many entries a digest brings at most"),
    allowed=Text(zh=f"1 到 {MAX_PICKS} 的整数", en=f"a whole number from 1 to {MAX_PICKS}"),
)

LEARN_FROM_LINKS = Setting(
    "learn_from_links",
    Switch.ON,
    switch,
    Text(
        zh="有人分享链接时，要不要从中学这里喜欢什么（会去读那个网页）",
        en="whether links that members share teach me what is liked here (their pages are read)",
    ),
    choices=tuple(Switch),
)

TASTE_SETTINGS: tuple[Setting[Any], ...] = (PICKS, LEARN_FROM_LINKS)
