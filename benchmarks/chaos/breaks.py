"""The mechanisms that the promises rest on, each taken out by itself: a run with one of these must see red.

They are broken here, by subclassing, and never by a switch in production code.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, event

from benchmarks.chaos.adapter import ScriptedPlatform, said
from benchmarks.chaos.points import Fuse, Point
from bot.delivery import Delivery, DeliveryAct
from bot.planning import CarriedOut, carry_out
from bot.ports import Accept
from bot.store import Operation, Store, StoreSettings, make_engine

T = TypeVar("T")


class Break(StrEnum):
    KEY = "key"
    ACK_ORDER = "ack-order"
    SEND_ORDER = "send-order"
    LOOK = "look"
    ARRIVAL = "arrival"


class NewKeyEachTime(ScriptedPlatform):
    """Each attempt has a key of its own, so the platform cannot tell a retry from a second answer."""

    def key_of(self, delivery: Delivery) -> str:
        return secrets.token_hex(10)


class AcknowledgesFirst(ScriptedPlatform):
    """Acknowledges what is not committed yet, so nobody brings it again when the process dies in between."""

    async def take(self, line: dict[str, Any], accept: Accept, writer: asyncio.StreamWriter) -> None:
        self.acknowledge(line, writer)
        self.fuse.reached(Point.BETWEEN_COMMIT_AND_ACK)
        await accept(said(line))


class NeverLooks(ScriptedPlatform):
    """Says that a room holds nothing of ours, so what the platform has forgotten is sent once more."""

    async def find(self, delivery: Delivery) -> str | None:
        return None


class ForgetsArrival(ScriptedPlatform):
    """Does something else before it accepts an event, and so accepts them in another order than they came."""

    LONGEST_S = 3.0

    async def take(self, line: dict[str, Any], accept: Accept, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(random.uniform(0, self.LONGEST_S))
        await super().take(line, accept, writer)


class CommitsLater(Store):
    """Says that an answer is committed a moment before it is. ``held``: the keys of the deliveries concerned."""

    HEAD_START_S = 0.3

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(make_engine(settings), settings)
        self.held: set[str] = set()

    def submit(self, operation: Operation[T], then: Callable[[T], None] | None = None) -> asyncio.Future[T]:
        if not (isinstance(operation, partial) and operation.func is carry_out):
            waiting: asyncio.Future[T] = super().submit(operation, then)
            return waiting
        loop = asyncio.get_running_loop()
        early: asyncio.Future[T] = loop.create_future()

        def announce(result: T) -> None:
            if then is not None:
                then(result)
            early.set_result(result)

        def announced(connection: Connection) -> T:
            result: T = operation(connection)
            self.held = _plain_sends(result)
            loop.call_soon_threadsafe(announce, result)
            if self.held:
                time.sleep(self.HEAD_START_S)
                self.held = set()
            return result

        super().submit(announced)
        return early


def _plain_sends(result: object) -> set[str]:
    planned = result.deliveries if isinstance(result, CarriedOut) else []
    return {delivery.key for delivery in planned if delivery.act is DeliveryAct.SEND}


class SendsFirst(ScriptedPlatform):
    """Sends what is not committed yet; when the process dies in between, nobody knows that it did."""

    store: CommitsLater

    async def send(self, delivery: Delivery) -> str:
        message_id = await super().send(delivery)
        if delivery.key in self.store.held:
            self.fuse.reached(Point.BEFORE_COMMIT)
        return message_id


_adapters = {
    Break.KEY: NewKeyEachTime,
    Break.ACK_ORDER: AcknowledgesFirst,
    Break.LOOK: NeverLooks,
    Break.ARRIVAL: ForgetsArrival,
}


def parts_of_a_life(
    settings: StoreSettings, port: int, key_window_s: float, fuse: Fuse, breaks: Break | None
) -> tuple[Store, ScriptedPlatform]:
    """The store and the adapter of one life, with the fuse on their way and one of them broken, if any."""
    if breaks is Break.SEND_ORDER:
        adapter = SendsFirst(port, fuse, key_window_s=key_window_s)
        adapter.store = CommitsLater(settings)
        return adapter.store, adapter
    store = open_with_fuse(settings, fuse)
    kind = ScriptedPlatform if breaks is None else _adapters[breaks]
    return store, kind(port, fuse, key_window_s=key_window_s)


def open_with_fuse(settings: StoreSettings, fuse: Fuse) -> Store:
    """A store whose every commit may be the last moment of this life."""
    store = Store.open(settings)
    event.listen(store.engine, "commit", lambda connection: fuse.reached(Point.BEFORE_COMMIT))
    return store
