"""Looking for a delivery in the room's history, after its key has run out.

Found means sent, so a wrong find would swallow an answer or overwrite another one: where what is there may or
may not be ours, this raises ``CannotLook`` and the delivery becomes uncertain.

Posts come back with their words, if not with their marks, and are compared by their gist. Cards come back
without their text (larksuite/oapi-sdk-java issue 168). Outside topics a reply names its question; inside,
everything names the topic's root.
"""

from __future__ import annotations

from typing import Any

from adapters.feishu.api import Api, Refused
from adapters.feishu.events import replied_message
from adapters.feishu.reading import read
from adapters.feishu.render import gist, render
from adapters.feishu.settings import FeishuSettings
from bot.delivery import Delivery, DeliveryAct
from bot.errors import CannotLook
from bot.event import RoomKind

PAGE = 50
SLACK_S = 60
"""How far our clock may be ahead of the platform's."""


async def find(api: Api, settings: FeishuSettings, delivery: Delivery) -> str | None:
    """Raises ``CannotLook`` where the history cannot be read, is too long, or does not tell."""
    is_stream = delivery.act is DeliveryAct.STREAM
    rendered = render(delivery.content, streaming=is_stream)
    type_ = "audio" if delivery.content.audio is not None else rendered.type
    wanted = gist(delivery.content.text)
    in_topic = delivery.room.kind is RoomKind.THREAD
    unclear = False
    for shown in await _ours_since(api, settings, delivery):
        if shown.get("msg_type") != type_:
            continue
        if type_ == "post":
            if _gist_of(shown) == wanted:
                return str(shown["message_id"])
        elif is_stream and not in_topic:
            return str(shown["message_id"])  # a stream is its answer's first part, whatever it says by now
        else:
            unclear = True
    if unclear:
        raise CannotLook("there is a message of ours that may be this one")
    return None


async def _ours_since(api: Api, settings: FeishuSettings, delivery: Delivery) -> list[dict[str, Any]]:
    """Our messages that reply to the same message (inside a topic: all of ours in it), newest first."""
    room = delivery.room
    in_topic = room.kind is RoomKind.THREAD
    since = delivery.planned_at - SLACK_S
    query = {
        "container_id_type": "thread" if in_topic else "chat",
        "container_id": room.id,
        "sort_type": "ByCreateTimeDesc",
        "page_size": str(PAGE),
    }
    if not in_topic:  # a topic's history takes no times
        query["start_time"] = str(int(since))
    question = replied_message(delivery.reply_to) if delivery.reply_to else None
    found: list[dict[str, Any]] = []
    for _ in range(settings.history_pages):
        try:
            page = await api.call("GET", "/open-apis/im/v1/messages", query=query)
        except Refused as error:
            raise CannotLook(str(error)) from error
        for shown in page.get("items") or []:
            if int(shown.get("create_time") or 0) / 1000 < since:
                return found
            if _is_ours(shown, settings.app_id) and (in_topic or (shown.get("parent_id") or None) == question):
                found.append(shown)
        if not page.get("has_more") or not page.get("page_token"):
            return found
        query["page_token"] = str(page["page_token"])
    raise CannotLook(f"more than {settings.history_pages * PAGE} messages since")


def _is_ours(shown: dict[str, Any], app_id: str) -> bool:
    sender = shown.get("sender") or {}
    return sender.get("sender_type") == "app" and sender.get("id") == app_id and not shown.get("deleted")


def _gist_of(shown: dict[str, Any]) -> str:
    body = shown.get("body") or {}
    return gist(read(str(shown["message_id"]), str(shown.get("msg_type")), str(body.get("content") or ""), {}).text)
