"""A visitor of the web room over HTTP: joins, says something, reads the answer. As a browser does it, without one."""

from __future__ import annotations

import json
import secrets
import time
from types import TracebackType
from typing import Any

import httpx
from selectolax.lexbor import LexborHTMLParser

from bot.errors import MaodouError

BOX = "maodou-box"
PAGE = "/room/gradio_api"
LAST = 2**62
"""No message has a number above this one: all of them stand before it."""
ASKED_EVERY_S = 0.2


class NoAnswer(MaodouError):
    """The room did not do what a visitor may expect; its text says what."""


class Visitor:
    """``with Visitor(url, name) as visitor: visitor.asks("@maodou who are you")``."""

    def __init__(self, url: str, name: str, *, timeout_s: float) -> None:
        self._client = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)
        self._name = name
        self._timeout_s = timeout_s
        self._submit = -1

    def __enter__(self) -> Visitor:
        answer = self._client.post("/join", data={"name": self._name})
        if answer.status_code != 303:
            raise NoAnswer(f"The room did not let {self._name} in (HTTP {answer.status_code}).")
        self._submit = self._find_submit(self._client.get("/room/config").json())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def asks(self, text: str) -> str:
        """Say it and wait for the bot's answer to it; its text as the page shows it."""
        before = {message["id"] for message in self._messages()}
        call = {
            "data": [{"text": text, "files": []}, json.dumps({"draft": secrets.token_hex(8)})],
            "fn_index": self._submit,
            "session_hash": secrets.token_hex(6),
        }
        self._client.post(f"{PAGE}/queue/join", json=call).raise_for_status()
        until = time.monotonic() + self._timeout_s
        while time.monotonic() < until:
            for message in self._messages():
                if message["id"] not in before and message["ours"]:
                    return LexborHTMLParser(message["html"]).text().strip()
            time.sleep(ASKED_EVERY_S)
        raise NoAnswer(f"Nobody answered {text!r} in the room within {self._timeout_s:.0f} s.")

    def _messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.get(f"/api/older/{LAST}").json()["messages"]
        return found

    def _find_submit(self, config: dict[str, Any]) -> int:
        box = next(each["id"] for each in config["components"] if each["props"].get("elem_id") == BOX)
        for call in config["dependencies"]:
            if [box, "submit"] in [list(target) for target in call["targets"]]:
                return int(call["id"])
        raise NoAnswer("The room's page has no box to write in.")
