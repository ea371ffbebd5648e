"""``/voice``: when it speaks, what it listens to, and in whose voice."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from asr_tts.room_settings import DEFAULT, VOICE_EN, VOICE_ZH
from bot.commands import Argument, Call, Command, Done, both
from bot.errors import MemberError
from bot.event import Role
from bot.hearing import what_becomes
from bot.room_settings import VOICE, VOICE_LISTEN, Aloud, Listening, Setting
from bot.scopes import Scopes, scope_of
from bot.texts import Text

ABOUT = Text(zh="语音：什么时候说、听什么、用谁的声音", en="voice messages: when I speak, what I hear, in whose voice")
OFF = Text(zh="只写字，不发语音", en="I only write")
REPLY = Text(zh="用语音问我，我就也用语音回答", en="whoever asks by voice is answered by voice, too")
ALWAYS = Text(zh="每个回答都再念一遍", en="I say each answer aloud as well")
LISTEN = Text(zh="听谁的语音：addressed 只听对我说的，all 都听", en="which voice messages I hear: those to me, or all")
WHICH = Text(zh="addressed（只听对我说的）或 all（都听）", en="addressed (those to me) or all")
USE = Text(zh="换声音，一种语言一个", en="choose a voice for a language")
LANGUAGE = Text(zh="语言：zh 或 en", en="the language: zh or en")
NAME = Text(
    zh="声音的名字，例如 zh-CN-YunxiNeural；default 恢复默认", en="its name, such as en-GB-SoniaNeural, or default"
)
STATUS = Text(zh="现在怎么设的", en="how it is set now")

NOW = {
    Aloud.OFF: Text(zh="好的，这里我只写字，不发语音。", en="Fine: here I only write."),
    Aloud.REPLY: Text(
        zh="好的：用语音问我，我先写出答案，再念一遍。",
        en="Fine: whoever asks by voice gets the written answer first, and then hears it.",
    ),
    Aloud.ALWAYS: Text(
        zh="好的：这里每个回答我都先写出来，再念一遍。",
        en="Fine: here I write each answer first, and then say it.",
    ),
}
LISTENING = {
    Listening.ADDRESSED: Text(
        zh="好的：只听对我说的语音，别的我不下载。", en="Fine: I hear what is said to me, and download nothing else."
    ),
    Listening.ALL: Text(
        zh=(
            "好的：这里的每条语音我都听：我{how}，声音{kept}，文字和别的消息一样保存。不是问我的，我不出声。"
            "`/voice listen addressed` 改回来。"
        ),
        en=(
            "Fine: I hear every voice message here: {how}, {kept}, and its text is kept like any message. I stay "
            "silent where it is not for me. `/voice listen addressed` goes back."
        ),
    ),
}
NOBODY_SPEAKS = Text(
    zh="这里没有装能说话的，我只写字，换不了声音。", en="Nothing that speaks is installed here: I only write."
)
NO_SUCH_VOICE = Text(
    zh="现在说话的是 {engine}，它没有叫 `{name}` 的声音。{has}",
    en="What speaks here is {engine}; it has no voice `{name}`. {has}",
)
HAS_ONE = Text(
    zh="它每种语言只有一个声音，`default` 就是它。", en="It has one voice for each language, which is `default`."
)
HAS_NEURAL = Text(
    zh="它的声音叫 zh-CN-YunxiNeural、en-GB-SoniaNeural 这样的名字。",
    en="Its voices have names such as zh-CN-YunxiNeural or en-GB-SoniaNeural.",
)
_NEURAL = re.compile(r"[a-z]{2,}-[A-Z]{2,}-.+Neural")
VOICE_IS = Text(zh="好的，{language} 用 {name}。", en="Fine: {name} speaks {language}.")
LANGUAGES = {"zh": Text(zh="中文", en="Chinese"), "en": Text(zh="英文", en="English")}
HOW_IT_IS = Text(
    zh="说：`{voice}`；听：`{listen}`；中文的声音：`{zh}`；英文的声音：`{en}`。",
    en="Speaking: `{voice}`; listening: `{listen}`; the Chinese voice: `{zh}`; the English voice: `{en}`.",
)


class VoiceCommands:
    """``command`` goes into the registry. ``more``: further members of the family. ``leaves_machine``, ``keeps_audio``:
    what a room that opens its ears is told becomes of its recordings. ``speaks``: the first of
    :func:`asr_tts.mouth.who_speaks`, empty for nobody."""

    def __init__(self, scopes: Scopes, *more: Command, leaves_machine: bool, keeps_audio: bool, speaks: str) -> None:
        self._scopes = scopes
        self._speaks = speaks
        self._becomes = partial(what_becomes, leaves_machine=leaves_machine, is_kept=keeps_audio)
        abouts = {Aloud.OFF: OFF, Aloud.REPLY: REPLY, Aloud.ALWAYS: ALWAYS}
        aliases = {Aloud.OFF: ("关", "关闭"), Aloud.REPLY: ("回复",), Aloud.ALWAYS: ("总是",)}
        which = Argument("which", WHICH, choices=tuple(Listening), synonyms={"全部": "all"})
        language = Argument("language", LANGUAGE, choices=("zh", "en"), synonyms={"中文": "zh", "英文": "en"})
        moderator = Role.MODERATOR
        self.command = Command(
            "voice",
            ABOUT,
            subcommands=(
                *(
                    Command(mode, abouts[mode], partial(self._speak, mode), moderator, aliases=aliases[mode])
                    for mode in Aloud
                ),
                Command("listen", LISTEN, self._listen, moderator, (which,), aliases=("听",)),
                Command("use", USE, self._use, moderator, (language, Argument("name", NAME)), aliases=("声音",)),
                Command("status", STATUS, self._status, aliases=("状态",)),
                *more,
            ),
            aliases=("语音",),
        )

    async def _speak(self, mode: Aloud, call: Call) -> Done:
        return self._changed(call, VOICE, mode, NOW[mode].in_language(call.language))

    async def _listen(self, call: Call) -> Done:
        which = Listening(call.arguments["which"])
        said = LISTENING[which].in_language(call.language, **self._becomes(call.language))
        return self._changed(call, VOICE_LISTEN, which, said)

    async def _use(self, call: Call) -> Done:
        language = call.arguments["language"]
        setting = VOICE_ZH if language == "zh" else VOICE_EN
        name = setting.from_member(call.arguments["name"])
        if name != DEFAULT:
            self._check_voice(name)
        shown = LANGUAGES[language].in_language(call.language)
        return self._changed(call, setting, name, VOICE_IS.in_language(call.language, language=shown, name=f"`{name}`"))

    def _check_voice(self, name: str) -> None:
        """Raises ``MemberError`` for a voice that cannot be there; a server's own voices nobody knows before."""
        if not self._speaks:
            raise MemberError(NOBODY_SPEAKS)
        if self._speaks == "espeak":
            raise MemberError(both(NO_SUCH_VOICE, engine="espeak-ng", name=name, has=HAS_ONE))
        if self._speaks == "edge" and not _NEURAL.fullmatch(name):
            raise MemberError(both(NO_SUCH_VOICE, engine="Edge", name=name, has=HAS_NEURAL))

    async def _status(self, call: Call) -> Done:
        values = call.values
        said = HOW_IT_IS.in_language(
            call.language,
            voice=values[VOICE],
            listen=values[VOICE_LISTEN],
            zh=values[VOICE_ZH] or DEFAULT,
            en=values[VOICE_EN] or DEFAULT,
        )
        return Done(said)

    def _changed(self, call: Call, setting: Setting[Any], value: object, said: str) -> Done:
        write = self._scopes.change(
            scope_of(call.room), setting.name, value, who=call.member.key, message_id=call.message_id
        )
        return Done(said, write=write)
