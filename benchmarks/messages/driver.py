"""Says the questions on a local platform, starts the bots beside it, and counts what the members see."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.messages.stage import Run, Stage

READY_WITHIN_S = 60.0
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
    platform: str = "discord"


def stage_of(plan: Plan) -> Stage:
    """The platform's own; its libraries are imported only then."""
    if plan.platform == "feishu":
        from benchmarks.messages.on_feishu import FeishuStage

        return FeishuStage(plan.rooms)
    from benchmarks.messages.on_discord import DiscordStage

    return DiscordStage(plan.rooms)


@asynccontextmanager
async def bot(kind: str, stage: Stage, database: Path) -> AsyncIterator[int]:
    """The bot's process, once it answers; yields its pid."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *stage.command(kind, database))
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
    async with stage_of(plan) as stage:
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
        "platform": plan.platform,
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
