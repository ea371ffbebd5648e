"""The smallest bot on the real lark-oapi: what the emulator is proved with, and what we are measured against.

Two traps shape it. ``lark_oapi.ws.client`` keeps one event loop in its module, so the client gets a thread
and a loop of its own, set before it is made; and there is no way to stop it but to stop that loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

import lark_oapi as lark
import lark_oapi.ws.client as lws

Handler = Callable[[str, dict[str, Any]], Any]
"""Gets the event's type and its whole payload; what it raises becomes an acknowledgement with code 500."""

EVENTS = (
    "im.message.receive_v1",
    "im.message.recalled_v1",
    "im.message.reaction.created_v1",
    "im.message.reaction.deleted_v1",
    "im.chat.member.bot.added_v1",
    "im.chat.member.bot.deleted_v1",
)


def client(url: str, app_id: str, secret: str) -> Any:
    """The real REST client."""
    return lark.Client.builder().app_id(app_id).app_secret(secret).domain(url).log_level(lark.LogLevel.ERROR).build()


class BareBot:
    """The real long-connection client in a thread. ``received`` in the order of handling."""

    def __init__(self, url: str, app_id: str, secret: str, handle: Handler | None = None) -> None:
        self._handle = handle
        self._pressed: dict[str, Any] = {"toast": {"type": "info", "content": "ok"}}
        self.received: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._made_of = (app_id, secret, url)
        self._client: Any = None
        self._thread = threading.Thread(target=self._run, name="bare-bot", daemon=True)

    def _dispatcher(self) -> Any:
        builder = lark.EventDispatcherHandler.builder("", "")
        for kind in EVENTS:
            builder.register_p2_customized_event(kind, self._on)
        builder.register_p2_card_action_trigger(self._on_press)
        return builder.build()

    def _on(self, event: Any) -> None:
        payload = json.loads(lark.JSON.marshal(event))
        if self._handle is not None:
            self._handle(event.header.event_type, payload)
        self.received.append(payload)

    def _on_press(self, event: Any) -> Any:
        self._on(event)
        return self._pressed

    def _make_client(self) -> Any:
        """In the thread that has its loop: elsewhere its cache would make another one, and close it never."""
        lws.loop = self._loop
        app_id, secret, url = self._made_of
        return lws.Client(
            app_id, secret, event_handler=self._dispatcher(), domain=url, log_level=lark.LogLevel.CRITICAL
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._client = self._make_client()
        with contextlib.suppress(RuntimeError):  # "Event loop stopped before Future completed": that is stop()
            self._client.start()
        self._client._auto_reconnect = False
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        if self._client._conn is not None:
            self._loop.run_until_complete(self._client._conn.close())
        self._loop.close()

    def __enter__(self) -> BareBot:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
