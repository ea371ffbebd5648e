"""The console's second tab: what each room is set to and by whom, and the roles of the web room's members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import gradio as gr
from sqlalchemy import Connection, RowMapping, select

from adapters.web.look import table
from adapters.web.site import Site
from bot import audit
from bot.event import Role, Room, RoomKind
from bot.rights import ROLE_NAMES
from bot.room_settings import Setting
from bot.scopes import GLOBAL, Scopes, level_of, platform_scope, scope_of
from bot.store import Operation
from bot.tables import rooms
from bot.texts import Text

Say = Callable[..., str]
Guard = Callable[[Any], Any]
QUIET: dict[str, Any] = {"api_visibility": "private"}
AUDIT_SHOWN = 50

_SCOPE = Text(zh="范围", en="Where")
_EVERYWHERE = Text(zh="所有地方", en="Everywhere")
_WHOLE = Text(zh="整个 {platform}", en="All of {platform}")
_SETTINGS = (
    Text(zh="设置", en="Setting"),
    Text(zh="现在的值", en="Value now"),
    Text(zh="来自", en="Set at"),
    Text(zh="是什么", en="What it is"),
    Text(zh="可以是", en="Allowed"),
)
_DEFAULT = Text(zh="默认", en="default")
_CHANGE_HEAD = Text(zh="### 修改", en="### Change")
_SETTING = Text(zh="设置", en="Setting")
_VALUE = Text(zh="新的值", en="New value")
_SAVE = Text(zh="保存", en="Save")
_RESET = Text(zh="取消这里的设置", en="Unset here")
_CHOOSE = Text(zh="请先选一个设置。", en="Please choose a setting first.")
_CANNOT = Text(zh="“{value}”不行。可以是：{allowed}", en="“{value}” is not possible. Allowed: {allowed}")
_HISTORY_HEAD = Text(zh="### 谁改过什么", en="### Who changed what")
_HISTORY = (
    Text(zh="时间", en="When"),
    Text(zh="谁", en="Who"),
    Text(zh="范围", en="Where"),
    Text(zh="什么", en="What"),
    Text(zh="从", en="From"),
    Text(zh="到", en="To"),
)
_MEMBERS_HEAD = Text(zh="### 聊天室成员", en="### Members of the web room")
_MEMBERS = (Text(zh="名字", en="Name"), Text(zh="编号", en="Id"), Text(zh="角色", en="Role"))
_MEMBER = Text(zh="成员", en="Member")
_ROLE = Text(zh="角色", en="Role")
_GIVE = Text(zh="设为这个角色", en="Give this role")
_CHOOSE_MEMBER = Text(zh="请先选成员和角色。", en="Please choose a member and a role first.")


def rooms_tab(blocks: gr.Blocks, site: Site, scopes: Scopes, language: str, say: Say, guard: Guard) -> None:
    scope = gr.Dropdown(label=say(_SCOPE), choices=[(say(_EVERYWHERE), GLOBAL)], value=GLOBAL, elem_id="scope")
    settings_shown = gr.HTML(apply_default_css=False, elem_id="settings")
    gr.Markdown(say(_CHANGE_HEAD))
    with gr.Row():
        name = gr.Dropdown(label=say(_SETTING), choices=[], interactive=True, elem_id="setting-name")
        value = gr.Textbox(label=say(_VALUE), elem_id="setting-value")
    with gr.Row():
        save = gr.Button(say(_SAVE), variant="primary", elem_id="setting-save")
        unset = gr.Button(say(_RESET), elem_id="setting-unset")
    gr.Markdown(say(_HISTORY_HEAD))
    history = gr.HTML(apply_default_css=False, elem_id="audit")

    async def look(chosen: str) -> tuple[Any, ...]:
        places = await site.room.store.read(_places)
        choices = [(say(_EVERYWHERE), GLOBAL)]
        choices += [(say(_WHOLE, platform=each), platform_scope(each)) for each in sorted({p.platform for p in places})]
        choices += [(f"{place.name or place.id} ({place.key})", scope_of(place)) for place in places]
        known = chosen if chosen in {each for _, each in choices} else GLOBAL
        place = next((each for each in places if scope_of(each) == known), _nowhere(known))
        values = await scopes.of(place)
        settings = [each for each in scopes.settings if each.visible and level_of(known) in each.levels]
        rows = [_setting_row(each, values[each.name], values.origin(each.name), language) for each in settings]
        changes = await site.room.store.read(lambda connection: audit.history(connection, [known], limit=AUDIT_SHOWN))
        return (
            gr.update(choices=choices, value=known),
            table([say(head) for head in _SETTINGS], rows),
            gr.update(choices=[each.name for each in settings]),
            table([say(head) for head in _HISTORY], [_change_row(change) for change in changes]),
        )

    async def show(chosen: str, request: gr.Request) -> tuple[Any, ...]:
        return await look(chosen)

    async def change(chosen: str, wanted: str | None, typed: str, request: gr.Request) -> tuple[Any, ...]:
        setting = _setting(scopes, wanted, say)
        who = await site.who(request)
        operation: Operation[bool]
        try:
            operation = scopes.change(chosen, setting.name, setting.from_member(typed), who=who)
        except ValueError:
            allowed = setting.what_is_allowed().in_language(language)
            raise gr.Error(say(_CANNOT, value=typed, allowed=allowed), print_exception=False) from None
        await site.room.store.write(operation)
        return (*await look(chosen), "")

    async def reset(chosen: str, wanted: str | None, request: gr.Request) -> tuple[Any, ...]:
        setting = _setting(scopes, wanted, say)
        await site.room.store.write(scopes.reset(chosen, setting.name, who=await site.who(request)))
        return await look(chosen)

    shown = [scope, settings_shown, name, history]
    blocks.load(guard(show), [scope], shown, **QUIET)
    scope.input(guard(show), [scope], shown, **QUIET)
    save.click(guard(change), [scope, name, value], [*shown, value], **QUIET)
    unset.click(guard(reset), [scope, name], shown, **QUIET)


def _setting(scopes: Scopes, wanted: str | None, say: Say) -> Setting[Any]:
    if not wanted:
        raise gr.Error(say(_CHOOSE), print_exception=False)
    return scopes.setting(wanted)


def _places(connection: Connection) -> Sequence[Room]:
    rows = connection.execute(select(rooms).where(rooms.c.removed_at.is_(None)).order_by(rooms.c.platform, rooms.c.key))
    return [_room(row) for row in rows.mappings()]


def _room(row: RowMapping) -> Room:
    return Room(row["platform"], row["id"], RoomKind(row["kind"]), row["name"], row["parent"], row["space"])


def _nowhere(scope: str) -> Room:
    """A room that nothing is set for: what holds there is what holds at the scope around it."""
    return Room(scope.partition(":")[2] or "-", "-")


def _setting_row(setting: Setting[Any], value: Any, origin: str | None, language: str) -> list[str]:
    return [
        setting.name,
        setting.show(value),
        origin or _DEFAULT.in_language(language),
        setting.about.in_language(language),
        setting.what_is_allowed().in_language(language),
    ]


def _change_row(change: audit.Change) -> list[str]:
    at = datetime.fromtimestamp(change.at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    old, new = ("" if each is None else str(each) for each in (change.old, change.new))
    return [at, change.who, change.scope, change.what, old, new]


def members_part(blocks: gr.Blocks, site: Site, say: Say, guard: Guard) -> None:
    gr.Markdown(say(_MEMBERS_HEAD))
    members_shown = gr.HTML(apply_default_css=False, elem_id="members")
    roles = [role for role in Role if role < Role.OPERATOR]
    with gr.Row():
        member = gr.Dropdown(label=say(_MEMBER), choices=[], interactive=True, elem_id="member")
        role = gr.Dropdown(
            label=say(_ROLE), choices=[(say(ROLE_NAMES[each]), int(each)) for each in roles], elem_id="member-role"
        )
        give = gr.Button(say(_GIVE), elem_id="member-give")

    async def look() -> tuple[Any, Any]:
        members = await site.members.all()
        rows = [[each.name, each.id, say(ROLE_NAMES[each.role])] for each in members]
        return table([say(head) for head in _MEMBERS], rows), gr.update(
            choices=[(f"{each.name} ({each.id})", each.id) for each in members]
        )

    async def show(request: gr.Request) -> tuple[Any, Any]:
        return await look()

    async def give_role(chosen: str | None, wanted: int | None, request: gr.Request) -> tuple[Any, Any]:
        if not chosen or wanted is None:
            raise gr.Error(say(_CHOOSE_MEMBER), print_exception=False)
        await site.members.set_role(chosen, Role(wanted), who=await site.who(request), scope=scope_of(site.room.room))
        site.room.live.wake(site.room.room.id)
        return await look()

    blocks.load(guard(show), None, [members_shown, member], **QUIET)
    give.click(guard(give_role), [member, role], [members_shown, member], **QUIET)
