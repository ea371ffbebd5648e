"""Our deliveries into the room: once per key, whatever happens."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from adapters.web.adapter import WebPlatform
from adapters.web.posting import Posting
from adapters.web.settings import WebSettings
from bot.delivery import Button, Content
from bot.errors import Undeliverable, UsageError
from bot.event import Member, Role, Room
from bot.ports import Platform, SystemClock
from tests.adapters.web.rooms import Inbox, delivery, join, say


def test_it_is_a_platform(platform: WebPlatform) -> None:
    port: Platform = platform
    assert port.name == "web"
    assert port.capabilities.key_window_s == math.inf


async def test_the_same_key_is_the_same_message(platform: WebPlatform, posting: Posting) -> None:
    room = platform.room.room
    first = await platform.send(delivery(room, "one"))
    assert await platform.send(delivery(room, "one, again")) == first
    assert await platform.send(delivery(room, "two", origin="other")) != first
    assert len(platform.room.transcript.shown) == 2


async def test_sends_at_once_under_one_key_are_one_message(platform: WebPlatform, posting: Posting) -> None:
    room = platform.room.room
    ids = await asyncio.gather(*(platform.send(delivery(room, "one")) for _ in range(8)))
    assert len(set(ids)) == 1


async def test_without_its_key_a_second_attempt_would_be_a_second_message(
    platform: WebPlatform, posting: Posting
) -> None:
    """The twin of the test above: it is the key that makes one message of two attempts."""
    one = delivery(platform.room.room, "one")
    assert await platform.send(one) != await platform.send(replace(one, key="another"))


async def test_a_room_that_is_no_more_cannot_be_delivered_to(platform: WebPlatform, posting: Posting) -> None:
    with pytest.raises(Undeliverable):
        await platform.send(delivery(Room("web", "gone"), "hello?"))


async def test_find_tells_what_was_sent(platform: WebPlatform, posting: Posting) -> None:
    one, two = delivery(platform.room.room, "one"), delivery(platform.room.room, "two", origin="other")
    assert await platform.find(one) is None
    sent = await platform.send(one)
    assert await platform.find(one) == sent
    assert await platform.find(two) is None


async def test_an_edit_replaces_the_whole_and_a_recall_takes_it_back(platform: WebPlatform, posting: Posting) -> None:
    room = platform.room.room
    message = await platform.send(delivery(room, "half"))
    await platform.edit(room, message, Content("the whole", (Button("again", "/again", id="b1"),)))
    shown = platform.room.transcript.shown[message]
    assert shown["html"] == "<p>the whole</p>\n"
    assert shown["buttons"] == ["again"]
    assert "b1" not in str(shown), "a page gets no more of a button than its label"
    await platform.recall(room, message)
    await platform.recall(room, message)
    assert platform.room.transcript.shown[message]["recalled"]
    with pytest.raises(Undeliverable):
        await platform.edit(room, message, Content("too late"))


async def test_a_members_message_is_not_ours_to_edit(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    await say(posting, await join(platform, "Anna"), "mine")
    with pytest.raises(Undeliverable):
        await platform.edit(platform.room.room, inbox.of("said")[0].message.id, Content("changed"))


async def test_thinking_ends_with_the_answer(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    room = platform.room.room
    await say(posting, await join(platform, "Anna"), "@毛豆 ?")
    question = inbox.of("said")[0].message.id
    await platform.thinking(room, question)
    assert platform.room.transcript.thinking() == [int(question)]
    await platform.send(delivery(room, "an answer", reply_to=question))
    assert platform.room.transcript.thinking() == []


async def test_a_role_is_what_was_given_and_never_operator(platform: WebPlatform, posting: Posting) -> None:
    anna = await join(platform, "Anna")
    room = platform.room.room
    assert await platform.role(room, anna.member) is Role.MEMBER
    await platform.members.set_role(anna.id, Role.OPERATOR, who="operator:test", scope="room:web:lobby")
    assert await platform.role(room, anna.member) is Role.OWNER
    assert await platform.role(room, Member("web", "nobody")) is Role.MEMBER


async def test_the_room_is_as_before_after_a_restart(platform: WebPlatform, posting: Posting) -> None:
    await say(posting, await join(platform, "Anna"), "hello")
    await platform.send(delivery(platform.room.room, "hello, Anna"))
    before = dict(platform.room.transcript.shown)
    await platform.room.refresh()
    assert platform.room.transcript.shown == before


async def test_what_is_forgotten_leaves_the_pages(platform: WebPlatform, posting: Posting) -> None:
    anna = await join(platform, "Anna")
    await say(posting, anna, "secret")
    await say(posting, await join(platform, "Ben"), "kept")
    eraser = platform.eraser()
    assert eraser.of_member is not None
    erase = eraser.of_member
    await platform.room.store.write(lambda connection: erase(connection, anna.member.key))
    async with asyncio.timeout(10):
        while len(platform.room.transcript.shown) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [shown["name"] for shown in platform.room.transcript.shown.values()] == ["Ben"]
    assert await platform.members.get(anna.id) is None


def test_bound_elsewhere_it_asks_for_a_password(platform: WebPlatform) -> None:
    store, folder = platform.room.store, platform.room.files.folder
    with pytest.raises(UsageError, match="MAODOU_WEB_PASSWORD"):
        WebPlatform(store, WebSettings(host="0.0.0.0"), SystemClock(), folder)
    WebPlatform(store, WebSettings(host="0.0.0.0", password="long and secret"), SystemClock(), folder)


def test_a_port_in_use_is_a_sentence(platform: WebPlatform, settings: WebSettings) -> None:
    platform.bind()
    port = int(platform.room_url.rpartition(":")[2])
    taken = settings.model_copy(update={"port": port})
    other = WebPlatform(platform.room.store, taken, SystemClock(), platform.room.files.folder)
    with pytest.raises(UsageError, match=f"{port} .*in use"):
        other.bind()
    platform.release()
