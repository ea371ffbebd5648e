"""The driver: plays the platform, starts the bot, kills it, starts it again, and counts.

The bot's process is forked from a server that has imported everything already, so a life begins where it
matters: opening the database and recovering. No time is spent on imports, and 200 lives fit in minutes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.chaos import members
from benchmarks.chaos.bot import BotPlan, run_bot
from benchmarks.chaos.breaks import Break
from benchmarks.chaos.count import Count, count
from benchmarks.chaos.members import Members
from benchmarks.chaos.platform import Manners, PlatformServer
from benchmarks.chaos.points import Point
from bot.delivery import DeliveryState
from bot.store import StoreSettings, make_engine
from bot.tables import deliveries, inbox

RANDOM = "random"
PRELOAD = {
    "scripted": (),
    "discord": ("adapters.discord.adapter",),
    "feishu": ("benchmarks.chaos.preload_feishu",),
}
"""What a life would otherwise spend its time on importing."""
MESSAGES_PER_KILL = 10
CONNECTED_WITHIN_S = 30.0
NOTHING_MORE_AFTER_S = 8.0
PAUSE_SHARE = 0.08


class BotFailed(Exception):
    """The bot ended by itself, or did not come to rest: a defect to look into, with its log's last lines."""


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """``points``: where the aimed kills fall, in turn. ``random_share`` of the kills fall anywhere.

    ``pause_share`` of the restarts come ``pause_s`` later, which outlasts the platform's memory for keys.
    A life that does not reach its point within ``reach_s`` is killed anyway, uncounted, and tried again.
    ``platform``: scripted, or a real one's emulator (``discord``, ``feishu``) with the real client in the bot.
    """

    kills: int
    database: str
    folder: Path
    seed: int = 0
    points: Sequence[Point] = tuple(Point)
    random_share: float = 0.5
    pause_share: float = PAUSE_SHARE
    pause_s: float = 2.3
    life_s: float = 1.3
    reach_s: float = 6.0
    settle_s: float = 90.0
    breaks: Break | None = None
    manners: Manners = field(default_factory=Manners)
    platform: str = "scripted"


@dataclass(frozen=True, slots=True)
class ChaosReport:
    counted: Count
    kills_by_point: dict[str, int]
    uncertain: int
    redelivered: int
    absorbed: int
    wall_s: float

    @property
    def kills(self) -> int:
        return sum(self.kills_by_point.values())

    @property
    def holds(self) -> bool:
        """Whether every promise was kept, and the run was large enough to say so."""
        counted = self.counted
        kept = not (counted.lost or counted.duplicated or counted.out_of_order)
        return kept and self.uncertain * 10 <= self.kills and counted.messages >= MESSAGES_PER_KILL * self.kills

    def as_json(self) -> dict[str, object]:
        return {
            "messages": self.counted.messages,
            "kills": self.kills,
            "kills_by_point": self.kills_by_point,
            "answers_expected": self.counted.answers_expected,
            "lost": len(self.counted.lost),
            "duplicated": len(self.counted.duplicated),
            "out_of_order": len(self.counted.out_of_order),
            "uncertain": self.uncertain,
        }


