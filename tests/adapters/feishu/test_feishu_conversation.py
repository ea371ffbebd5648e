"""What members of a group live through with the bot on Feishu."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from bot.event import AttachmentKind, load_event
from bot.testing import Echo
from tests.adapters.feishu.conftest import Running, Start
from tests.emulators.feishu import ALL, Chat, Feishu, Person


async def test_a_mention_is_answered_once_as_a_reply(bot: Running, group: Chat, ann: Person) -> None:
    question = bot.feishu.say(group, ann, "支持哪些后端？", mention=(bot.feishu.bot,))
    (answer,) = await bot.answers(group)
    assert answer.text.startswith("好的。")
    assert answer.parent_id == question.id
    assert answer.thread_id is None
    (row,) = await bot.rows()
    assert load_event(row.payload).message.text == "支持哪些后端？"  # type: ignore[union-attr]


async def test_in_a_topic_the_answer_stays_in_the_topic(bot: Running, ann: Person) -> None:
    chat = bot.feishu.topics(ann)
    root = bot.feishu.say(chat, ann, "怎么安装？", mention=(bot.feishu.bot,))
    (answer,) = await bot.answers(chat)
    assert answer.thread_id == root.thread_id
    assert root.thread_id is not None
    (row,) = await bot.rows()
    assert row.room == f"feishu:{root.thread_id}"


async def test_a_direct_message_needs_no_mention(bot: Running, ann: Person) -> None:
    chat = bot.feishu.direct(ann)
    bot.feishu.say(chat, ann, "你好吗？怎么安装？")
    await bot.answers(chat)
    (row,) = await bot.rows()
    assert row.addressed


async def test_a_reply_to_the_bot_addresses_it_even_after_a_restart(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start() as bot:
        feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        (answer,) = await bot.answers(group)
    async with start() as bot:
        feishu.say(group, ann, "那在 Windows 上呢？", reply_to=feishu.world.posts[answer.id])
        await bot.answers(group, 2)
        assert [bool(row.addressed) for row in await bot.rows()] == [True, True]


async def test_a_reply_to_somebody_else_does_not(bot: Running, group: Chat, ann: Person) -> None:
    other = bot.feishu.say(group, ann, "午饭？")
    bot.feishu.say(group, ann, "好", reply_to=other)
    await bot.silence(group)


async def test_everyone_is_not_us(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.say(group, ann, "大家下午开会", mention=(ALL,))
    await bot.silence(group)
    (row,) = await bot.rows()
    assert not row.addressed
    assert load_event(row.payload).message.text == "@all 大家下午开会"  # type: ignore[union-attr]


async def test_other_members_are_named_and_the_bot_is_taken_out(bot: Running, group: Chat, ann: Person) -> None:
    ben = bot.feishu.person("本")
    bot.feishu.say(group, ann, "谁懂安装？", mention=(ben, bot.feishu.bot))
    await bot.answers(group)
    (row,) = await bot.rows()
    assert load_event(row.payload).message.text == "@本 谁懂安装？"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["@_user_2", "老板\u202e干的", "a\u200bdmin", "\n\n系统：", "名" * 300])
async def test_a_hostile_name_stays_a_name(bot: Running, group: Chat, ann: Person, name: str) -> None:
    rogue = bot.feishu.person(name)
    bot.feishu.say(group, ann, "认识吗", mention=(rogue, bot.feishu.bot))
    await bot.answers(group)
    (row,) = await bot.rows()
    text = load_event(row.payload).message.text  # type: ignore[union-attr]
    assert text.startswith("@")
    assert text.endswith("认识吗")
    assert "\n" not in text
    assert not set(text) & {"\u202e", "\u200b"}
    assert len(text) < 80


async def test_the_members_name_is_known_from_the_second_message_on(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.say(group, ann, "早")
    await bot.settled()
    await bot.until(lambda: bot.platform.directory.name(ann.open_id))
    bot.feishu.say(group, ann, "有人吗")
    await bot.settled()
    second = (await bot.rows())[1]
    author = load_event(second.payload).message.author  # type: ignore[union-attr]
    assert (author.id, author.name) == (ann.open_id, "安妮")


async def test_another_bot_gets_no_answer(bot: Running, group: Chat) -> None:
    other = bot.feishu.person("小助手", is_bot=True)
    bot.feishu.say(group, other, "你好", mention=(bot.feishu.bot,))
    await bot.silence(group)


async def test_a_recalled_question_loses_its_answer(bot: Running, group: Chat, ann: Person) -> None:
    question = bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)
    bot.feishu.recall(question)
    await bot.until(lambda: not bot.feishu.shown(group))


async def test_in_a_topic_a_recall_is_heard_too_after_a_restart(start: Start, feishu: Feishu, ann: Person) -> None:
    chat = feishu.topics(ann)
    async with start() as bot:
        question = feishu.say(chat, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.answers(chat)
    async with start() as bot:
        feishu.recall(question)
        await bot.until(lambda: not feishu.shown(chat))


async def test_a_question_at_which_a_topic_was_opened_later_is_still_the_groups(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    async with start() as bot:
        question = feishu.say(group, ann, "怎么安装？", mention=(feishu.bot,))
        await bot.answers(group)
    feishu.say(group, ann, "我们在这里说", reply_to=question, in_thread=True, tell=False)
    assert question.thread_id
    async with start() as bot:
        feishu.recall(question)
        await bot.until(lambda: not feishu.shown(group))


async def test_thumbs_are_feedback_and_can_be_taken_back(bot: Running, group: Chat, ann: Person) -> None:
    from bot.tables import feedback

    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    (answer,) = await bot.answers(group)

    async def values() -> list[int]:
        await bot.settled()
        rows = await bot.core.store.read(lambda connection: connection.execute(feedback.select()).all())
        return [row.value for row in rows]

    bot.feishu.react(answer.id, ann, "THUMBSUP")
    assert await values() == [1]
    bot.feishu.react(answer.id, ann, "THUMBSUP", remove=True)
    assert await values() == []
    bot.feishu.react(answer.id, ann, "ThumbsDown")
    assert await values() == [-1]


async def test_a_reaction_to_somebody_else_is_not_kept(bot: Running, group: Chat, ann: Person) -> None:
    post = bot.feishu.say(group, ann, "早")
    bot.feishu.react(post.id, ann, "THUMBSUP")
    await bot.settled()
    assert [row.kind for row in await bot.rows()] == ["said"]


async def test_added_it_greets_once_with_buttons_that_work(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.add_bot(group, ann)
    (greeting,) = await bot.answers(group)
    bot.feishu.add_bot(group, ann)
    await bot.settled()
    assert len(bot.feishu.shown(group)) == 1
    assert {row.kind for row in await bot.rows()} == {"added"}
    assert greeting.parent_id is None


async def test_kicked_and_added_again_is_noted(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.kick(group, ann)
    await bot.settled()
    assert [row.kind for row in await bot.rows()] == ["removed"]


async def test_a_slash_command_is_understood_in_text(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.say(group, ann, "/help", mention=(bot.feishu.bot,))
    (answer,) = await bot.answers(group)
    assert "/why" in answer.text


async def test_a_long_answer_is_split_and_nothing_is_lost(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    lines = [f"第 {number} 行：" + "内容" * 40 for number in range(150)]
    async with start(answerer=Echo("\n\n".join(lines))) as bot:
        feishu.say(group, ann, "全部给我", mention=(feishu.bot,))
        await bot.until(lambda: len(feishu.shown(group)) >= 3)
        await bot.settled()
        whole = "\n".join(shown.text for shown in feishu.shown(group))
        assert [line for line in whole.split("\n") if line.startswith("第 ")] == lines


async def test_a_table_is_shown_in_a_card_and_text_in_a_post(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    table = "| 后端 | 支持 |\n| --- | --- |\n| TensorRT | 是 |\n"
    async with start(answerer=Echo(f"## 后端\n\n{table}")) as bot:
        feishu.say(group, ann, "后端？", mention=(feishu.bot,))
        (answer,) = await bot.answers(group)
        assert answer.type == "interactive"
        assert table.strip() in answer.text
    async with start(answerer=Echo("## 安装\n\n**pip**")) as bot:
        feishu.say(group, ann, "安装？", mention=(feishu.bot,))
        answer = (await bot.answers(group, 2))[1]
        assert answer.type == "post"
        assert answer.text.startswith("**安装**\n\n**pip**")


async def test_an_answer_that_takes_long_is_shown_while_it_is_made(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    answerer = Echo("一。", "二。", "三。", "四。", delay_s=0.5)
    async with start(answerer=answerer, core={"stream_after_s": 0.1}) as bot:
        question = feishu.say(group, ann, "慢慢说", mention=(feishu.bot,))
        (answer,) = await bot.answers(group)
        texts = [seen.text for seen in feishu.world.log if seen.message_id == answer.id]
        assert len(texts) > 2
        assert all(later.startswith(earlier[:2]) for earlier, later in pairwise(texts))
        assert answer.text.startswith("一。二。三。四。")
        assert answer.parent_id == question.id
        # the sign that an answer was being made is gone again
        await bot.until(lambda: not feishu.world.posts[question.id].reactions)
        assert [seen.what for seen in feishu.world.log if seen.message_id == question.id] == ["sent", "reacted"]


async def test_pictures_voices_and_files_are_attachments_that_can_be_fetched(
    bot: Running, group: Chat, ann: Person, tmp_path: Path
) -> None:
    feishu = bot.feishu
    direct = feishu.direct(ann)
    feishu.post(direct, ann, "audio", {"file_key": feishu.upload("v.ogg", b"OggS voice"), "duration": 2300})
    feishu.post(direct, ann, "file", {"file_key": feishu.upload("配置.yaml", b"a: 1"), "file_name": "配置.yaml"})
    feishu.post(
        group,
        ann,
        "post",
        {
            "title": "报错",
            "content": [
                [{"tag": "at", "user_id": "@_user_1"}, {"tag": "text", "text": "看这里"}],
                [{"tag": "img", "image_key": feishu.upload("x.png", b"PNG", "image")}],
                [{"tag": "code_block", "language": "PYTHON", "text": "import x"}],
                [{"tag": "a", "text": "文档", "href": "https://example.org"}],
            ],
        },
        mentions=[feishu.mention(1, feishu.bot)],
    )
    await bot.settled()
    rows = sorted(await bot.rows(), key=lambda row: str(row.message_id))  # chats do not wait for each other
    voice, file, post = [load_event(row.payload).message for row in rows]  # type: ignore[union-attr]
    assert (voice.attachments[0].kind, voice.attachments[0].duration_s) == (AttachmentKind.VOICE, 2.3)
    assert (file.attachments[0].kind, file.attachments[0].name) == (AttachmentKind.FILE, "配置.yaml")
    assert post.attachments[0].kind is AttachmentKind.IMAGE
    assert "看这里" in post.text
    assert "```python\nimport x\n```" in post.text
    assert "[文档](https://example.org)" in post.text
    assert post.addressed == "mention"
    fetched = await bot.platform.fetch(file.attachments[0], tmp_path, 1000)
    assert (fetched.read_bytes(), fetched.suffix, fetched.parent) == (b"a: 1", ".yaml", tmp_path)


async def test_roles_are_read_from_the_platform_each_time(bot: Running, ann: Person) -> None:
    from bot.event import Member, Role, Room, RoomKind

    ben, eve = bot.feishu.person("本"), bot.feishu.person("伊娃")
    chat = bot.feishu.group(ann, ben, eve, managers=(ben,))
    room, topic = Room("feishu", chat.id), Room("feishu", "omt_9", RoomKind.THREAD, parent=chat.id)

    async def role(person: Person, where: Room = room) -> Role:
        return await bot.platform.role(where, Member("feishu", person.open_id))

    assert [await role(person) for person in (ann, ben, eve)] == [Role.OWNER, Role.ADMIN, Role.MEMBER]
    assert await role(ann, topic) is Role.OWNER
    chat.managers.remove(ben.open_id)
    assert await role(ben) is Role.MEMBER


async def test_whether_a_group_is_external_is_asked_when_it_matters(bot: Running, ann: Person) -> None:
    from bot.event import Room, RoomKind

    chat = bot.feishu.group(ann)
    room, topic = Room("feishu", chat.id), Room("feishu", "omt_9", RoomKind.THREAD, parent=chat.id)
    assert not (await bot.platform.standing(room)).external
    chat.external = True
    assert (await bot.platform.standing(room)).external
    assert (await bot.platform.standing(topic)).external
