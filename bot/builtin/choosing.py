"""``/settings`` for a room and ``/my`` for oneself: see, change and trace what is set."""

from __future__ import annotations

import difflib
from typing import Any

from bot import audit
from bot.commands import MAX_OPTIONS, Argument, BadArguments, Call, Command, Done, both, not_allowed
from bot.delivery import Button
from bot.durations import say_duration
from bot.errors import MemberError
from bot.event import Role
from bot.rights import at_least
from bot.room_settings import Level, Setting, one_line
from bot.scopes import Scopes, level_of, member_scope, scope_of, scopes_of
from bot.store import Store
from bot.texts import Text

HISTORY = "history"
DEFAULT = ("default", "默认")
HISTORY_CHANGES = 10

SETTINGS_ABOUT = Text(
    zh="看、改这里的设置；history 是谁改过什么", en="see and change what is set here; history tells who changed what"
)
MY_ABOUT = Text(zh="看、改只对你自己有效的设置", en="see and change what is set for you alone")
NAME_ABOUT = Text(zh="哪一项设置", en="which setting")
VALUE_ABOUT = Text(zh="改成什么；default 恢复默认", en="the new value; default unsets it")

LEVELS = {
    Level.GLOBAL: Text(zh="全局", en="everywhere"),
    Level.PLATFORM: Text(zh="整个平台", en="this platform"),
    Level.SPACE: Text(zh="整个空间", en="this space"),
    Level.ROOM: Text(zh="本群", en="this room"),
    Level.THREAD: Text(zh="本话题", en="this thread"),
    Level.MEMBER: Text(zh="你自己", en="you"),
}
BY_DEFAULT = Text(zh="默认", en="default")
LISTED = Text(
    zh="`/settings 名字 值` 修改，`/settings history` 看谁改过什么。",
    en="`/settings name value` changes one, `/settings history` tells who changed what.",
)
LISTED_MY = Text(zh="`/my 名字 值` 修改，只对你自己有效。", en="`/my name value` changes one, for you alone.")
ALLOWED = Text(zh="可以用：{allowed}", en="Allowed: {allowed}")
WHO = Text(zh="谁可以改：{who}", en="Who may change it: {who}")
CHANGED = Text(zh="`{name}`（{where}）：{old} → {new}", en="`{name}` ({where}): {old} → {new}")
SAME = Text(zh="`{name}`（{where}）已经是 {new}。", en="`{name}` ({where}) is {new} already.")
UNSET = Text(
    zh="`{name}`（{where}）恢复为上一层的设置，原来是 {old}。",
    en="`{name}` ({where}) was {old} and now follows the wider setting.",
)
NOT_SET = Text(zh="`{name}`（{where}）本来就没有单独设置。", en="`{name}` ({where}) was not set here.")
UNDO = Text(zh="改回 {old}", en="Back to {old}")
UNKNOWN = Text(
    zh="没有“{name}”这项设置。{near}`/{command}` 列出所有设置。",
    en="There is no setting “{name}”. {near}`/{command}` lists them.",
)
NEAR = Text(zh="你是说 `{near}` 吗？", en="Did you mean `{near}`? ")
NO_HISTORY = Text(zh="这里的设置还没有人改过。", en="Nobody has changed a setting here.")
CHANGE_LINE = Text(
    zh="- {ago}前，`{who}`：`{what}`（{where}）{old} → {new}",
    en="- {ago} ago, `{who}`: `{what}` ({where}) {old} → {new}",
)


