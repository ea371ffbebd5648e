"""The emulator's webhook sender, proved with the real ``EventDispatcherHandler`` behind a small server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import lark_oapi as lark
import pytest
from aiohttp import web

from tests.emulators.feishu import Feishu


class Receiver:
    """The real handler behind aiohttp, in a thread."""

    def __init__(self, key: str, token: str) -> None:
        self.received: list[Any] = []
        builder = lark.EventDispatcherHandler.builder(key, token, lark.LogLevel.CRITICAL)
        builder.register_p2_customized_event("im.message.receive_v1", self.received.append)
        self._handler = builder.build()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    async def _take(self, request: web.Request) -> web.Response:
        raw = lark.RawRequest()
        raw.uri, raw.headers, raw.body = request.path, dict(request.headers), await request.read()
        answer = self._handler.do(raw)
        return web.Response(status=answer.status_code, body=answer.content)

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    def __enter__(self) -> Receiver:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(5)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def feishu() -> Iterator[Feishu]:
    with Feishu(mode="webhook") as feishu:
        yield feishu


def test_the_challenge_and_an_encrypted_event_are_taken(feishu: Feishu) -> None:
    with Receiver(feishu.encrypt_key, feishu.token) as receiver:
        feishu.webhook.url = receiver.url
        status, body = feishu.call(feishu.webhook.challenge())
        assert (status, body) == (200, '{"challenge":"knock"}')
        ann = feishu.person("安妮")
        feishu.say(feishu.direct(ann), ann, "hi")
        until = time.monotonic() + 5
        while not feishu.told()[0].acknowledged:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert len(receiver.received) == 1


def test_a_wrong_key_signature_or_token_is_refused(feishu: Feishu) -> None:
    with Receiver(feishu.encrypt_key, feishu.token) as receiver:
        feishu.webhook.url = receiver.url
        payload: dict[str, Any] = {
            "schema": "2.0",
            "header": {"event_id": "e", "event_type": "im.message.receive_v1", "token": feishu.token},
            "event": {},
        }
        send = feishu.webhook.send
        assert feishu.call(send(payload))[0] == 200
        assert feishu.call(send(payload, signature="0" * 64))[0] == 500
        assert feishu.call(send(payload, key="another"))[0] == 500
        wrong = {**payload, "header": {**payload["header"], "token": "another"}}
        assert feishu.call(send(wrong))[0] == 500
        assert len(receiver.received) == 1


def test_the_library_alone_takes_a_stale_signature_which_is_why_we_check_more(feishu: Feishu) -> None:
    with Receiver(feishu.encrypt_key, feishu.token) as receiver:
        feishu.webhook.url = receiver.url
        payload: dict[str, Any] = {
            "schema": "2.0",
            "header": {"event_id": "e", "event_type": "im.message.receive_v1", "token": feishu.token},
            "event": {},
        }
        yesterday = str(int(time.time()) - 86400)
        assert feishu.call(feishu.webhook.send(payload, timestamp=yesterday))[0] == 200
