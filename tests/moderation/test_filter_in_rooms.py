"""The filter as members meet it: what the room sees, and what ``/filter`` does."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.decision import Outcome, Reason
from bot.event import RoomKind, Said
from bot.ports import OpenScreen, Standing
from bot.tables import audit
from bot.testing import BotRoom
from moderation.screen import AT_ONCE_CHARS
from moderation.standings import KEPT_S
from tests.moderation.conftest import House

BAD = "Free porn video here. "
GOOD = "The kettle is descaled with citric acid [1]."


async def audited(house: House) -> list[tuple[str, str, object, object, str | None]]:
    chosen = select(audit.c.who, audit.c.what, audit.c.old, audit.c.new, audit.c.message_id).order_by(audit.c.id)
    rows = await house.core.store.read(lambda connection: connection.execute(chosen).all())
    return [tuple(row) for row in rows]


async def switched_off(room: BotRoom) -> None:
    await room.says("/filter nsfw off confirm", by="olga")
    room.heard("关闭了")


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bad_sentence_is_left_out_of_an_answer(feishu: House) -> None:
    feishu.answers.sentences = (BAD, GOOD)
    room = feishu.room()
    await room.says("@maodou how do I descale it?")
    answer = room.heard("citric acid")
    assert "porn" not in answer


async def test_an_answer_that_is_all_bad_is_refused(feishu: House) -> None:
    feishu.answers.sentences = (BAD,)
    room = feishu.room()
    await room.says("@maodou anything?")
    assert (await room.decision()).reason == Reason.SCREENED
    assert (await room.decision()).outcome == Outcome.REFUSED
    assert "porn" not in "".join(room.shown)


async def test_without_the_filter_the_bad_sentence_is_seen(feishu: House, monkeypatch: pytest.MonkeyPatch) -> None:
    feishu.answers.sentences = (BAD, GOOD)
    monkeypatch.setattr(feishu.screen, "show", OpenScreen().show)
    room = feishu.room()
    await room.says("@maodou how do I descale it?")
    assert "porn" in room.heard("citric acid")


async def test_a_long_text_is_judged_like_a_short_one(feishu: House) -> None:
    room = feishu.room()
    assert not await feishu.shows(room, GOOD * (AT_ONCE_CHARS // 10) + BAD)
    assert await feishu.shows(room, GOOD * (AT_ONCE_CHARS // 10))


# ── the switch ───────────────────────────────────────────────────────────────────────────────────────────


async def test_the_filter_is_on_until_somebody_confirms_that_it_shall_be_off(feishu: House) -> None:
    room = feishu.room()
    await room.says("/filter nsfw", by="anna")
    room.heard("开着")
    await room.says("/filter nsfw off", by="olga")
    room.heard("confirm")
    assert not await feishu.shows(room, BAD)
    await room.says("/filter nsfw off confirm", by="olga")
    said = room.heard("olga")
    assert "关闭" in said
    assert await feishu.shows(room, BAD)
    await room.says("/filter nsfw on", by="adam")
    room.heard("adam")
    assert not await feishu.shows(room, BAD)


async def test_a_button_is_the_second_step_for_those_who_may(feishu: House) -> None:
    room = feishu.room()
    await room.says("/filter nsfw off", by="olga")
    [asked] = [each for each in feishu.platform.shown.values() if each.buttons]
    await feishu.press(room, asked.buttons[0], by="adam")
    assert not await feishu.shows(room, BAD)
    await feishu.press(room, asked.buttons[0], by="olga")
    assert await feishu.shows(room, BAD)
    assert any("olga 关闭了" in text for text in room.shown)


async def test_a_switch_is_audited_with_who_and_by_which_message(feishu: House) -> None:
    room = feishu.room()
    off = await room.says("/filter nsfw off confirm", by="olga")
    on = await room.says("/filter nsfw on", by="adam")
    assert await audited(feishu) == [
        ("feishu:olga", "settings.nsfw_filter", None, "off", off),
        ("feishu:adam", "settings.nsfw_filter", "off", "on", on),
    ]
    await room.says("/settings history", by="mo")
    room.heard("feishu:olga")


@pytest.mark.parametrize("by", ["anna", "mo", "adam"])
async def test_on_feishu_only_the_owner_switches_it_off(feishu: House, by: str) -> None:
    room = feishu.room()
    await room.says("/filter nsfw off confirm", by=by)
    room.heard("群主")
    assert not await feishu.shows(room, BAD)
    assert await audited(feishu) == []


async def test_a_moderator_cannot_switch_it_by_the_settings(feishu: House) -> None:
    room = feishu.room()
    for line in ("/settings nsfw_filter off", "/settings filter_words none", "/settings filter_exceptions porn"):
        await room.says(line, by="olga")
    assert not await feishu.shows(room, BAD)
    assert await audited(feishu) == []


async def test_on_discord_an_admin_switches_it_off_where_the_channel_is_age_restricted(discord: House) -> None:
    discord.platform.standings["c2"] = Standing(age_restricted=True)
    open_to_all, restricted = discord.room("c1", age_restricted=True), discord.room("c2")
    await open_to_all.says("/filter nsfw off confirm", by="olga")
    open_to_all.heard("年龄限制")  # it was so when the message came, and is not any more
    assert not await discord.shows(open_to_all, BAD)
    await restricted.says("/filter nsfw off confirm", by="mo")
    restricted.heard("管理员")
    await restricted.says("/filter nsfw off confirm", by="adam")
    assert await discord.shows(restricted, BAD)


async def test_a_channel_that_is_no_longer_age_restricted_is_filtered_again(discord: House) -> None:
    discord.platform.standings["c2"] = Standing(age_restricted=True)
    room = discord.room("c2")
    await room.says("/filter nsfw off confirm", by="adam")
    assert await discord.shows(room, BAD)
    del discord.platform.standings["c2"]
    await discord.clock.advance(KEPT_S + 1)
    assert not await discord.shows(room, BAD)
    await room.says("/filter nsfw status", by="anna")
    assert "不生效" in room.heard("年龄限制")


async def test_an_answer_of_many_sentences_asks_the_platform_once(discord: House) -> None:
    discord.platform.standings["c2"] = Standing(age_restricted=True)
    room = discord.room("c2")
    await room.says("/filter nsfw off confirm", by="adam")
    await discord.clock.advance(KEPT_S + 1)
    discord.platform.asked_standing.clear()
    for _ in range(20):
        assert await discord.shows(room, BAD)
    assert discord.platform.asked_standing == ["c2"]


async def test_a_room_whose_filter_is_on_costs_no_question(discord: House) -> None:
    assert not await discord.shows(discord.room(), BAD)
    assert discord.platform.asked_standing == []


async def test_a_platform_that_does_not_answer_leaves_the_filter_on(feishu: House) -> None:
    room = feishu.room()
    await switched_off(room)

    feishu.platform.standings["r1"] = ConnectionResetError("no reply")
    await feishu.clock.advance(KEPT_S + 1)
    assert not await feishu.shows(room, BAD)
    await room.says("/filter nsfw off confirm", by="olga")
    room.heard("没有回答")


async def test_in_an_external_group_of_feishu_not_even_the_owner_switches_it_off(feishu: House) -> None:
    feishu.platform.standings["r1"] = Standing(external=True)
    room, topic = feishu.room(), feishu.room("t1", kind=RoomKind.THREAD, parent="r1")
    for place in (room, topic):
        await place.says("/filter nsfw off confirm", by="olga")
        place.heard("外部群")
        assert not await feishu.shows(place, BAD)
    assert await audited(feishu) == []


async def test_a_group_that_becomes_external_is_filtered_again(feishu: House) -> None:
    room = feishu.room()
    await switched_off(room)
    assert await feishu.shows(room, BAD)
    feishu.platform.standings["r1"] = Standing(external=True)
    await feishu.clock.advance(KEPT_S + 1)
    assert not await feishu.shows(room, BAD)


async def test_labelled_entries_and_pictures_are_shown_where_the_filter_is_off(feishu: House) -> None:
    room = feishu.room()
    assert not await feishu.screen.shows_labelled(room.room)
    await switched_off(room)
    assert await feishu.screen.shows_labelled(room.room)
    feishu.platform.standings["r1"] = Standing(external=True)
    await feishu.clock.advance(KEPT_S + 1)
    assert not await feishu.screen.shows_labelled(room.room)


async def test_a_thread_follows_its_room(feishu: House) -> None:
    await switched_off(feishu.room())
    thread = feishu.room("t1", kind=RoomKind.THREAD, parent="r1")
    elsewhere = feishu.room("r2")
    assert await feishu.shows(thread, BAD)
    assert not await feishu.shows(elsewhere, BAD)


# ── a room's own words ───────────────────────────────────────────────────────────────────────────────────


async def test_a_room_hides_words_of_its_own(feishu: House) -> None:
    room, other = feishu.room(), feishu.room("r2")
    await room.says("/filter add 榴莲", by="mo")
    room.heard("榴莲")
    assert not await feishu.shows(room, "今天吃 榴 蓮")
    assert await feishu.shows(other, "今天吃榴莲")
    await room.says("/filter words", by="mo")
    room.heard("榴莲")
    await room.says("/filter remove 榴莲", by="mo")
    assert await feishu.shows(room, "今天吃榴莲")


async def test_its_own_words_hold_when_the_switch_is_off(feishu: House) -> None:
    room = feishu.room()
    await switched_off(room)
    await room.says("/filter add durian", by="mo")
    assert await feishu.shows(room, BAD)
    assert not await feishu.shows(room, "a durian")


async def test_words_added_at_once_are_all_kept(feishu: House) -> None:
    room = feishu.room()
    for word in ("durian", "榴莲", "papaya"):
        await feishu.core.inbox.accept(Said(room.message(f"/filter add {word}", by="mo")))
    await feishu.core.idle()
    for word in ("durian", "榴莲", "papaya"):
        assert not await feishu.shows(room, word)


async def test_an_exception_frees_a_phrase_in_its_room(feishu: House) -> None:
    room = feishu.room()
    text = "The sexy naked chef cooks."
    assert not await feishu.shows(room, text)
    await room.says("/filter allow sexy naked chef", by="mo")
    assert await feishu.shows(room, text)
    await room.says("/filter allow free porn", by="mo")
    room.heard("例外")
    assert not await feishu.shows(room, BAD)


@pytest.mark.parametrize("line", ["/filter add 的", "/filter add a,b", "/filter add none", "/filter add " + "x" * 40])
async def test_a_word_that_will_not_do_is_refused(feishu: House, line: str) -> None:
    room = feishu.room()
    await room.says(line, by="mo")
    room.heard("2")
    assert await audited(feishu) == []


@pytest.mark.parametrize(
    "line", ["/filter add durian", "/filter allow durian", "/filter remove durian", "/filter test x"]
)
async def test_a_member_has_no_say_in_it(feishu: House, line: str) -> None:
    room = feishu.room()
    await room.says(line, by="anna")
    room.heard("协管员")
    assert await audited(feishu) == []


async def test_a_room_may_ask_for_more_categories(feishu: House) -> None:
    room = feishu.room()
    assert await feishu.shows(room, "宅舞合集")
    await room.says("/settings filter_also dance", by="mo")
    assert not await feishu.shows(room, "宅舞合集")
    await room.says("/settings filter_also everything", by="mo")
    room.heard("profanity")


# ── why ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_test_tells_what_hit_and_what_was_taken_off(feishu: House) -> None:
    room = feishu.room()
    await room.says("/filter test p0rn", by="mo")
    told = room.heard("会隐藏")
    assert "`porn`" in told
    assert "变形" in told
    await room.says("/filter test Police arrested a man over pornography.", by="mo")
    told = room.heard("会显示")
    assert "`police`" in told
    assert "{" not in told
    await room.says("/filter test my naked body", by="mo")
    room.heard("对人说")
    await room.says("/filter test 今天天气不错", by="mo")
    room.heard("没有命中")
