"""The built-in commands, as members type them and read their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from bot.builtin import builtin_commands
from bot.commands import Call, Command, Commands, Done
from bot.decision import Outcome, Reason
from bot.delivery import DeliveryState
from bot.errors import MemberError, NotAllowed
from bot.event import Edited, Member, Message, Role, Room, RoomKind
from bot.retention import Eraser, Retention
from bot.room_settings import MUTED_UNTIL, UNASKED
from bot.scopes import Scopes
from bot.store import Store
from bot.tables import audit
from bot.texts import Text
from bot.values import Values
from tests.bot.rows import ANNA, BOB, ROOM, answered, happened, said, texts_of
from tests.clock import ManualClock

SOME = Text(zh="某事", en="something")


@dataclass
class House:
    """A registry with the built-in commands, and what the assistant does around a call of one."""

    store: Store
    clock: ManualClock
    scopes: Scopes
    retention: Retention
    commands: Commands

    async def says(
        self,
        text: str,
        *,
        role: Role = Role.MODERATOR,
        member: Member = ANNA,
        room: Room = ROOM,
        language: str = "en",
        reply_to: str | None = None,
        event_id: int = 10_000,
    ) -> Done:
        invocation = self.commands.parse(text)
        assert invocation is not None
        values = await self.scopes.of(room, member)
        call = Call(
            event_id, room, member, role, language, values, self.clock.now(), message_id="m-call", reply_to=reply_to
        )
        done = await self.commands.run(invocation, call)
        if done.write is not None:
            await self.store.write(done.write)
        return done

    async def told(self, text: str, **where: object) -> str:
        return (await self.says(text, **where)).text  # type: ignore[arg-type]

    async def values(self, room: Room = ROOM, member: Member | None = None) -> Values:
        return await self.scopes.of(room, member)


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    scopes, retention, commands = Scopes(store, clock), Retention(store, clock), Commands()
    commands.add(*builtin_commands(commands, store, scopes, retention))
    return House(store, clock, scopes, retention, commands)


# ── every command ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_command_speaks_the_reader_s_language_and_leaves_no_placeholder(house: House) -> None:
    await house.store.write(happened(said("m1"), house.clock.now()))
    for line in [
        "/help",
        "/help mute",
        "/why",
        "/stop",
        "/mute",
        "/mute 2h",
        "/settings",
        "/settings unasked",
        "/settings unasked quiet",
        "/settings history",
        "/my",
        "/my language",
        "/forget me",
    ]:
        zh, en = await house.told(line, language="zh"), await house.told(line, language="en")
        assert zh != en
        assert any("\u4e00" <= char <= "\u9fff" for char in zh)
        named = en.replace("毛豆", "").split("Also:")[0]  # its own name, and what else a command is called
        assert not any("\u4e00" <= char <= "\u9fff" for char in named)
        assert "{" not in zh + en


# ── /help ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_help_lists_what_one_may_do_and_no_more(house: House) -> None:
    async def nothing(call: Call) -> Done:
        return Done("")

    house.commands.add(
        Command(
            "kb", SOME, subcommands=(Command("list", SOME, nothing), Command("add", SOME, nothing, role=Role.ADMIN))
        ),
        Command("secret", SOME, nothing, visible=False),
        Command("feeds", SOME, subcommands=(Command("add", SOME, nothing, role=Role.ADMIN),)),
    )
    member = await house.told("/help", role=Role.MEMBER)
    assert "/why" in member
    assert "/mute" not in member
    assert "`/kb list`" in member, "one word to type is no place to fill"
    assert "/feeds" not in member
    admin = await house.told("/help", role=Role.ADMIN)
    assert "/mute" in admin
    assert "`/kb <list|add>`" in admin
    assert "/feeds" in admin
    assert "/secret" not in admin
    assert "/add" not in await house.told("/help kb", role=Role.MEMBER)
    assert "/kb add" in await house.told("/help kb add", role=Role.ADMIN)


async def test_help_begins_with_what_everybody_needs_and_goes_on_by_name(house: House) -> None:
    async def nothing(call: Call) -> Done:
        return Done("")

    house.commands.add(*(Command(name, SOME, nothing) for name in ("zebra", "apple", "wrong")))
    told = await house.told("/help", role=Role.ADMIN)
    names = re.findall(r"^- `/([a-z]+)", told, re.MULTILINE)
    assert names[:4] == ["help", "why", "stop", "wrong"]
    assert names[4:] == sorted(names[4:])
    assert {"apple", "zebra"} <= set(names)
    assert "`/forget me`" in told


async def test_help_explains_one_command(house: House) -> None:
    for asked in ["mute", "/mute", "／mute", "MUTE", "静音"]:
        told = await house.told(f"/help {asked}")
        assert "`/mute [duration]`" in told
        assert "`duration` (may be left out)" in told
        assert "moderator, admin, owner or operator" in told


async def test_help_about_what_one_may_not_do_says_who_may(house: House) -> None:
    with pytest.raises(NotAllowed, match="moderator"):
        await house.says("/help mute", role=Role.MEMBER)


async def test_help_about_nothing_says_so(house: House) -> None:
    for asked in ["nonsense", "mute off", "why not so", "/"]:
        with pytest.raises(MemberError, match="no such command"):
            await house.says(f"/help {asked}")


# ── /why ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_why_tells_of_the_room_s_last_decision(house: House) -> None:
    now = house.clock.now()
    await house.store.write(happened(said("m1"), now))
    silent = happened(
        said("m2", BOB),
        now,
        outcome=Outcome.SILENT,
        reason=Reason.UNSURE,
        details={"score": 0.31234, "base": "default"},
    )
    await house.store.write(silent)
    await house.store.write(happened(said("m3"), now, outcome=Outcome.DONE, reason=Reason.COMMAND))
    await house.store.write(happened(said("m4"), now, outcome=None))
    await house.clock.advance(180)
    told = await house.told("/why")
    assert "Stayed silent: Nobody addressed me, and I was not sure enough" in told
    assert "silent(unsure)" in told
    assert "`m2`, received 3 min ago" in told
    assert "`score`: 0.312" in told
    assert "nothing was sent" in told


async def test_why_tells_of_the_message_that_it_replies_to_or_names(house: House) -> None:
    event_id = await house.store.write(happened(said("m1"), house.clock.now()))
    await house.store.write(answered(event_id, house.clock.now(), "a1"))
    await house.store.write(
        answered(event_id, house.clock.now(), "a2", part=1, state=DeliveryState.UNCERTAIN, error="503")
    )
    await house.store.write(happened(said("m2"), house.clock.now(), outcome=Outcome.SILENT, reason=Reason.MUTED))
    for told in (
        await house.told("/why m1"),
        await house.told("/why", reply_to="m1"),
        await house.told("/why", reply_to="a1"),
        await house.told("/why a2", reply_to="m2"),
    ):
        assert "answered(from_documents)" in told
        assert "part 1: sent, attempts: 1" in told
        assert "part 2: uncertain" in told
        assert "503" in told


async def test_why_tells_of_the_latest_edit(house: House) -> None:
    now = house.clock.now()
    await house.store.write(happened(said("m1"), now, outcome=Outcome.SILENT, reason=Reason.SUPERSEDED))
    await house.store.write(happened(Edited(Message("m1", ROOM, ANNA, "?"), now + 1), now + 1))
    assert "answered" in await house.told("/why m1")


async def test_why_tells_what_is_still_to_come(house: House) -> None:
    now = house.clock.now()
    await house.store.write(happened(said("m1"), now, outcome=None, due_at=now + 20))
    assert "my turn comes in 20 s" in await house.told("/why m1")
    await house.clock.advance(30)
    assert "being worked on" in await house.told("/why m1")


async def test_why_tells_of_what_was_sent_unasked(house: House) -> None:
    await house.store.write(answered(None, house.clock.now(), "digest"))
    assert "by myself" in await house.told("/why digest")


async def test_a_member_sees_why_about_their_own_messages_alone(house: House) -> None:
    mine = await house.store.write(happened(said("m1", ANNA), house.clock.now()))
    await house.store.write(answered(mine, house.clock.now(), "a1", state=DeliveryState.UNDELIVERABLE, error="token x"))
    theirs = await house.store.write(happened(said("m2", BOB), house.clock.now()))
    await house.store.write(answered(theirs, house.clock.now(), "a2"))
    await house.store.write(answered(None, house.clock.now(), "digest"))
    told = await house.told("/why", role=Role.MEMBER)
    assert "`m1`" in told
    assert "token x" not in told, "an adapter's own words are for moderators"
    assert "`m1`" in await house.told("/why a1", role=Role.MEMBER)
    for other in ("m2", "a2", "digest"):
        with pytest.raises(NotAllowed):
            await house.says(f"/why {other}", role=Role.MEMBER)
        assert await house.told(f"/why {other}")


async def test_why_knows_nothing_of_other_rooms(house: House) -> None:
    elsewhere = Room("web", "elsewhere")
    event_id = await house.store.write(happened(said("m1", room=elsewhere), house.clock.now()))
    await house.store.write(answered(event_id, house.clock.now(), "a1", room=elsewhere))
    for asked in ("m1", "a1"):
        with pytest.raises(MemberError, match="no record"):
            await house.says(f"/why {asked}", role=Role.OPERATOR)
    with pytest.raises(MemberError, match="no message"):
        await house.says("/why", role=Role.OPERATOR)


async def test_why_with_a_word_that_is_no_message_says_what_it_wants(house: House) -> None:
    for language, wanted in (("en", "`/why` wants to be a reply to a message"), ("zh", "`/why` 要回复一条消息来用")):
        with pytest.raises(MemberError) as refused:
            await house.says("/why blah", language=language)
        said = refused.value.text.in_language(language)
        assert wanted in said
        assert "“blah”" in said


async def test_why_still_tells_after_the_text_is_erased(house: House) -> None:
    await house.store.write(happened(said("m1"), house.clock.now()))
    await house.store.write(house.retention.erase_message(ROOM, "m1"))
    assert "answered(from_documents)" in await house.told("/why m1")


# ── /stop and /mute ──────────────────────────────────────────────────────────────────────────────────────


async def test_anybody_may_stop_an_answer(house: House) -> None:
    done = await house.says("/stop", role=Role.MEMBER)
    assert done.stop
    assert done.write is None


async def test_mute_keeps_quiet_for_so_long(house: House) -> None:
    for typed in ["2h", "2 小时", "2小时", "120m"]:
        assert "quiet for 2 h" in await house.told(f"/mute {typed}")
        assert (await house.values())[MUTED_UNTIL] == house.clock.now() + 7200
        await house.clock.advance(3600)
        assert "another 1 h" in await house.told("/mute")
        assert "no longer" in await house.told("/mute off")
        assert (await house.values())[MUTED_UNTIL] == 0
        assert "not muted" in await house.told("/mute")
        assert "not muted" in await house.told("/mute off")


async def test_a_mute_that_is_over_is_over(house: House) -> None:
    await house.says("/mute 30m")
    await house.clock.advance(1801)
    assert "not muted" in await house.told("/mute")


async def test_a_thread_is_muted_with_its_room_and_unmuted_by_itself(house: House) -> None:
    thread = Room("web", "t1", RoomKind.THREAD, parent="lobby")
    await house.says("/mute 2h")
    assert (await house.values(thread))[MUTED_UNTIL] > house.clock.now()
    await house.says("/mute off", room=thread)
    assert (await house.values(thread))[MUTED_UNTIL] == 0
    assert (await house.values())[MUTED_UNTIL] > house.clock.now()


async def test_a_mute_without_a_length_of_time_is_told_how_it_goes(house: House) -> None:
    for typed in ["soon", "2", "0h", "31d", "-1h", "2h30", "{0}"]:
        with pytest.raises(MemberError) as wrong:
            await house.says(f"/mute {typed}")
        assert "at most 30 days" in wrong.value.in_language("en")
        assert "用法：`/mute [duration]`" in wrong.value.in_language("zh")
        assert (await house.values())[MUTED_UNTIL] == 0


async def test_a_member_cannot_mute(house: House) -> None:
    with pytest.raises(NotAllowed):
        await house.says("/mute 2h", role=Role.MEMBER)
    assert (await house.values())[MUTED_UNTIL] == 0


# ── /settings and /my ────────────────────────────────────────────────────────────────────────────────────


async def test_settings_lists_values_and_where_they_come_from(house: House) -> None:
    await house.says("/settings unasked quiet")
    told = await house.told("/settings", role=Role.MEMBER)
    assert "`unasked` = **quiet** (this room)" in told
    assert "`unasked_per_hour` = **4** (default)" in told
    assert "muted_until" not in told
    assert "`off`, `quiet`" in (await house.told("/settings unasked")).replace(" |", ",")


async def test_a_change_is_made_told_audited_and_can_be_taken_back(house: House) -> None:
    done = await house.says("/settings unasked quiet")
    assert done.text == "`unasked` (this room): off → quiet"
    assert (await house.values())[UNASKED] == "quiet"
    (row,) = await house.store.read(lambda connection: connection.execute(select(audit)).all())
    assert (row.who, row.scope, row.what, row.old, row.new) == (
        "web:anna",
        "room:web:lobby",
        "settings.unasked",
        None,
        "quiet",
    )
    assert (row.at, row.message_id) == (house.clock.now(), "m-call")

    (undo,) = done.buttons
    again = await house.says(undo.command)
    assert "now follows the wider setting" in again.text
    assert (await house.values()).origin("unasked") is None
    await house.says(again.buttons[0].command)
    assert (await house.values())[UNASKED] == "quiet"


async def test_a_change_to_what_it_is_already_is_none(house: House) -> None:
    await house.says("/settings unasked quiet")
    done = await house.says("/settings unasked QUIET")
    assert "already" in done.text
    assert done.write is None
    assert (await house.says("/settings greeting default")).write is None


async def test_lists_survive_being_changed_and_taken_back(house: House) -> None:
    done = await house.says("/settings names 小豆，bean")
    assert (await house.values())["names"] == ("小豆", "bean")
    none = await house.says("/settings names none")
    assert (await house.values())["names"] == ()
    await house.says(none.buttons[0].command)
    assert (await house.values())["names"] == ("小豆", "bean")
    await house.says(done.buttons[0].command)
    assert (await house.values())["names"] == ("毛豆", "maodou")


async def test_a_setting_asks_for_its_own_role(house: House) -> None:
    with pytest.raises(NotAllowed):
        await house.says("/settings unasked quiet", role=Role.MEMBER)
    with pytest.raises(NotAllowed, match="operator"):
        await house.says("/settings knowledge internal", role=Role.OWNER)
    await house.says("/settings knowledge internal", role=Role.OPERATOR)
    assert (await house.values())["knowledge"] == ("internal",)


async def test_a_wrong_setting_or_value_is_told_what_there_is(house: House) -> None:
    for line in [
        "/settings unaskd quiet",
        "/settings muted_until 5",
        "/settings unasked loud",
        "/settings unasked_per_hour 1e9",
        "/my unasked off",
    ]:
        with pytest.raises(MemberError) as wrong:
            await house.says(line, role=Role.OPERATOR)
        assert wrong.value.reason is Reason.BAD_ARGUMENTS
        assert "`" in wrong.value.in_language("zh")


async def test_history_tells_who_changed_what_and_when(house: House) -> None:
    assert "Nobody" in await house.told("/settings history")
    await house.says("/settings unasked quiet")
    await house.says("/settings unasked default", member=BOB)
    await house.clock.advance(60)
    first, second = (await house.told("/settings history")).splitlines()
    assert first == "- 1 min ago, `web:bob`: `unasked` (this room) quiet → default"
    assert second == "- 1 min ago, `web:anna`: `unasked` (this room) default → quiet"
    with pytest.raises(NotAllowed):
        await house.says("/settings history", role=Role.MEMBER)


async def test_one_s_own_language_is_one_s_own(house: House) -> None:
    done = await house.says("/my language en", role=Role.MEMBER)
    assert done.text == "`language` (you): auto → en"
    assert (await house.values(member=ANNA))["language"] == "en"
    assert (await house.values(member=BOB))["language"] == "auto"
    assert "unasked" not in await house.told("/my", role=Role.MEMBER)


# ── /forget ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_forget_me_erases_and_counts(house: House) -> None:
    house.retention.add(Eraser(Text(zh="记忆", en="memories"), of_member=lambda connection, member: 7))
    for member, message_id in ((ANNA, "m1"), (BOB, "m2"), (ANNA, "m3")):
        event_id = await house.store.write(happened(said(message_id, member), house.clock.now()))
        await house.store.write(answered(event_id, house.clock.now(), f"a-{message_id}"))
    await house.says("/my language en")
    done = await house.says("/forget me", role=Role.MEMBER)
    assert done.reason is Reason.ERASED
    assert "texts of yours 2, answers of mine to them 2, ratings 0, own settings 1, memories 7." in done.text
    assert await house.store.read(texts_of) == (["m2"], ["a-m2"])
    again = await house.told("/forget me", role=Role.MEMBER, language="zh")
    assert "你的 0 段话" in again


async def test_one_can_forget_nobody_but_oneself(house: House) -> None:
    await house.store.write(happened(said("m1"), house.clock.now()))
    for line in ["/forget", "/forget bob", "/forget everything"]:
        with pytest.raises(MemberError, match="me"):
            await house.says(line, role=Role.OPERATOR)
        assert await house.store.read(texts_of) == (["m1"], [])


async def test_forget_me_is_said_in_chinese_without_a_space(house: House) -> None:
    await house.store.write(happened(said("m1"), house.clock.now()))
    await house.says("/忘记我")
    assert await house.store.read(texts_of) == ([], [])
