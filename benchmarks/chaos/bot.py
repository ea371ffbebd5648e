"""The bot that is killed: the real core in a process of its own, with scripted parts at its ports.

:func:`run_bot` is one life. It recovers the outbox, then the inbox, then reads events, as the product does,
and never ends by itself.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import structlog

from benchmarks.chaos.breaks import Break, open_with_fuse, parts_of_a_life
from benchmarks.chaos.points import Fuse, Point
from benchmarks.chaos.real_clients import Fused, connect
from benchmarks.chaos.stand_ins import ScriptedAnswerer, ScriptedKnowledge
from bot.core import Core
from bot.ports import Platform
from bot.settings import CoreSettings
from bot.store import Store, StoreSettings

SETTINGS = CoreSettings(stream_after_s=0.1, retry_first_s=0.05, retry_most_s=0.5)
"""Scaled to the platform's scaled window; everything else is as the product has it."""


@dataclass(frozen=True, slots=True)
class BotPlan:
    """One life. ``point`` and ``nth``: where it ends by its own hand, if anywhere. ``platform`` and ``where``: a
    real one's emulator; the scripted platform needs its ``port`` alone."""

    life: int
    port: int
    database: str
    log: Path
    key_window_s: float
    point: Point | None = None
    nth: int = 1
    breaks: Break | None = None
    platform: str = "scripted"
    where: tuple[str, ...] = ()


def run_bot(plan: BotPlan) -> None:
    """Live until killed."""
    with plan.log.open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
        structlog.get_logger().info("chaos.life", life=plan.life, point=plan.point, nth=plan.nth)
        asyncio.run(_live(plan))


async def _live(plan: BotPlan) -> None:
    fuse = Fuse(plan.point, plan.nth)
    settings = StoreSettings(url=plan.database)
    store, platform = _parts(plan, settings, fuse)
    core = Core.build(
        store,
        {platform.name: platform},
        ScriptedKnowledge(),
        ScriptedAnswerer(plan.life, fuse),
        settings=SETTINGS,
    )
    await core.start()
    await platform.run(core.inbox.accept)


def _parts(plan: BotPlan, settings: StoreSettings, fuse: Fuse) -> tuple[Store, Platform]:
    if plan.platform == "scripted":
        return parts_of_a_life(settings, plan.port, plan.key_window_s, fuse, plan.breaks)
    store = open_with_fuse(settings, fuse)
    return store, Fused(connect(plan.platform, plan.where, store, plan.key_window_s), fuse, plan.breaks)
