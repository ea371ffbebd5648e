"""Lengths of time as members write and read them: ``2h``, ``1h30m``, ``1d``, ``2小时``, ``半小时``."""

from __future__ import annotations

import re
import unicodedata

UNITS_S = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1, "秒": 1, "秒钟": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "分": 60, "分钟": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "小时": 3600, "个小时": 3600, "钟头": 3600, "个钟头": 3600,
    "d": 86400, "day": 86400, "days": 86400, "天": 86400, "日": 86400,
    "w": 604800, "week": 604800, "weeks": 604800, "周": 604800, "星期": 604800, "个星期": 604800,
}  # fmt: skip

NUMERALS = {
    "半": 0.5, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
}  # fmt: skip

_PIECE = re.compile(
    rf"(\d{{1,6}}(?:\.\d{{1,3}})?|[{''.join(NUMERALS)}])\s*({'|'.join(sorted(UNITS_S, key=len, reverse=True))})\s*"
)


def parse_duration(text: str) -> float:
    """Seconds. Raises ``ValueError`` for what is no length of time; a bare number has no unit and is none."""
    plain = unicodedata.normalize("NFKC", text).strip().casefold()
    total, at = 0.0, 0
    while at < len(plain):
        piece = _PIECE.match(plain, at)
        if piece is None:
            raise ValueError(f"no length of time: {text!r}")
        amount, unit = piece.groups()
        total += (NUMERALS[amount] if amount in NUMERALS else float(amount)) * UNITS_S[unit]
        at = piece.end()
    if at == 0:
        raise ValueError("an empty length of time")
    return total


_SHOWN = ((86400, "天", "days"), (3600, "小时", "h"), (60, "分钟", "min"), (1, "秒", "s"))
_ONE = {"days": "day"}


def say_duration(seconds: float, language: str) -> str:
    """The two largest units, rounded to the nearest second: ``1 小时 30 分钟``, ``1 h 30 min``."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for size, zh, en in _SHOWN:
        count, rest = divmod(left, size)
        if count:
            parts.append(f"{count} {zh if language == 'zh' else _ONE.get(en, en) if count == 1 else en}")
            left = rest
        if len(parts) == 2 or (parts and not count):
            break  # a unit left out ends it: “1 day 3 s” says no more than “1 day”
    return " ".join(parts) or ("0 秒" if language == "zh" else "0 s")