class Driver:
    def __init__(self, plan: ChaosPlan) -> None:
        self.plan = plan
        self._dice = random.Random(plan.seed)
        self._platform = _platform_of(plan, random.Random(plan.seed + 1))
        self._engine = make_engine(StoreSettings(url=plan.database, readers=1))
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["benchmarks.chaos.bot", *PRELOAD[plan.platform]])
        self._lives = 0
        self._granted = 0
        self._log = plan.folder / "bot.log"

    async def run(self) -> ChaosReport:
        """Kill, settle, count. The database must be at its newest revision and have no other user."""
        began = time.monotonic()
        kills: Counter[str] = Counter()
        try:
            async with self._platform:
                await self._get_acquainted()
                talking = asyncio.create_task(self._talk())
                for aim in self._aims():
                    self._granted += MESSAGES_PER_KILL
                    while not await self._live_and_die(aim):
                        self._granted += MESSAGES_PER_KILL
                    kills[aim.value if aim else RANDOM] += 1
                    if self._dice.random() < self.plan.pause_share:
                        await asyncio.sleep(self.plan.pause_s)
                await self._settle()
                talking.cancel()
            uncertain = self._uncertain()
            arrived = self._arrived()
        finally:
            self._engine.dispose()
        return ChaosReport(
            counted=count(self._platform.log, set(uncertain), arrived),
            kills_by_point=dict(sorted(kills.items())),
            uncertain=len(uncertain),
            redelivered=self._platform.redelivered,
            absorbed=self._platform.absorbed,
            wall_s=time.monotonic() - began,
        )

    def _aims(self) -> list[Point | None]:
        """Which kill falls where, shuffled; None falls anywhere."""
        anywhere = round(self.plan.kills * self.plan.random_share)
        aimed = [self.plan.points[number % len(self.plan.points)] for number in range(self.plan.kills - anywhere)]
        aims = [*aimed, *[None] * anywhere]
        self._dice.shuffle(aims)
        return aims

    async def _talk(self) -> None:
        """Members talk on, whether the bot lives or not, as long as the driver grants them lines."""
        while True:
            await asyncio.sleep(self._dice.uniform(0.02, 0.09))
            if self._platform.lines < self._granted:
                await self._platform.say()

    async def _get_acquainted(self) -> None:
        """A real platform's rooms are first heard of while the bot lives: what is said in a room that it never
        heard of, while it is dead, no client could find."""
        platform = self._platform
        if isinstance(platform, PlatformServer):
            return
        process, dead = self._start(None)
        try:
            async with asyncio.timeout(CONNECTED_WITHIN_S):
                while not platform.connected:  # noqa: ASYNC110 – the emulator tells nobody
                    await asyncio.sleep(0.05)
            for room in platform.rooms:
                self._granted += 1
                await platform.ask(room)
            await self._until_settled(process, dead)
        finally:
            await self._kill(process, dead)

    # ── one life ─────────────────────────────────────────────────────────────────────────────────────

    async def _live_and_die(self, aim: Point | None) -> bool:
        """One life; whether it ended as it was meant to."""
        process, dead = self._start(aim)
        try:
            if aim is None:
                # A third dies while it starts and recovers.
                longest = 0.15 if self._dice.random() < 1 / 3 else self.plan.life_s
                await _wait(dead, self._dice.uniform(0, longest))
                if dead.is_set():
                    raise self._failed("ended by itself", process)
                return True
            return await _wait(dead, self.plan.reach_s)
        finally:
            await self._kill(process, dead)
            if process.exitcode != -signal.SIGKILL:
                raise self._failed(f"ended with {process.exitcode}", process)

    def _nth(self, aim: Point | None) -> int:
        """Not always the first time; where a mechanism is broken, the first is red enough."""
        if self.plan.breaks is not None:
            return 1
        return self._dice.randint(1, 3 if aim in (Point.BETWEEN_PARTS, Point.MID_STREAM) else 6)

    def _start(self, aim: Point | None) -> tuple[BaseProcess, asyncio.Event]:
        self._lives += 1
        plan = BotPlan(
            life=self._lives,
            port=self._platform.port if isinstance(self._platform, PlatformServer) else 0,
            database=self.plan.database,
            log=self._log,
            key_window_s=self.plan.manners.key_window_s,
            point=aim,
            nth=self._nth(aim),
            breaks=self.plan.breaks,
            platform=self.plan.platform,
            where=() if isinstance(self._platform, PlatformServer) else self._platform.where,
        )
        process = self._context.Process(target=run_bot, args=(plan,), daemon=True)
        process.start()
        dead = asyncio.Event()
        loop = asyncio.get_running_loop()

        def died() -> None:
            loop.remove_reader(process.sentinel)
            dead.set()

        loop.add_reader(process.sentinel, died)
        return process, dead

    @staticmethod
    async def _kill(process: BaseProcess, dead: asyncio.Event) -> None:
        if not dead.is_set():
            process.kill()
            await dead.wait()
        process.join()

    async def _settle(self) -> None:
        """One last life, undisturbed, until everything said is answered and everything planned is sent."""
        process, dead = self._start(None)
        try:
            await self._until_settled(process, dead)
        finally:
            await self._kill(process, dead)

    async def _until_settled(self, process: BaseProcess, dead: asyncio.Event) -> None:
        ends_at = time.monotonic() + self.plan.settle_s
        at_rest_since = time.monotonic()
        while not (self._is_settled() and self._all_arrived()):
            if await _wait(dead, 0.1):
                raise self._failed("ended by itself", process)
            if not self._is_settled():
                at_rest_since = time.monotonic()
            elif time.monotonic() - at_rest_since > NOTHING_MORE_AFTER_S:
                return  # what is not here now is lost, and is counted so
            if time.monotonic() > ends_at:
                raise self._failed(f"had not settled after {self.plan.settle_s:g} s", process)

    def _is_settled(self) -> bool:
        if self._platform.lines < self._granted or self._platform.unacknowledged:
            return False
        unsent = deliveries.c.state.in_((DeliveryState.PLANNED, DeliveryState.OPEN))
        with self._engine.connect() as connection:
            waiting = connection.scalar(select(func.count()).select_from(inbox).where(inbox.c.outcome.is_(None)))
            return not waiting and not connection.scalar(select(func.count()).select_from(deliveries).where(unsent))

    def _all_arrived(self) -> bool:
        """Where nothing is acknowledged, this alone tells that all have come back from the history."""
        with self._engine.connect() as connection:
            kept = connection.scalar(select(func.count()).select_from(inbox).where(inbox.c.kind == "said")) or 0
        return kept >= self._platform.lines

    def _uncertain(self) -> list[str]:
        """The members' messages that have an uncertain delivery, once for each such delivery."""
        query = (
            select(inbox.c.message_id)
            .join(deliveries, deliveries.c.event_id == inbox.c.id)
            .where(deliveries.c.state == DeliveryState.UNCERTAIN)
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def _arrived(self) -> Sequence[str] | None:
        """The members' messages in the order in which they came, where the platform does not keep their own."""
        if self.plan.platform != "feishu":
            return None
        query = select(inbox.c.message_id).where(inbox.c.kind == "said").order_by(inbox.c.id)
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def _failed(self, what: str, process: BaseProcess) -> BotFailed:
        tail = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-40:]) if self._log.exists() else ""
        return BotFailed(f"life {self._lives} (process {process.pid}) {what}\n{tail}")


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether ``event`` was set within ``seconds``."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _platform_of(plan: ChaosPlan, dice: random.Random) -> PlatformServer | Members:
    """The emulators are imported only when they are wanted: theirs are heavy clients."""
    if plan.platform == "discord":
        from benchmarks.chaos.on_discord import DiscordMembers

        return DiscordMembers(members.Manners(), dice)
    if plan.platform == "feishu":
        from benchmarks.chaos.on_feishu import FeishuMembers

        return FeishuMembers(members.Manners(), dice)
    return PlatformServer(plan.manners, dice, token=secrets.token_hex(3))
