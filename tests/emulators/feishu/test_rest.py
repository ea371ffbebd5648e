"""The emulator's REST calls, proved with the real ``lark.Client``."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lark_oapi.api.cardkit.v1 import (
    ContentCardElementRequest,
    ContentCardElementRequestBody,
    CreateCardRequest,
    CreateCardRequestBody,
    SettingsCardRequest,
    SettingsCardRequestBody,
)
from lark_oapi.api.im.v1 import (
    CreateFileRequest,
    CreateFileRequestBody,
    CreateMessageReactionRequest,
    CreateMessageReactionRequestBody,
    CreateMessageRequest,
    CreateMessageRequestBody,
    DeleteMessageRequest,
    Emoji,
    GetChatMembersRequest,
    GetChatRequest,
    GetMessageRequest,
    GetMessageResourceRequest,
    ListMessageReactionRequest,
    ListMessageRequest,
    PatchMessageRequest,
    PatchMessageRequestBody,
    ReplyMessageRequest,
    ReplyMessageRequestBody,
    UpdateMessageRequest,
    UpdateMessageRequestBody,
)

from tests.emulators.feishu import Chat, Feishu, Limits, Person
from tests.emulators.feishu.bare import BareBot, client


@pytest.fixture
def feishu() -> Iterator[Feishu]:
    with Feishu() as feishu:
        yield feishu


@pytest.fixture
def ann(feishu: Feishu) -> Person:
    return feishu.person("安妮")


@pytest.fixture
def group(feishu: Feishu, ann: Person) -> Chat:
    return feishu.group(ann)


def rest(feishu: Feishu) -> Any:
    return client(feishu.url, feishu.app_id, feishu.secret)


def send(feishu: Feishu, chat: Chat, text: str, uuid: str | None = None, type_: str = "text") -> Any:
    content = text if type_ != "text" else json.dumps({"text": text})
    body = CreateMessageRequestBody.builder().receive_id(chat.id).msg_type(type_).content(content)
    if uuid is not None:
        body.uuid(uuid)
    request = CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body.build()).build()
    return rest(feishu).im.v1.message.create(request)


def reply(feishu: Feishu, to: str, text: str, *, thread: bool = False) -> Any:
    body = ReplyMessageRequestBody.builder().msg_type("text").content(json.dumps({"text": text}))
    request = ReplyMessageRequest.builder().message_id(to).request_body(body.reply_in_thread(thread).build()).build()
    return rest(feishu).im.v1.message.reply(request)


def edit(feishu: Feishu, message_id: str, text: str) -> Any:
    body = UpdateMessageRequestBody.builder().msg_type("text").content(json.dumps({"text": text})).build()
    return rest(feishu).im.v1.message.update(
        UpdateMessageRequest.builder().message_id(message_id).request_body(body).build()
    )


def test_a_message_is_sent_edited_and_recalled(feishu: Feishu, group: Chat) -> None:
    sent = send(feishu, group, "hello")
    assert sent.success()
    assert edit(feishu, sent.data.message_id, "hello again").success()
    assert [shown.text for shown in feishu.shown(group)] == ["hello again"]
    request = DeleteMessageRequest.builder().message_id(sent.data.message_id).build()
    assert rest(feishu).im.v1.message.delete(request).success()
    assert feishu.shown(group) == []
    assert [seen.what for seen in feishu.world.log] == ["sent", "edited", "recalled"]
    assert not edit(feishu, sent.data.message_id, "too late").success()


def test_a_uuid_is_recognised_within_its_window_and_not_after_it() -> None:
    with Feishu(limits=Limits(key_window_s=0.3)) as feishu:
        group = feishu.group(feishu.person("安妮"))
        first, second = send(feishu, group, "hello", uuid="k1"), send(feishu, group, "hello", uuid="k1")
        assert first.data.message_id == second.data.message_id
        time.sleep(0.35)
        assert send(feishu, group, "hello", uuid="k1").data.message_id != first.data.message_id
        assert len(feishu.shown(group)) == 2


def test_replies_point_to_their_question_and_stay_in_its_topic(feishu: Feishu, group: Chat, ann: Person) -> None:
    question = feishu.say(group, ann, "why?")
    plain = reply(feishu, question.id, "because").data
    assert (plain.root_id, plain.parent_id, plain.thread_id) == (question.id, question.id, None)
    threaded = reply(feishu, question.id, "in a topic", thread=True).data
    assert threaded.thread_id == question.thread_id
    inside = feishu.say(group, ann, "and?", reply_to=feishu.world.posts[threaded.message_id])
    assert (inside.thread_id, inside.parent_id, inside.root_id) == (question.thread_id, question.id, question.id)


def test_the_history_is_read_in_pages_by_chat_and_by_topic(feishu: Feishu, group: Chat, ann: Person) -> None:
    posts = [feishu.say(group, ann, f"line {number}") for number in range(5)]
    reply(feishu, posts[0].id, "in a topic", thread=True)

    def page(token: str | None = None) -> Any:
        request = ListMessageRequest.builder().container_id_type("chat").container_id(group.id).page_size(4)
        request.sort_type("ByCreateTimeDesc")
        if token:
            request.page_token(token)
        return rest(feishu).im.v1.message.list(request.build()).data

    first = page()
    second = page(first.page_token)
    assert (len(first.items), first.has_more, len(second.items), second.has_more) == (4, True, 2, False)
    assert first.items[0].sender.sender_type == "app"
    thread = ListMessageRequest.builder().container_id_type("thread").container_id(posts[0].thread_id or "").build()
    assert len(rest(feishu).im.v1.message.list(thread).data.items) == 2
    one = rest(feishu).im.v1.message.get(GetMessageRequest.builder().message_id(posts[2].id).build()).data.items[0]
    assert json.loads(one.body.content) == {"text": "line 2"}


def test_reactions_are_added_and_listed(feishu: Feishu, group: Chat, ann: Person) -> None:
    post = feishu.say(group, ann, "thinking?")
    body = CreateMessageReactionRequestBody.builder().reaction_type(Emoji.builder().emoji_type("OnIt").build()).build()
    request = CreateMessageReactionRequest.builder().message_id(post.id).request_body(body).build()
    assert rest(feishu).im.v1.message_reaction.create(request).success()
    feishu.react(post.id, ann, "THUMBSUP")
    listed = rest(feishu).im.v1.message_reaction.list(ListMessageReactionRequest.builder().message_id(post.id).build())
    assert [one.reaction_type.emoji_type for one in listed.data.items] == ["OnIt", "THUMBSUP"]


def test_files_go_up_with_a_name_and_come_down_as_they_were(feishu: Feishu, group: Chat, ann: Person) -> None:
    body = (
        CreateFileRequestBody.builder()
        .file_type("opus")
        .file_name("answer.opus")
        .duration(1200)
        .file(("answer.opus", io.BytesIO(b"OggS...")))
        .build()
    )
    uploaded = rest(feishu).im.v1.file.create(CreateFileRequest.builder().request_body(body).build())
    assert uploaded.success(), uploaded.msg
    assert send(feishu, group, json.dumps({"file_key": uploaded.data.file_key}), type_="audio").success()
    post = feishu.post(group, ann, "file", {"file_key": feishu.upload("说明.md", b"# hi"), "file_name": "说明.md"})
    request = GetMessageResourceRequest.builder().message_id(post.id).file_key("file_2").type("file").build()
    got = rest(feishu).im.v1.message_resource.get(request)
    assert (got.file.read(), got.file_name) == (b"# hi", "说明.md")


def test_a_chat_tells_its_owner_managers_and_members(feishu: Feishu, ann: Person) -> None:
    ben = feishu.person("本")
    chat = feishu.group(ann, ben, managers=(ben,))
    got = rest(feishu).im.v1.chat.get(GetChatRequest.builder().chat_id(chat.id).build()).data
    assert (got.owner_id, got.user_manager_id_list, got.chat_mode) == (ann.open_id, [ben.open_id], "group")
    members = rest(feishu).im.v1.chat_members.get(GetChatMembersRequest.builder().chat_id(chat.id).build()).data
    assert [one.name for one in members.items] == ["安妮", "本"]


# ── CardKit ──────────────────────────────────────────────────────────────────────────────────────────────


def make_card(feishu: Feishu) -> str:
    card = {
        "schema": "2.0",
        "config": {"streaming_mode": True, "update_multi": True},
        "body": {"elements": [{"tag": "markdown", "element_id": "text", "content": ""}]},
    }
    body = CreateCardRequestBody.builder().type("card_json").data(json.dumps(card)).build()
    return str(rest(feishu).cardkit.v1.card.create(CreateCardRequest.builder().request_body(body).build()).data.card_id)


def stream(feishu: Feishu, card_id: str, text: str, sequence: int) -> Any:
    body = ContentCardElementRequestBody.builder().content(text).sequence(sequence).build()
    request = ContentCardElementRequest.builder().card_id(card_id).element_id("text").request_body(body).build()
    return rest(feishu).cardkit.v1.card_element.content(request)


def settle(feishu: Feishu, card_id: str, sequence: int) -> Any:
    settings = json.dumps({"config": {"streaming_mode": False}})
    body = SettingsCardRequestBody.builder().settings(settings).sequence(sequence).build()
    return rest(feishu).cardkit.v1.card.settings(
        SettingsCardRequest.builder().card_id(card_id).request_body(body).build()
    )


def test_a_card_takes_text_under_an_increasing_sequence_until_it_is_closed(feishu: Feishu, group: Chat) -> None:
    card_id = make_card(feishu)
    assert send(
        feishu, group, json.dumps({"type": "card", "data": {"card_id": card_id}}), type_="interactive"
    ).success()
    assert stream(feishu, card_id, "One.", 1).success()
    assert stream(feishu, card_id, "One. Two.", 2).success()
    assert not stream(feishu, card_id, "late", 2).success()
    assert settle(feishu, card_id, 3).success()
    assert not stream(feishu, card_id, "closed", 4).success()
    assert [shown.text for shown in feishu.shown(group)] == ["One. Two."]


def test_a_streaming_card_closes_by_itself() -> None:
    with Feishu(limits=Limits(stream_open_s=0.2)) as feishu:
        card_id = make_card(feishu)
        assert stream(feishu, card_id, "One.", 1).success()
        time.sleep(0.25)
        assert not stream(feishu, card_id, "One. Two.", 2).success()


def test_a_pressed_button_is_answered_in_the_acknowledgement(feishu: Feishu, group: Chat, ann: Person) -> None:
    card = {
        "schema": "2.0",
        "body": {
            "elements": [
                {
                    "tag": "button",
                    "text": {"tag": "plain_text", "content": "Why?"},
                    "behaviors": [{"type": "callback", "value": {"id": "b1"}}],
                }
            ]
        },
    }
    with BareBot(feishu.url, feishu.app_id, feishu.secret) as bot:
        sent = send(feishu, group, json.dumps(card), type_="interactive")
        while not feishu.connections.links:
            time.sleep(0.01)
        answer = feishu.press(sent.data.message_id, ann, "Why?")
        assert answer == {"toast": {"type": "info", "content": "ok"}}
        assert bot.received[0]["event"]["action"]["value"] == {"id": "b1"}
    patch = PatchMessageRequestBody.builder().content(json.dumps({**card, "body": {"elements": []}})).build()
    request = PatchMessageRequest.builder().message_id(sent.data.message_id).request_body(patch).build()
    assert rest(feishu).im.v1.message.patch(request).success()
    assert feishu.shown(group)[0].text == ""


# ── limits and faults ────────────────────────────────────────────────────────────────────────────────────


def test_the_sixth_message_in_a_second_is_refused_and_not_when_limits_are_off(feishu: Feishu, group: Chat) -> None:
    codes = [send(feishu, group, str(number)).code for number in range(6)]
    assert codes == [0, 0, 0, 0, 0, 230020]
    with Feishu(limits=Limits.off()) as free:
        chat = free.group(free.person("安妮"))
        assert {send(free, chat, str(number)).code for number in range(20)} == {0}


def test_sizes_edits_and_tables_are_limited() -> None:
    with Feishu(limits=Limits(chat_sends_per_s=1000)) as feishu:
        group = feishu.group(feishu.person("安妮"))
        assert not send(feishu, group, "x" * 150 * 1024).success()
        long_post = json.dumps({"zh_cn": {"content": [[{"tag": "md", "text": "x" * 31 * 1024}]]}})
        assert not send(feishu, group, long_post, type_="post").success()
        table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n"
        for tables, taken in ((3, True), (4, False)):
            card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": table * tables}]}}
            assert send(feishu, group, json.dumps(card), type_="interactive").success() is taken
        message_id = send(feishu, group, "0").data.message_id
        assert [edit(feishu, message_id, str(number)).success() for number in range(21)] == [True] * 20 + [False]


def test_the_app_as_a_whole_is_limited_with_the_headers_that_say_when(feishu: Feishu, group: Chat) -> None:
    request = GetChatRequest.builder().chat_id(group.id).build()
    lark = rest(feishu)
    replies = [lark.im.v1.chat.get(request) for _ in range(60)]
    refused = [one for one in replies if not one.success()]
    assert refused
    assert refused[0].code == 99991400
    assert refused[0].raw.status_code == 429
    assert int(refused[0].raw.headers["x-ogw-ratelimit-reset"]) >= 1


def test_an_expired_token_stays_refused_because_the_client_keeps_it(feishu: Feishu, group: Chat) -> None:
    assert send(feishu, group, "before").success()
    feishu.expire_tokens()
    assert send(feishu, group, "after").code == 99991663
    assert send(feishu, group, "and again").code == 99991663


def test_a_refusal_may_come_after_the_effect(feishu: Feishu, group: Chat) -> None:
    feishu.faults.refuse("POST /open-apis/im/v1/messages", 2200, status=500, after_effect=True)
    assert not send(feishu, group, "lost reply", uuid="k").success()
    assert send(feishu, group, "lost reply", uuid="k").success()
    assert len(feishu.shown(group)) == 1


def test_outside_the_group_and_without_a_scope_nothing_is_taken(feishu: Feishu, group: Chat, ann: Person) -> None:
    feishu.faults.missing_scopes.add("im:message:send_as_bot")
    assert send(feishu, group, "hi").code == 99991672
    feishu.faults.missing_scopes.clear()
    feishu.kick(group, ann)
    assert send(feishu, group, "hi").code == 230002
