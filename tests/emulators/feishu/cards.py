"""CardKit: cards as entities that take text while members watch.

A card in streaming mode takes the whole text of an element under an increasing ``sequence``. After
``Limits.stream_open_s`` the platform closes the mode by itself; what comes later is refused here (on the
platform some of it is lost without a word).
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.emulators.feishu.api import INVALID, Api, Refused
from tests.emulators.feishu.limits import Rate
from tests.emulators.feishu.world import CardEntity

TOO_LARGE = 300300
STREAM_CLOSED = 300309
SEQUENCE = 300317


class Cards:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._world = api.world
        self._limits = api.limits
        self._per_card: dict[str, Rate] = {}

    def routes(self) -> list[web.RouteDef]:
        call, base, scope = self._api.call, "/open-apis/cardkit/v1/cards", "cardkit:card:write"
        return [
            web.post(base, call(self._create, scope)),
            web.put(base + "/{card}/elements/{element}/content", call(self._content, scope)),
            web.patch(base + "/{card}/settings", call(self._settings, scope)),
            web.put(base + "/{card}", call(self._update, scope)),
        ]

    async def _create(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("type") != "card_json":
            raise Refused(INVALID, "card type is not known")
        data = self._parsed(str(body.get("data")))
        config = data.get("config", {})
        card = CardEntity(
            self._world.number("card"),
            list(data.get("body", {}).get("elements", [])),
            self._world.now(),
            streaming=bool(config.get("streaming_mode")),
            summary=str(config.get("summary", {}).get("content", "")),
        )
        self._world.cards[card.id] = card
        return {"card_id": card.id}

    async def _content(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        card = self._card(request)
        self._close_in_time(card)
        if not card.streaming:
            raise Refused(STREAM_CLOSED, "streaming mode is closed")
        element = next((one for one in card.elements if one.get("element_id") == request.match_info["element"]), None)
        if element is None:
            raise Refused(INVALID, "element not found")
        self._advance(card, body)
        if len(str(body.get("content", "")).encode()) > self._limits.card_bytes:
            raise Refused(TOO_LARGE, "card content is too large")
        element["content"] = str(body.get("content", ""))
        self._show(card)
        return {}

    async def _settings(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        card = self._card(request)
        self._advance(card, body)
        config = self._parsed(str(body.get("settings"))).get("config", {})
        if "streaming_mode" in config:
            card.streaming = bool(config["streaming_mode"])
            if card.streaming:
                card.made_at = self._world.now()
        if "summary" in config:
            card.summary = str(config["summary"].get("content", ""))
        return {}

    async def _update(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        card = self._card(request)
        self._advance(card, body)
        data = self._parsed(str(body.get("card", {}).get("data")))
        card.elements = list(data.get("body", {}).get("elements", []))
        card.streaming = bool(data.get("config", {}).get("streaming_mode"))
        self._show(card)
        return {}

    def _card(self, request: web.Request) -> CardEntity:
        card = self._world.cards.get(request.match_info["card"])
        if card is None:
            raise Refused(INVALID, "card not found")
        if self._per_card.setdefault(card.id, Rate(self._limits.card_calls_per_s)).take(self._world.now()):
            raise Refused(99991400, "request trigger frequency limit", 429, {"x-ogw-ratelimit-reset": "1"})
        return card

    def _close_in_time(self, card: CardEntity) -> None:
        if card.streaming and self._world.now() - card.made_at >= self._limits.stream_open_s:
            card.streaming = False

    @staticmethod
    def _advance(card: CardEntity, body: dict[str, Any]) -> None:
        sequence = body.get("sequence")
        if not isinstance(sequence, int) or sequence <= card.sequence:
            raise Refused(SEQUENCE, "sequence must increase")
        card.sequence = sequence

    def _parsed(self, raw: str) -> dict[str, Any]:
        if len(raw.encode()) > self._limits.card_bytes:
            raise Refused(TOO_LARGE, "card content is too large")
        try:
            data = json.loads(raw)
        except ValueError as error:
            raise Refused(INVALID, "card data is no JSON") from error
        if not isinstance(data, dict):
            raise Refused(INVALID, "card data is no object")
        return data

    def _show(self, card: CardEntity) -> None:
        for post in self._world.posts.values():
            if post.type == "interactive" and f'"{card.id}"' in post.content:
                self._world.see("streamed", post)
