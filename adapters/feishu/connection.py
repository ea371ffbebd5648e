"""The long connection: the real client in a thread and an event loop of its own.

An event is acknowledged when the inbox has committed it, on the main loop; where that fails or takes too long
the acknowledgement says so (500) and the platform sends the event again. The client's own way there is a
synchronous handler, which would hold its loop – pings and all other acknowledgements – for the length of each
commit. So the step between frame and acknowledgement is ours, and awaits: many commits wait together, and the
store makes one of them (4.2 ms of processor time a message became 2.9). Frames, fragments, pings and reconnecting
stay the client's.

The client cannot be stopped and asks for its address with a call that may never end (larksuite/oapi-sdk-python
issues 128 and 169): its loop is stopped from outside, and that one call is given a limit. All this leans on
private names of lark-oapi 1.7.5, which is pinned for that reason.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import structlog

from adapters.feishu.library import load
from adapters.feishu.settings import FeishuSettings

Receive = Callable[[bytes], Future[dict[str, Any]]]
"""Begins to take an event in, from any thread; the future is done when it is committed."""

STOP_WITHIN_S = 5.0

log = structlog.get_logger(__name__)


class LongConnection:
    """One life of the client, from ``start`` to ``stop``. A new connection is a new object.

    ``error``: why the client ended, when it did by itself. Times are of ``time.monotonic``.
    """

    def __init__(self, settings: FeishuSettings, receive: Receive) -> None:
        self._settings = settings
        self._receive = receive
        self._loop = asyncio.new_event_loop()
        self._client: Any = None
        self._thread = threading.Thread(target=self._run, name="feishu-connection", daemon=True)
        self._stopping = False
        self.error: BaseException | None = None
        self.began_at = time.monotonic()
        self.last_frame_at = 0.0

    # ── seen from the main loop ──────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocking, for at most ``STOP_WITHIN_S``."""
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN_S)
        if self._thread.is_alive():
            log.error("feishu.thread_left_behind")

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client._conn is not None

    @property
    def ping_interval_s(self) -> float:
        return float(self._client._ping_interval) if self._client is not None else 120.0

    @property
    def platform_pause_s(self) -> float:
        """The longest pause that the platform asks for between two attempts to connect."""
        if self._client is None:
            return self._settings.reconnect_s
        return float(self._client._reconnect_interval) + float(self._client._reconnect_nonce)

    # ── in its thread ────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(_note)
        try:
            self._client = self._make_client()
            if not self._stopping:
                self._client.start()
        except RuntimeError as error:
            if not self._stopping:  # “Event loop stopped before Future completed” is how stop() ends it
                self.error = error
        except Exception as error:  # noqa: BLE001 – a thread's last words; the watchdog reads them
            self.error = error
        finally:
            self._put_away()

    def _make_client(self) -> Any:
        lark, ws = load(), load("lark_oapi.ws.client")
        ws.loop = self._loop
        settings = self._settings
        client = ws.Client(
            settings.app_id,
            settings.app_secret.get_secret_value(),
            domain=settings.base_url,
            log_level=lark.LogLevel.CRITICAL,
        )
        client._reconnect_interval = settings.reconnect_s
        client._reconnect_nonce = settings.reconnect_s
        ask, take = client._get_conn_url, client._handle_message

        def ask_in_time() -> str:
            return _within(settings.endpoint_timeout_s, ask)

        async def take_and_note(message: bytes) -> None:
            self.last_frame_at = time.monotonic()
            await take(message)

        client._get_conn_url = ask_in_time
        client._handle_message = take_and_note
        client._handle_data_frame = self._answer
        client.on_reconnecting = self._lost
        return client

    def _lost(self) -> None:
        log.warning("feishu.connection_lost")

    async def _answer(self, frame: Any) -> None:
        """Take the event of a data frame, or of the last of its fragments, and acknowledge it."""
        headers = {header.key: header.value for header in frame.headers}
        payload = frame.payload
        if (total := int(headers["sum"])) > 1:
            payload = self._client._combine(headers["message_id"], total, int(headers["seq"]), payload)
        if payload is None or headers["type"] != "event":
            return  # more fragments to come; or a card of the old kind, which the client does not answer either
        began = time.monotonic()
        answer: dict[str, Any] = {"code": 200}
        try:
            if reply := await self.take(payload):
                answer["data"] = base64.b64encode(json.dumps(reply).encode()).decode()
        except Exception as error:  # noqa: BLE001 – whatever it is, the event is not kept
            log.error("feishu.not_acknowledged", why=str(error) or type(error).__name__)
            answer = {"code": 500}
        frame.headers.add(key="biz_rt", value=str(round((time.monotonic() - began) * 1000)))
        frame.payload = json.dumps(answer).encode()
        await self._client._write_message(frame.SerializeToString())

    async def take(self, payload: bytes) -> dict[str, Any]:
        """Runs on the client's loop; returns after the commit. Raises when there was none in time."""
        if len(payload) > self._settings.max_event_bytes:
            raise ValueError(f"an event of {len(payload)} bytes")
        async with asyncio.timeout(self._settings.commit_within_s):
            return await asyncio.wrap_future(self._receive(payload))

    def _put_away(self) -> None:
        with contextlib.suppress(Exception):
            client, loop = self._client, self._loop
            if client is not None:
                client._auto_reconnect = False
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            if client is not None and client._conn is not None:
                connection, client._conn = client._conn, None
                loop.run_until_complete(asyncio.wait_for(connection.close(), 2))
        self._loop.close()


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A task of the client ended with an error, on which nobody waits; what follows is the watchdog's."""
    error = context.get("exception")
    log.warning("feishu.client_task_failed", why=f"{type(error).__name__}: {error}" if error else context["message"])


def _within(seconds: float, ask: Callable[[], str]) -> str:
    """Call something blocking that has no limit of its own. It is left behind when it takes longer."""
    answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(ask())
        except Exception as error:  # noqa: BLE001 – handed to whoever waits
            answers.put(error)

    threading.Thread(target=run, name="feishu-endpoint", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"Feishu did not say where to connect within {seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
