"""What a room can set about the mouth, beside ``voice`` itself (``bot/room_settings.py``): whose voice it has."""

from __future__ import annotations

import re
from typing import Any

from bot.room_settings import Setting
from bot.texts import Text
from bot.values import Values

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}")
DEFAULT = "default"


def _voice(typed: str) -> str:
    if not _NAME.fullmatch(typed):
        raise ValueError("no name of a voice")
    return DEFAULT if typed.casefold() == DEFAULT else typed


ALLOWED = Text(
    zh="语音服务里的名字，例如 zh-CN-YunxiNeural；default 表示默认",
    en="a name of the speech service, such as en-GB-SoniaNeural; default for its own",
)
VOICE_ZH = Setting(
    "voice_zh", DEFAULT, _voice, Text(zh="念中文用谁的声音", en="whose voice speaks Chinese"), allowed=ALLOWED
)
VOICE_EN = Setting(
    "voice_en", DEFAULT, _voice, Text(zh="念英文用谁的声音", en="whose voice speaks English"), allowed=ALLOWED
)
VOICE_SETTINGS: tuple[Setting[Any], ...] = (VOICE_ZH, VOICE_EN)


def voice_of(language: str, values: Values) -> str:
    """The voice that a room chose for a language; empty: the installation's."""
    chosen = values[VOICE_ZH if language == "zh" else VOICE_EN]
    return "" if chosen == DEFAULT else chosen
