"""The two bots on Feishu, each as a process: ``… bare|ours URL APP_ID SECRET DATABASE``."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from pydantic import SecretStr

from adapters.feishu.adapter import FeishuPlatform
from adapters.feishu.settings import FeishuSettings
from benchmarks.messages.echo import EchoAnswerer, EchoKnowledge
from bot.core import Core
from bot.ports import SystemClock
from bot.store import Store, StoreSettings, make_engine
from maodou.schema import all_tables
from tests.emulators.feishu.bare import BareBot, client

CALLS_AT_ONCE = 8
"""As many as ours has: a reply takes a round trip, and the client's handlers must not wait for it."""


def bare(url: str, app_id: str, secret: str) -> None:
    """What a page of documentation shows: answer in the event's handler (by a thread), keep nothing."""
    from lark_oapi.api.im.v1 import ReplyMessageRequest, ReplyMessageRequestBody

    calls = ThreadPoolExecutor(CALLS_AT_ONCE)
    rest = client(url, app_id, secret)

    def reply(message: dict[str, Any]) -> None:
        text = json.dumps({"text": f"echo: {json.loads(message['content'])['text']}"})
        body = ReplyMessageRequestBody.builder().msg_type("text").content(text).build()
        rest.im.v1.message.reply(
            ReplyMessageRequest.builder().message_id(message["message_id"]).request_body(body).build()
        )

    with BareBot(url, app_id, secret, lambda kind, payload: calls.submit(reply, payload["event"]["message"])):
        threading.Event().wait()


async def ours(url: str, app_id: str, secret: str, database: str) -> None:
    store_settings = StoreSettings(url=f"sqlite:///{database}")
    engine = make_engine(store_settings)
    all_tables().create_all(engine)
    engine.dispose()
    store = Store.open(store_settings)
    settings = FeishuSettings(
        app_id=app_id,
        app_secret=SecretStr(secret),
        domain=url,
        sends_per_s=0,
        edits_per_s=0,
        calls_at_once=CALLS_AT_ONCE,
    )
    platform = FeishuPlatform(settings)
    core = Core.build(store, {platform.name: platform}, EchoKnowledge(), EchoAnswerer(), clock=SystemClock())
    await core.start()
    await platform.run(core.inbox.accept)


def main(argv: list[str]) -> None:
    kind, url, app_id, secret, database = argv
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if kind == "bare":
        bare(url, app_id, secret)
    else:
        asyncio.run(ours(url, app_id, secret, database))


if __name__ == "__main__":
    main(sys.argv[1:])
