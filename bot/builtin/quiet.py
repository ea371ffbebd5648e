"""``/stop`` and ``/mute``: asking for less."""

from __future__ import annotations

from bot.commands import Argument, BadArguments, Call, Command, Done, both
from bot.durations import parse_duration, say_duration
from bot.event import Role
from bot.room_settings import MUTED_UNTIL, one_line
from bot.scopes import Scopes, scope_of
from bot.texts import Text

MAX_MUTE_S = 30 * 86_400.0
MIN_MUTE_S = 1.0
OFF = ("off", "关", "关闭", "取消", "解除")

STOP_ABOUT = Text(zh="停下这里正在写的回答", en="stop the answer that is being written here")
STOPPED = Text(zh="好，这里正在做的都停下了。", en="All right: whatever I was answering here has stopped.")

MUTE_ABOUT = Text(zh="让我在这里安静一段时间；off 解除", en="keep me quiet here for a while; off ends it")
MUTE_ARGUMENT = Text(zh="多久，例如 2h、30m、1d、2小时；off 解除", en="how long: 2h, 30m, 1d; off ends it")
MUTED = Text(
    zh="好，安静 {left}。这段时间我只理会命令；`/mute off` 提前解除。",
    en="All right, quiet for {left}. Until then I heed commands only; `/mute off` ends it early.",
)
UNMUTED = Text(zh="好，静音解除了。", en="All right, I am no longer muted.")
IS_MUTED = Text(zh="还要安静 {left}。`/mute off` 提前解除。", en="Muted for another {left}. `/mute off` ends it early.")
NOT_MUTED = Text(
    zh="这里没有静音。`/mute 2h` 让我安静两小时。", en="I am not muted here. `/mute 2h` keeps me quiet for two hours."
)
BAD_DURATION = Text(
    zh="“{typed}”不是时长。可以写 `2h`、`30m`、`1d`、`2小时`，最长 {most}，或者 `off`。用法：`/mute [duration]`",
    en="“{typed}” is no length of time. Write `2h`, `30m` or `1d`, at most {most}, or `off`. Usage: `/mute [duration]`",
)


class Quiet:
    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self.stop_command = Command("stop", STOP_ABOUT, self.stop, aliases=("停", "停下", "停止"))
        self.mute_command = Command(
            "mute",
            MUTE_ABOUT,
            self.mute,
            role=Role.MODERATOR,
            arguments=(Argument("duration", MUTE_ARGUMENT, required=False, rest=True),),
            aliases=("静音", "安静"),
        )

    async def stop(self, call: Call) -> Done:
        return Done(STOPPED.in_language(call.language), stop=True)

    async def mute(self, call: Call) -> Done:
        typed = call.arguments.get("duration")
        left_s = call.values[MUTED_UNTIL] - call.at
        if typed is None:
            if left_s <= 0:
                return Done(NOT_MUTED.in_language(call.language))
            return Done(IS_MUTED.in_language(call.language, left=say_duration(left_s, call.language)))
        if typed.casefold() in OFF:
            if left_s <= 0:
                return Done(NOT_MUTED.in_language(call.language))
            return self._until(call, 0.0, UNMUTED.in_language(call.language))
        for_s = _mute_s(typed)
        said = MUTED.in_language(call.language, left=say_duration(for_s, call.language))
        return self._until(call, call.at + for_s, said)

    def _until(self, call: Call, until: float, said: str) -> Done:
        write = self._scopes.change(
            scope_of(call.room), MUTED_UNTIL.name, until, who=call.member.key, message_id=call.message_id
        )
        return Done(said, write=write)


def _mute_s(typed: str) -> float:
    try:
        for_s = parse_duration(typed)
        if MIN_MUTE_S <= for_s <= MAX_MUTE_S:
            return for_s
    except ValueError:
        pass
    most = Text(zh=say_duration(MAX_MUTE_S, "zh"), en=say_duration(MAX_MUTE_S, "en"))
    raise BadArguments(both(BAD_DURATION, typed=one_line(typed), most=most))
