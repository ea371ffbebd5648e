"""Why a voice message was not heard: one closed enum, each with a sentence for its author in zh and en.

Raised on the way from a file to words (``audio.py``, ``ear.py``, ``trust.py``), told by the stage of hearing
(``bot/hearing.py``), read back by ``/why`` from the decision's details.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.errors import NoEar, NotHeard
from bot.texts import Text


class Refusal(StrEnum):
    # the file
    EMPTY_FILE = "empty_file"
    TOO_LARGE = "too_large"
    ARCHIVE = "archive"
    SILK = "silk"
    UNKNOWN_CONTAINER = "unknown_container"
    DAMAGED = "damaged"
    NO_SOUND_TRACK = "no_sound_track"
    TOO_SLOW = "too_slow"
    # its length
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    CUT_OFF = "cut_off"
    WRONG_LENGTH = "wrong_length"
    # its sound
    SILENCE = "silence"
    NO_SPEECH = "no_speech"
    # its words
    NO_WORDS = "no_words"
    UNSURE = "unsure"
    # the ear
    BUSY = "busy"


TYPE_IT = Text(zh="请重录一次，或者打字告诉我。", en="Please record it again, or type it.")

SENTENCES: Mapping[Refusal, Text] = {
    Refusal.EMPTY_FILE: Text(zh="这条语音是空的。", en="This voice message is empty."),
    Refusal.TOO_LARGE: Text(zh="这条语音太大了。", en="This voice message is too large."),
    Refusal.ARCHIVE: Text(zh="这是一个压缩包，不是语音。", en="This is an archive, not a voice message."),
    Refusal.SILK: Text(
        zh="这是微信的 SILK 格式，我不会解码。", en="This is WeChat's SILK format, which I cannot decode."
    ),
    Refusal.UNKNOWN_CONTAINER: Text(
        zh="这个文件不是我认得的声音格式。", en="This file is in no sound format that I know."
    ),
    Refusal.DAMAGED: Text(zh="这条语音的文件坏了。", en="The file of this voice message is damaged."),
    Refusal.NO_SOUND_TRACK: Text(zh="这个文件里没有声音。", en="There is no sound in this file."),
    Refusal.TOO_SLOW: Text(zh="这条语音解码太慢，我停下来了。", en="This voice message took too long to decode."),
    Refusal.TOO_SHORT: Text(zh="这条语音太短了。", en="This voice message is too short."),
    Refusal.TOO_LONG: Text(
        zh="这条语音太长了，最长 {most} 秒。", en="This voice message is too long; {most} seconds at most."
    ),
    Refusal.CUT_OFF: Text(
        zh="这条语音没有传完整，后面缺了一段。", en="This voice message did not arrive whole: its end is missing."
    ),
    Refusal.WRONG_LENGTH: Text(
        zh="这条语音的长度和它自己说的不一样，我不敢照它猜。",
        en="This voice message is not as long as it says it is; I would rather not guess.",
    ),
    Refusal.SILENCE: Text(zh="这条语音里没有声音。", en="This voice message is silent."),
    Refusal.NO_SPEECH: Text(zh="这条语音里没有听到有人说话。", en="I can hear no one speak in this voice message."),
    Refusal.NO_WORDS: Text(zh="我没有听出这条语音说了什么。", en="I could not make out any words in this message."),
    Refusal.UNSURE: Text(
        zh="这条语音我没听清，不想乱猜。", en="I did not hear this voice message clearly, and would rather not guess."
    ),
    Refusal.BUSY: Text(
        zh="现在要听的语音太多了，请过一会儿再发。",
        en="There are too many voice messages to hear right now. Please send it again in a moment.",
    ),
}

NO_MODEL = Text(
    zh=(
        "我还不会听语音：这里没有语音模型。运营者在服务器上运行 `maodou voice pull` 就能装上（约 {size_mb} MB）。"
        "这条消息我留着；现在请打字告诉我。"
    ),
    en=(
        "I cannot hear voice messages yet: there is no speech model here. An operator can get one by running "
        "`maodou voice pull` on the server (about {size_mb} MB). I keep this message; for now, please type it."
    ),
)
NO_LIBRARY = Text(
    zh="我还不会听语音：缺少 FunASR。运营者运行 `make setup ALL=1` 就能装上。这条消息我留着；现在请打字告诉我。",
    en=(
        "I cannot hear voice messages yet: FunASR is missing. An operator can install it with `make setup ALL=1`. "
        "I keep this message; for now, please type it."
    ),
)
NO_EAR_AT_ALL = Text(
    zh=(
        "我还不会听语音：缺少 FunASR 和语音模型。运营者在服务器上运行 `make setup ALL=1`，再运行 "
        "`maodou voice pull`（约 {size_mb} MB）就能装上。这条消息我留着；现在请打字告诉我。"
    ),
    en=(
        "I cannot hear voice messages yet: FunASR and a speech model are missing. An operator can get them by running "
        "`make setup ALL=1` and then `maodou voice pull` on the server (about {size_mb} MB). I keep this message; for "
        "now, please type it."
    ),
)


class AudioRefused(Exception):
    """Raised where a file or its transcript fails a check; becomes :func:`not_heard` where a member is told.
    ``facts``: what was measured, for the log and for ``/why``."""

    def __init__(self, why: Refusal, **facts: str | int | float) -> None:
        self.why = why
        self.facts = facts
        super().__init__(f"{why} {facts}" if facts else str(why))


def not_heard(why: Refusal, facts: Mapping[str, str | int | float] | None = None, *, most_s: float = 0) -> NotHeard:
    """The error that tells a member. ``most_s``: the longest note that would be heard."""
    told, advice = SENTENCES[why], TYPE_IT
    text = Text(zh=told.zh + advice.zh, en=f"{told.en} {advice.en}")
    return NotHeard(text, str(why), facts or {}, most=f"{most_s:g}")


def no_ear(text: Text, **values: object) -> NoEar:
    return NoEar(text, "no_ear", {}, **values)
