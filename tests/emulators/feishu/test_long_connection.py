"""The emulator's long connection, proved with the real ``lark.ws.Client``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.emulators.feishu import ALL, Feishu, Limits
from tests.emulators.feishu.bare import BareBot

QUICK = Limits(acknowledge_s=0.3, redelivery_s=(0.05, 0.1, 0.2, 0.4))


def soon(true: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until something holds; fails the test when it does not."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def bot_of(feishu: Feishu, handle: Callable[..., object] | None = None) -> BareBot:
    return BareBot(feishu.url, feishu.app_id, feishu.secret, handle)


def connected(feishu: Feishu) -> None:
    soon(lambda: feishu.connections.links)


def test_a_mention_arrives_as_the_platform_writes_it() -> None:
    with Feishu() as feishu, bot_of(feishu) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        group = feishu.group(ann)
        feishu.say(group, ann, "支持哪些后端？", mention=(feishu.bot,))
        soon(lambda: bot.received)
        message = bot.received[0]["event"]["message"]
        assert json.loads(message["content"]) == {"text": "@_user_1 支持哪些后端？"}
        assert message["mentions"][0]["id"]["open_id"] == feishu.bot.open_id
        assert message["chat_type"] == "group"
        assert "parent_id" not in message


def test_everyone_is_mentioned_without_an_entry() -> None:
    with Feishu() as feishu, bot_of(feishu) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        feishu.say(feishu.group(ann), ann, "开会", mention=(ALL,))
        soon(lambda: bot.received)
        assert "mentions" not in bot.received[0]["event"]["message"]
        assert "@_all" in bot.received[0]["event"]["message"]["content"]


def test_an_acknowledged_event_is_pushed_once() -> None:
    with Feishu(limits=QUICK) as feishu, bot_of(feishu) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "hi")
        soon(lambda: bot.received)
        time.sleep(0.5)
        assert len(bot.received) == 1
        assert feishu.told()[0].acknowledged


def test_an_event_that_the_handler_refuses_is_pushed_again_until_it_is_taken() -> None:
    tries: list[str] = []

    def refuse_twice(kind: str, payload: object) -> None:
        tries.append(kind)
        if len(tries) < 3:
            raise OSError("the database is locked")

    with Feishu(limits=QUICK) as feishu, bot_of(feishu, refuse_twice) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "hi")
        soon(lambda: bot.received)
        assert len(tries) == 3
        soon(lambda: feishu.told()[0].acknowledged)


def test_after_four_more_pushes_the_platform_gives_up() -> None:
    def refuse(kind: str, payload: object) -> None:
        raise OSError("the database is locked")

    with Feishu(limits=QUICK) as feishu, bot_of(feishu, refuse):
        connected(feishu)
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "hi")
        soon(lambda: feishu.told()[0].given_up)
        assert len(feishu.told()[0].pushes) == 5


def test_an_acknowledgement_after_the_time_does_not_count() -> None:
    with Feishu(limits=QUICK) as feishu, bot_of(feishu, lambda *_: time.sleep(0.35)) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "hi")
        soon(lambda: len(bot.received) >= 2)
        assert bot.received[0]["header"]["event_id"] == bot.received[1]["header"]["event_id"]


def test_what_happened_while_nobody_was_connected_comes_on_the_ladder() -> None:
    with Feishu(limits=QUICK) as feishu:
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "anyone?")
        with bot_of(feishu) as bot:
            soon(lambda: bot.received)


def test_a_large_event_arrives_in_fragments() -> None:
    with Feishu() as feishu, bot_of(feishu) as bot:
        connected(feishu)
        feishu.faults.fragments = 3
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "长" * 5000)
        soon(lambda: bot.received)
        assert "长" * 5000 in bot.received[0]["event"]["message"]["content"]


def test_duplicates_and_events_out_of_order() -> None:
    with Feishu() as feishu, bot_of(feishu) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        chat = feishu.direct(ann)
        feishu.faults.swap_next = True
        feishu.say(chat, ann, "first")
        feishu.say(chat, ann, "second")
        soon(lambda: len(bot.received) == 2)
        assert ["second" in one["event"]["message"]["content"] for one in bot.received] == [True, False]
        feishu.faults.duplicates = 2
        feishu.say(chat, ann, "thrice")
        soon(lambda: len(bot.received) == 5)


def test_a_dropped_socket_is_opened_again() -> None:
    with Feishu(limits=QUICK) as feishu, bot_of(feishu) as bot:
        connected(feishu)
        feishu.drop()
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "still there?")
        soon(lambda: bot.received)
        assert feishu.connections.opened == 2


def test_pings_are_answered_with_the_clients_configuration_and_a_silent_socket_answers_nothing() -> None:
    with Feishu(limits=QUICK) as feishu:
        feishu.connections.config.PingInterval = 0.05
        with bot_of(feishu) as bot:
            connected(feishu)
            soon(lambda: feishu.connections.links[0].pings > 2)
            feishu.faults.silent = True
            ann = feishu.person("安妮")
            feishu.say(feishu.direct(ann), ann, "hello?")
            soon(lambda: feishu.told()[0].given_up)
            assert not bot.received
            assert feishu.connections.opened == 1, "the client alone never notices"


def test_a_malformed_event_is_not_acknowledged_and_does_not_end_the_client() -> None:
    with Feishu(limits=QUICK) as feishu, bot_of(feishu) as bot:
        connected(feishu)
        assert not feishu.malformed()
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "hi")
        soon(lambda: bot.received)


def test_recalls_reactions_and_moves_arrive() -> None:
    with Feishu() as feishu, bot_of(feishu) as bot:
        connected(feishu)
        ann = feishu.person("安妮")
        group = feishu.group(ann)
        post = feishu.say(group, ann, "oops")
        feishu.recall(post)
        other = feishu.say(group, ann, "ok")
        feishu.react(other.id, ann, "THUMBSUP")
        feishu.react(other.id, ann, "THUMBSUP", remove=True)
        feishu.kick(group, ann)
        feishu.add_bot(group, ann)
        soon(lambda: len(bot.received) == 7)
        assert sorted(one["header"]["event_type"].split("im.")[1] for one in bot.received) == [
            "chat.member.bot.added_v1",
            "chat.member.bot.deleted_v1",
            "message.reaction.created_v1",
            "message.reaction.deleted_v1",
            "message.recalled_v1",
            "message.receive_v1",
            "message.receive_v1",
        ]


@pytest.mark.parametrize("slow_s", [0.2])
def test_the_endpoint_may_be_slow_or_busy_and_the_client_comes_back(slow_s: float) -> None:
    with Feishu() as feishu:
        feishu.faults.endpoint_delay_s = slow_s
        feishu.connections.config.ReconnectInterval = 0.1
        with bot_of(feishu) as bot:
            connected(feishu)
            feishu.faults.endpoint_refusals = 1
            feishu.drop()
            soon(lambda: feishu.connections.opened == 2)
            assert feishu.connections.endpoint_calls == 3
            assert bot.received == []
