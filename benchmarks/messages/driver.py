"""Says the questions on a local Discord, starts the bots beside it, and counts what the members see."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.emulators.discord import Channel, DiscordEmulator, Limits, Posted, User

READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 60.0
WARM_UP = 200
"""Questions before the clock starts: caches fill, and each room is written once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``messages`` over ``rooms``, ``in_flight`` in each of them; phase 2 asks ``rate`` a second for ``rate_s``."""

    messages: int
    rooms: int
    rate: float
    rounds: int
    in_flight: int
    rate_s: float
    folder: Path


@dataclass(slots=True)
class Run:
    """What one bot did in one run."""

    answered: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    rss_mib: float = 0.0
    lost: int = 0
    duplicated: int = 0
    delays_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.answered / self.seconds


class Stage:
    """A Discord without limits, one asker, and the rooms."""

    def __init__(self, discord: DiscordEmulator, rooms: int) -> None:
        self.discord = discord
        guild = discord.world.guild("Benchmark")
        guild.members[discord.world.bot.id].joined_at = 0.0
        self.asker: User = discord.member(guild, "Asker")
        self.rooms: list[Channel] = [discord.world.channel(guild, f"room-{number}") for number in range(rooms)]
        self.asked_at: dict[int, float] = {}
        self.answers: dict[int, list[float]] = {}
        self.arrived = asyncio.Event()
        post = discord.world.post

        def watch(channel: Channel, author: User, content: str, **fields: Any) -> Posted:
            message = post(channel, author, content, **fields)
            if author is discord.world.bot and message.reply_to is not None:
                self.answers.setdefault(message.reply_to, []).append(time.perf_counter())
                self.arrived.set()
            return message

        discord.world.post = watch  # type: ignore[method-assign]

    def ask(self, room: Channel, number: int) -> int:
        question = self.discord.say(room, self.asker, f"{self.discord.mention} question {number}")
        self.asked_at[question.id] = time.perf_counter()
        return question.id

    async def saturate(self, questions: int, in_flight: int) -> None:
        """Keep ``in_flight`` questions waiting in each room until all are asked and answered."""
        left = iter(range(questions))

        async def talk(room: Channel) -> None:
            for number in left:
                question = self.ask(room, number)
                while question not in self.answers:
                    self.arrived.clear()
                    await self.arrived.wait()

        async with asyncio.timeout(ANSWER_WITHIN_S + questions / 20), asyncio.TaskGroup() as group:
            for room in self.rooms * in_flight:
                group.create_task(talk(room))

    async def steady(self, rate: float, seconds: float) -> None:
        """Ask ``rate`` questions a second, whatever comes back."""
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            pause_s = began + number / rate - time.perf_counter()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            self.ask(self.rooms[number % len(self.rooms)], number)
        with contextlib.suppress(TimeoutError):  # what is not there by then is counted as lost
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while len(self.answers) < len(self.asked_at):
                    self.arrived.clear()
                    await self.arrived.wait()

    def forget(self) -> None:
        self.asked_at.clear()
        self.answers.clear()

    def count(self, run: Run) -> Run:
        """Take up what was seen since :meth:`forget`."""
        run.answered = len(self.answers)
        run.lost = len(self.asked_at) - len(self.answers)
        run.duplicated = sum(len(times) - 1 for times in self.answers.values())
        run.delays_ms = [(times[0] - self.asked_at[key]) * 1000 for key, times in self.answers.items()]
        return run


@asynccontextmanager
async def bot(kind: str, stage: Stage, database: Path) -> AsyncIterator[int]:
    """The bot's process, once it answers; yields its pid."""
    discord = stage.discord
    arguments = [kind, discord.token, discord.api_url, discord.gateway_url, str(database)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.messages.bots", *arguments)
    try:
        deadline = time.perf_counter() + READY_WITHIN_S
        while not stage.answers:  # it has connected when it answers
            if process.returncode is not None or time.perf_counter() > deadline:
                raise RuntimeError(f"the {kind} bot did not come up")
            stage.ask(stage.rooms[0], 0)
            await asyncio.sleep(0.3)
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def run(kind: str, plan: Plan, number: int, *, saturated: bool) -> Run:
    """One bot on a stage of its own, through one phase."""
    async with DiscordEmulator(Limits(enforced=False)) as discord:
        stage = Stage(discord, plan.rooms)
        async with bot(kind, stage, plan.folder / f"{kind}-{number}-{saturated}.db") as pid:
            await stage.saturate(WARM_UP, 1)
            await asyncio.sleep(1)  # the questions that were only asked to see whether it is there
            stage.forget()
            result = Run()
            cpu_s, began = _cpu_s(pid), time.perf_counter()
            if saturated:
                await stage.saturate(plan.messages // plan.rounds, plan.in_flight)
            else:
                await stage.steady(plan.rate, plan.rate_s)
            result.seconds = time.perf_counter() - began
            await asyncio.sleep(0.5)  # a second answer would come now
            result.cpu_s, result.rss_mib = _cpu_s(pid) - cpu_s, _rss_mib(pid)
        return stage.count(result)


async def measure(plan: Plan) -> dict[str, float | int | str]:
    """Both phases; the keys are a contract."""
    bare, ours = [], []
    for number in range(plan.rounds):
        bare.append(await run("bare", plan, number, saturated=True))
        ours.append(await run("ours", plan, number, saturated=True))
        sys.stderr.write(f"round {number + 1}: bare {bare[-1].per_s:.0f}/s, ours {ours[-1].per_s:.0f}/s\n")
    steady = await run("ours", plan, 0, saturated=False)
    floor = await run("bare", plan, 0, saturated=False)
    runs = [*ours, steady]
    return {
        "platform": "discord",
        "ours_per_s": round(statistics.median(each.per_s for each in ours), 1),
        "bare_per_s": round(statistics.median(each.per_s for each in bare), 1),
        "ratio": round(statistics.median(o.per_s / b.per_s for o, b in zip(ours, bare, strict=True)), 3),
        "cpu_ratio": round(_cpu_ms(bare) / _cpu_ms(ours), 3),
        "ours_cpu_ms": round(_cpu_ms(ours), 3),
        "bare_cpu_ms": round(_cpu_ms(bare), 3),
        "p50_ms": round(_percentile(steady.delays_ms, 50), 1),
        "p99_ms": round(_percentile(steady.delays_ms, 99), 1),
        "bare_p50_ms": round(_percentile(floor.delays_ms, 50), 1),
        "bare_p99_ms": round(_percentile(floor.delays_ms, 99), 1),
        "lost": sum(each.lost for each in runs),
        "duplicated": sum(each.duplicated for each in runs),
        "rss_mib": round(max(each.rss_mib for each in runs), 1),
    }


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _cpu_ms(runs: list[Run]) -> float:
    """Processor time of the bot's process for one message, in milliseconds."""
    return sum(each.cpu_s for each in runs) / sum(each.answered for each in runs) * 1000


def _cpu_s(pid: int) -> float:
    """User and system time of a process (Linux: ``/proc/PID/stat``, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
