"""Which names members may carry: tidy, short, and none that could be taken for another's or for ours.

Two names that look alike count as one: the *look* folds case, width, accents, invisible characters and the
letters of other scripts that look like Latin ones (after Unicode Technical Standard 39, the confusables that
are in everyday use).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from bot.errors import MemberError
from bot.texts import Text

NAME_EMPTY = Text(zh="请先起一个名字。", en="Please choose a name first.")
NAME_TOO_LONG = Text(
    zh="名字最多 {most} 个字符，请短一点。", en="A name has at most {most} characters: a shorter one, please."
)
NAME_ODD = Text(zh="名字里有不能用的字符：{char}", en="This character cannot be part of a name: {char}")
NAME_OURS = Text(zh="这个名字和机器人太像了，换一个吧。", en="That name looks like the bot's: please choose another.")

_LATIN_LOOKS = dict(
    zip("аАвВеЕіІјЈкКмМнНоОрРсСѕЅтТуУхХԁԛԝӏ", "aAbBeEiIjJkKmMhHoOpPcCsStTyYxXdqwl", strict=True)
) | dict(zip("αΑβΒεΕζΖηΗιΙκΚμΜνΝοΟρΡτΤυΥχΧ", "aAbBeEzZnHiIkKuMvNoOpPtTuYxX", strict=True))
_DIGIT_LOOKS = {"0": "o", "1": "l", "|": "l", "i": "l"}
_MARKUP = "@＠/\\<>`*_~[]#:：\"'"
_MOST_MARKS = 2


@dataclass(frozen=True, slots=True)
class Name:
    """``shown`` is what the room reads; ``look`` is equal for names that look alike."""

    shown: str
    look: str


def read_name(typed: str, *, bot_names: Iterable[str], max_chars: int) -> Name:
    """The name that was meant by what was typed. Raises ``MemberError`` with what is wrong with it."""
    shown = _tidy(typed)
    if not any(char.isalnum() for char in shown):
        raise MemberError(NAME_EMPTY)
    if len(shown) > max_chars:
        raise MemberError(NAME_TOO_LONG, most=max_chars)
    for char in shown:
        if char in _MARKUP or unicodedata.category(char) in {"Co", "Cs", "Cn", "Cc"}:
            raise MemberError(NAME_ODD, char=char)
    look = look_of(shown)
    if any(look_of(ours) in look for ours in bot_names):
        raise MemberError(NAME_OURS)
    return Name(shown, look)


def look_of(name: str) -> str:
    """The folded look of a name: letters and digits alone, in one script, case and width."""
    decomposed = unicodedata.normalize("NFKD", _tidy(name))
    latin = "".join(_LATIN_LOOKS.get(char, char) for char in decomposed).casefold()
    return "".join(_DIGIT_LOOKS.get(char, char) for char in latin if char.isalnum())


def _tidy(typed: str) -> str:
    """Composed, without invisible and direction characters, one space between words, marks in measure."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFKC", typed):
        category = unicodedata.category(char)
        marks = marks + 1 if category == "Mn" else 0
        if category == "Cf" or marks > _MOST_MARKS or char in "\u115f\u1160\u3164\uffa0\u2800":
            continue
        kept.append(" " if char.isspace() else char)
    return " ".join("".join(kept).split())