class Choosing:
    def __init__(self, store: Store, scopes: Scopes) -> None:
        self._store = store
        self._scopes = scopes
        shown = tuple(setting for setting in scopes.settings if setting.visible)
        self._for_rooms = {setting.name: setting for setting in shown}
        self._for_members = {setting.name: setting for setting in shown if Level.MEMBER in setting.levels}
        self.settings_command = Command(
            "settings",
            SETTINGS_ABOUT,
            self.settings,
            arguments=_arguments((*self._for_rooms, HISTORY)),
            aliases=("设置",),
        )
        self.my_command = Command(
            "my", MY_ABOUT, self.my, arguments=_arguments(tuple(self._for_members)), aliases=("我的",)
        )

    async def settings(self, call: Call) -> Done:
        if call.arguments.get("name") == HISTORY:
            return await self._history(call)
        return await self._run(call, "settings", scope_of(call.room), self._for_rooms)

    async def my(self, call: Call) -> Done:
        return await self._run(call, "my", member_scope(call.member), self._for_members)

    async def _run(self, call: Call, command: str, scope: str, settings: dict[str, Setting[Any]]) -> Done:
        name, typed = call.arguments.get("name"), call.arguments.get("value")
        if name is None:
            lines = [_line(call, setting) for setting in settings.values()]
            lines.append((LISTED if command == "settings" else LISTED_MY).in_language(call.language))
            return Done("\n".join(lines))
        setting = settings.get(name)
        if setting is None:
            raise _unknown(name, command, settings)
        needed = setting.role_at(level_of(scope))
        if typed is None:
            return Done(_explained(call, setting, needed))
        if call.role < needed:
            raise not_allowed((command, name), needed, call.role)
        if typed.strip().casefold() in DEFAULT:
            return await self._unset(call, command, scope, setting)
        return await self._set(call, command, scope, setting, typed)

    async def _set(self, call: Call, command: str, scope: str, setting: Setting[Any], typed: str) -> Done:
        value = setting.from_member(typed)
        here = await self._scopes.at(scope)
        said = {"name": setting.name, "where": LEVELS[level_of(scope)].in_language(call.language)}
        new = setting.show(value)
        if setting.name in here and here[setting.name] == value:
            return Done(SAME.in_language(call.language, **said, new=new))
        old = setting.show(here[setting.name] if setting.name in here else call.values[setting.name])
        back = old if setting.name in here else DEFAULT[0]
        return Done(
            CHANGED.in_language(call.language, **said, old=old, new=new),
            buttons=(Button(UNDO.in_language(call.language, old=one_line(old)), f"/{command} {setting.name} {back}"),),
            write=self._scopes.change(scope, setting.name, value, who=call.member.key, message_id=call.message_id),
            screen_again=True,  # a feature's setting may be about what is shown
        )

    async def _unset(self, call: Call, command: str, scope: str, setting: Setting[Any]) -> Done:
        here = await self._scopes.at(scope)
        said = {"name": setting.name, "where": LEVELS[level_of(scope)].in_language(call.language)}
        if setting.name not in here:
            return Done(NOT_SET.in_language(call.language, **said))
        old = setting.show(here[setting.name])
        return Done(
            UNSET.in_language(call.language, **said, old=old),
            buttons=(Button(UNDO.in_language(call.language, old=one_line(old)), f"/{command} {setting.name} {old}"),),
            write=self._scopes.reset(scope, setting.name, who=call.member.key, message_id=call.message_id),
            screen_again=True,
        )

    async def _history(self, call: Call) -> Done:
        if call.role < Role.MODERATOR:
            raise not_allowed(("settings", HISTORY), Role.MODERATOR, call.role)
        scopes = scopes_of(call.room)
        changes = await self._store.read(lambda each: audit.history(each, scopes, limit=HISTORY_CHANGES))
        if not changes:
            return Done(NO_HISTORY.in_language(call.language))
        return Done("\n".join(_change_line(call, change) for change in changes))


def _arguments(names: tuple[str, ...]) -> tuple[Argument, ...]:
    choices = names if len(names) <= MAX_OPTIONS else ()
    return (
        Argument("name", NAME_ABOUT, required=False, choices=choices),
        Argument("value", VALUE_ABOUT, required=False, rest=True),
    )


def _line(call: Call, setting: Setting[Any]) -> str:
    origin = call.values.origin(setting.name)
    where = BY_DEFAULT if origin is None else LEVELS[level_of(origin)]
    shown = setting.show(call.values[setting.name])
    about = setting.about.in_language(call.language)
    return f"- `{setting.name}` = **{shown}** ({where.in_language(call.language)}) – {about}"


def _explained(call: Call, setting: Setting[Any], needed: Role) -> str:
    allowed = setting.what_is_allowed().in_language(call.language)
    return "\n".join(
        (
            _line(call, setting),
            "- " + ALLOWED.in_language(call.language, allowed=allowed),
            "- " + WHO.in_language(call.language, who=at_least(needed, call.language)),
        )
    )


def _unknown(name: str, command: str, settings: dict[str, Setting[Any]]) -> MemberError:
    near = difflib.get_close_matches(name[:64], settings, n=1)
    hint = both(NEAR, near=near[0]) if near else Text(zh="", en="")
    return BadArguments(both(UNKNOWN, name=one_line(name), near=hint, command=command))


def _change_line(call: Call, change: audit.Change) -> str:
    def shown(value: Any) -> str:
        if value is None:
            return BY_DEFAULT.in_language(call.language)
        listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return one_line(listed)

    return CHANGE_LINE.in_language(
        call.language,
        ago=say_duration(call.at - change.at, call.language),
        who=one_line(change.who),
        what=change.what.removeprefix("settings."),
        where=LEVELS[level_of(change.scope)].in_language(call.language),
        old=shown(change.old),
        new=shown(change.new),
    )
