"""What leaves: messages looked for, completed by another life, spoken, taken back, and buttons that work."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from bot.delivery import Audio, Content, Delivery, DeliveryAct, DeliveryState
from bot.errors import CannotLook, Undeliverable
from bot.event import Room, RoomKind, load_event
from tests.adapters.feishu.conftest import Running, Start
from tests.emulators.feishu import Chat, Feishu, Person

TABLE = "| a | b |\n| --- | --- |\n| 1 | 2 |"


def delivery(room: Room, text: str, reply_to: str | None, key: str = "k1", **changes: Any) -> Delivery:
    given: dict[str, Any] = {
        "id": 1,
        "key": key,
        "room": room,
        "act": DeliveryAct.SEND,
        "content": Content(text),
        "state": DeliveryState.PLANNED,
        "planned_at": time.time(),
        "reply_to": reply_to,
    }
    return Delivery(**(given | changes))


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_post_is_found_by_its_question_and_words(bot: Running, group: Chat, ann: Person) -> None:
    room = Room("feishu", group.id)
    one, two = (bot.feishu.say(group, ann, text, tell=False).id for text in ("一", "二"))
    wanted = delivery(room, "## 安装\n\n`pip`", one)
    assert await bot.platform.find(wanted) is None
    sent = await bot.platform.send(wanted)
    assert await bot.platform.find(wanted) == sent
    assert await bot.platform.find(delivery(room, "## 安装\n\n`pip`", two)) is None
    assert await bot.platform.find(delivery(room, "别的", one)) is None
    assert await bot.platform.find(delivery(room, "## 安装\n\n`pip`", None)) is None


async def test_somebody_elses_words_and_a_recalled_message_are_not_found(
    bot: Running, group: Chat, ann: Person
) -> None:
    room = Room("feishu", group.id)
    question = bot.feishu.say(group, ann, "一", tell=False)
    bot.feishu.say(group, ann, "答", reply_to=question, tell=False)
    wanted = delivery(room, "答", question.id)
    assert await bot.platform.find(wanted) is None
    sent = await bot.platform.send(wanted)
    await bot.platform.recall(room, sent)
    assert await bot.platform.find(wanted) is None


async def test_a_message_is_found_behind_many_others(bot: Running, group: Chat, ann: Person) -> None:
    room = Room("feishu", group.id)
    question = bot.feishu.say(group, ann, "一", tell=False)
    wanted = delivery(room, "答", question.id)
    sent = await bot.platform.send(wanted)
    for number in range(120):
        bot.feishu.say(group, ann, str(number), tell=False)
    assert await bot.platform.find(wanted) == sent


async def test_too_many_to_look_through_is_said(start: Start, feishu: Feishu, group: Chat, ann: Person) -> None:
    async with start(history_pages=1) as bot:
        for number in range(60):
            feishu.say(group, ann, str(number), tell=False)
        with pytest.raises(CannotLook, match="more than 50"):
            await bot.platform.find(delivery(Room("feishu", group.id), "答", None))


async def test_without_the_scope_for_the_history_nobody_can_look(bot: Running, group: Chat) -> None:
    bot.feishu.faults.missing_scopes.add("im:message.group_msg")
    with pytest.raises(CannotLook, match="group_msg"):
        await bot.platform.find(delivery(Room("feishu", group.id), "答", None))


async def test_a_stream_is_found_by_its_question_alone(bot: Running, group: Chat, ann: Person) -> None:
    room = Room("feishu", group.id)
    question = bot.feishu.say(group, ann, "一", tell=False)
    begun = delivery(room, "开头", question.id, act=DeliveryAct.STREAM)
    assert await bot.platform.find(begun) is None
    sent = await bot.platform.send(begun)
    assert await bot.platform.find(delivery(room, "开头和结尾", question.id, act=DeliveryAct.STREAM)) == sent


async def test_in_a_topic_a_card_that_may_be_another_answer_is_not_taken_for_this_one(
    bot: Running, ann: Person
) -> None:
    chat = bot.feishu.topics(ann)
    root = bot.feishu.say(chat, ann, "一", tell=False)
    topic = Room("feishu", root.thread_id or "", RoomKind.THREAD, parent=chat.id)
    begun = delivery(topic, "开头", root.id, act=DeliveryAct.STREAM)
    assert await bot.platform.find(begun) is None
    await bot.platform.send(begun)
    with pytest.raises(CannotLook, match="may be"):
        await bot.platform.find(delivery(topic, "另一个", root.id, "k2", act=DeliveryAct.STREAM))
    words = delivery(topic, "一段话", root.id, "k3")
    sent = await bot.platform.send(words)
    assert await bot.platform.find(words) == sent


async def test_a_card_without_its_words_is_not_guessed(bot: Running, group: Chat, ann: Person) -> None:
    question = bot.feishu.say(group, ann, "一", tell=False)
    wanted = delivery(Room("feishu", group.id), TABLE, question.id)
    await bot.platform.send(wanted)
    with pytest.raises(CannotLook):
        await bot.platform.find(wanted)


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("act", [DeliveryAct.SEND, DeliveryAct.STREAM])
async def test_another_life_edits_and_recalls_what_this_one_sent(
    start: Start, feishu: Feishu, group: Chat, ann: Person, act: DeliveryAct
) -> None:
    room = Room("feishu", group.id)
    async with start() as bot:
        sent = await bot.platform.send(delivery(room, "开头", None, act=act))
    async with start() as bot:
        await bot.platform.edit(room, sent, Content(f"全部\n\n{TABLE}"))
        (shown,) = feishu.shown(group)
        assert "全部" in shown.text
        assert "| 1 | 2 |" in shown.text
        await bot.platform.recall(room, sent)
        await bot.platform.recall(room, sent)  # gone already: no error
        assert feishu.shown(group) == []
        with pytest.raises(Undeliverable):
            await bot.platform.edit(room, sent, Content("zu spät"))


async def test_a_stream_takes_more_changes_than_a_text_does(bot: Running, group: Chat) -> None:
    """A text ends at 20 edits."""
    room = Room("feishu", group.id)
    sent = await bot.platform.send(delivery(room, "0", None, act=DeliveryAct.STREAM))
    for number in range(25):
        bot.feishu.world.now = lambda number=number: time.time() + number  # the platform's second passes
        await bot.platform.edit(room, sent, Content(str(number)))
    assert bot.feishu.shown(group)[0].text == "24"


async def test_the_same_key_sends_once(bot: Running, group: Chat) -> None:
    wanted = delivery(Room("feishu", group.id), "一次", None)
    assert await bot.platform.send(wanted) == await bot.platform.send(wanted)
    assert len(bot.feishu.shown(group)) == 1


async def test_a_spoken_answer_goes_out_with_its_length(bot: Running, group: Chat, tmp_path: Path) -> None:
    audio = tmp_path / "answer.ogg"
    audio.write_bytes(b"OggS spoken")
    content = Content("", audio=Audio(str(audio), 1.25))
    sent = await bot.platform.send(delivery(Room("feishu", group.id), "", None, content=content))
    post = bot.feishu.world.posts[sent]
    assert post.type == "audio"
    assert bot.feishu.world.files["file_1"] == ("answer.opus", b"OggS spoken")
    assert bot.feishu.world.audio["file_1"] == 1250


async def test_words_for_a_topic_that_answer_nothing_stay_in_it(bot: Running, ann: Person) -> None:
    chat = bot.feishu.topics(ann)
    root = bot.feishu.say(chat, ann, "一", tell=False)
    topic = Room("feishu", root.thread_id or "", RoomKind.THREAD, parent=chat.id)
    await bot.platform.send(delivery(topic, "摘要", None))
    (shown,) = bot.feishu.shown(chat)
    assert shown.thread_id == root.thread_id


async def test_the_sign_goes_whichever_comes_first_it_or_the_answer(bot: Running, group: Chat, ann: Person) -> None:
    room = Room("feishu", group.id)
    post = bot.feishu.say(group, ann, "一", tell=False)
    await bot.platform.thinking(room, post.id)
    await bot.until(lambda: post.reactions)
    await bot.platform.send(delivery(room, "答", post.id))
    await bot.until(lambda: not post.reactions)
    await bot.platform.thinking(room, post.id)  # it overtook nobody: the answer is there
    await bot.until(lambda: sum(call.startswith("DELETE") for call in bot.feishu.api.calls) == 2)
    assert not post.reactions


# ── buttons ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_pressed_button_runs_its_command_once_and_the_answer_replies_to_the_card(
    bot: Running, group: Chat, ann: Person
) -> None:
    bot.feishu.add_bot(group, ann)
    (greeting,) = await bot.answers(group)
    label = greeting.text.rsplit("[", 1)[1].rstrip("]")
    assert await asyncio.to_thread(bot.feishu.press, greeting.id, ann, label) is not None
    answer = (await bot.answers(group, 2))[1]
    assert answer.parent_id == greeting.id
    assert "/help" in answer.text
    events = [load_event(row.payload) for row in await bot.rows()]
    assert [event.kind for event in events] == ["added", "pressed"]


async def test_in_a_direct_chat_a_press_is_known_as_direct_after_a_restart(
    start: Start, feishu: Feishu, ann: Person
) -> None:
    chat = feishu.direct(ann)
    async with start() as bot:
        feishu.add_bot(chat, ann)
        (greeting,) = await bot.answers(chat)
    async with start() as bot:
        await asyncio.to_thread(feishu.press, greeting.id, ann, greeting.text.rsplit("[", 1)[1].rstrip("]"))
        await bot.answers(chat, 2)
        pressed = load_event((await bot.rows())[1].payload)
        assert pressed.room.kind is RoomKind.DIRECT


async def test_a_button_of_somebody_elses_making_does_nothing(bot: Running, group: Chat, ann: Person) -> None:
    """The id is opaque and ours; what a forged card carries instead is no command."""
    for value in ({"id": "/kb remove default"}, {"id": 7}, {"command": "/stop"}, {}):
        header = {
            "event_id": f"e{value}",
            "event_type": "card.action.trigger",
            "create_time": str(int(time.time() * 1000)),
        }
        event = {
            "operator": {"open_id": ann.open_id},
            "action": {"value": value, "tag": "button"},
            "context": {"open_chat_id": group.id, "open_message_id": "om_none"},
        }
        told = bot.feishu.tell({"schema": "2.0", "header": header, "event": event})
        await bot.until(lambda told=told: told.acknowledged)  # type: ignore[misc]
    await bot.core.idle()
    assert {row.reason for row in await bot.rows()} <= {"unknown_command", "stale", "not_allowed"}
