"""Events as HTTP requests: the platform's own are taken, forged ones are refused and nothing is executed."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.feishu.settings import FeishuSettings
from adapters.feishu.webhook import Forged, Gatekeeper
from tests.adapters.feishu.conftest import Running, Start, settings_for
from tests.emulators.feishu import Chat, Feishu, Person
from tests.emulators.feishu.webhook import encrypt, sign


@pytest.fixture
def mode() -> str:
    return "webhook"


async def send(bot: Running, payload: Any, **forged: Any) -> tuple[int, str]:
    return await asyncio.to_thread(bot.feishu.call, bot.feishu.webhook.send(payload, **forged))


def said(bot: Running, chat: Chat, text: str = "怎么安装？") -> dict[str, Any]:
    """An event of the platform's that it has not sent."""
    ann = bot.feishu.world.people[chat.owner]
    post = bot.feishu.say(chat, ann, text, mention=(bot.feishu.bot,), tell=False)
    return bot.feishu._events.said(post, chat, ann)


async def test_the_challenge_is_answered_at_once(bot: Running) -> None:
    began = time.monotonic()
    status, body = await asyncio.to_thread(bot.feishu.call, bot.feishu.webhook.challenge())
    assert (status, json.loads(body)) == (200, {"challenge": "knock"})
    assert time.monotonic() - began < 1


async def test_a_mention_is_answered_once(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)
    assert len(bot.feishu.told()[0].pushes) == 1


async def test_a_redelivery_is_signed_anew_and_answered_once(bot: Running, group: Chat, ann: Person) -> None:
    bot.feishu.say(group, ann, "怎么安装？", mention=(bot.feishu.bot,))
    await bot.answers(group)
    bot.feishu.again(bot.feishu.event_ids()[0])
    await bot.until(lambda: len(bot.feishu.told()[0].pushes) == 2)
    await bot.answers(group)


async def test_what_comes_while_the_bot_is_down_is_taken_afterwards(
    start: Start, feishu: Feishu, group: Chat, ann: Person
) -> None:
    feishu.say(group, ann, "有人吗？", mention=(feishu.bot,))
    async with start() as bot:
        await bot.answers(group)


async def test_headers_may_be_written_in_lower_case(bot: Running, group: Chat) -> None:
    assert (await send(bot, said(bot, group), lower_case=True))[0] == 200
    await bot.answers(group)


@pytest.mark.parametrize(
    "forged",
    [
        {"plain": True},
        {"key": "another key"},
        {"signature": "0" * 64},
        {"signature": "é"},
        {"timestamp": "0"},
        {"timestamp": "inf"},
        {"timestamp": "-1"},
        {"headers": {}},
    ],
    ids=str,
)
async def test_a_forged_request_is_refused_without_details(bot: Running, group: Chat, forged: dict[str, Any]) -> None:
    status, reply = await send(bot, said(bot, group), **forged)
    assert (status, json.loads(reply)) == (403, {"msg": "refused"})
    await asyncio.sleep(0.1)
    assert bot.feishu.shown(group) == []
    assert await bot.rows() == []


def test_a_timestamp_is_whole_seconds_and_nothing_else() -> None:
    settings = FeishuSettings(app_id="cli_1", mode="webhook", encrypt_key=SecretStr("k"))
    body = json.dumps({"encrypt": encrypt("k", "{}")}).encode()
    for stamp in ("²", "1e9", " 1", "9" * 400):
        signature = sign(stamp, "n", "k", body)
        headers = {
            "x-lark-request-timestamp": stamp,
            "x-lark-request-nonce": "n",
            "x-lark-signature": signature,
        }
        with pytest.raises(Forged):
            Gatekeeper(settings).open(headers, body)


async def test_a_stale_and_an_early_request_are_refused(bot: Running, group: Chat) -> None:
    for seconds in (-86_400, -400, 400):
        stamp = str(int(time.time()) + seconds)
        assert (await send(bot, said(bot, group), timestamp=stamp))[0] == 403
    assert await bot.rows() == []


async def test_a_replayed_request_is_refused(bot: Running, group: Chat) -> None:
    """The very bytes of a request that was taken."""
    body = json.dumps({"encrypt": encrypt(bot.feishu.encrypt_key, json.dumps(said(bot, group)))}).encode()
    stamp = str(int(time.time()))
    headers = {
        "X-Lark-Request-Timestamp": stamp,
        "X-Lark-Request-Nonce": "n1",
        "X-Lark-Signature": sign(stamp, "n1", bot.feishu.encrypt_key, body),
    }
    assert (await send(bot, body, plain=True, headers=headers))[0] == 200
    assert (await send(bot, body, plain=True, headers=headers))[0] == 403
    await bot.answers(group)


async def test_a_request_that_was_not_kept_may_come_again_as_it_was(bot: Running, group: Chat) -> None:
    keeper = Gatekeeper(settings_for(bot.feishu))
    body = json.dumps({"encrypt": encrypt(bot.feishu.encrypt_key, json.dumps(said(bot, group)))}).encode()
    stamp = str(int(time.time()))
    headers = {
        "x-lark-request-timestamp": stamp,
        "x-lark-request-nonce": "n1",
        "x-lark-signature": sign(stamp, "n1", bot.feishu.encrypt_key, body),
    }
    keeper.open(headers, body)
    _, signature = keeper.open(headers, body)  # the first was not committed
    keeper.took(signature)
    with pytest.raises(Forged, match="replayed"):
        keeper.open(headers, body)


async def test_a_wrong_verification_token_is_refused(bot: Running, group: Chat) -> None:
    event = said(bot, group)
    for token in ("another", None, 7, ["a"]):
        event["header"]["token"] = token
        assert (await send(bot, event))[0] == 403
    assert await bot.rows() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"[" * 50_000, b'{"encrypt": 5}', b'{"encrypt": "AAAA"}'])
async def test_what_is_no_event_is_refused(bot: Running, body: bytes) -> None:
    assert (await send(bot, body, plain=True))[0] == 403


async def test_ten_megabytes_are_refused_unread(bot: Running) -> None:
    assert (await send(bot, b"x" * 10 * 1024 * 1024, plain=True))[0] == 413


async def test_a_full_or_locked_database_is_told_to_the_platform(bot: Running, group: Chat) -> None:
    await asyncio.to_thread(bot.core.store.close)
    assert (await send(bot, said(bot, group)))[0] == 503


async def test_without_a_key_the_token_alone_is_checked(start: Start, feishu: Feishu, group: Chat) -> None:
    async with start(encrypt_key=SecretStr("")) as bot:
        feishu.webhook.key = ""
        event = said(bot, group)
        assert (await send(bot, {**event, "header": {**event["header"], "token": "another"}}))[0] == 403
        assert (await send(bot, event))[0] == 200
        await bot.answers(group)
