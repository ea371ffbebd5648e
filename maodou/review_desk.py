"""The console's desk for what waits: an operator sees all rooms', and what is done is on record as theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bot import audit
from bot.durations import say_duration
from bot.errors import UsageError
from bot.plain import plain_answer
from bot.ports import Clock
from bot.scopes import GLOBAL
from bot.store import Store
from rag import cases
from rag.cases import Ruled
from rag.sources import Source, Sources
from rag.uploads import Uploads

SHOWN_CHARS = 300
_RULED = {"answer": Ruled.ANSWER, "silent": Ruled.SILENT, "drop": Ruled.DROPPED}


@dataclass(slots=True)
class KnowledgeReview:
    """Implements :class:`adapters.web.desks.ReviewDesk`. What it says is in both languages."""

    kept_aside: Uploads
    followed: Sources
    store: Store
    clock: Clock

    async def uploads(self) -> Sequence[Sequence[object]]:
        found = await asyncio.to_thread(self.kept_aside.pending)
        return [
            (each.id, each.name, each.base, each.member_name or each.member, each.opening[:SHOWN_CHARS])
            for each in found
        ]

    async def cases(self) -> Sequence[Sequence[object]]:
        found = await self.store.read(lambda connection: cases.listed(connection, verdicts=(Ruled.OPEN,)))
        return [
            (
                each.id,
                each.question[:SHOWN_CHARS],
                plain_answer(each.answer)[:SHOWN_CHARS],
                ", ".join(each.cited),
                each.note,
            )
            for each in found
        ]

    async def sources(self) -> Sequence[Sequence[object]]:
        found = await asyncio.to_thread(self.followed.all)
        return [(each.id, each.base, each.address, _state(each), each.told) for each in found]

    async def decide(self, number: int, *, take: bool, who: str) -> str:
        upload = await asyncio.to_thread(self.kept_aside.approve if take else self.kept_aside.reject, number)
        what = "kb.approve" if take else "kb.reject"
        await self._record(who, what, {"base": upload.base, "file": upload.name, "from": upload.member})
        return f"{upload.name}: {'收下了 · taken in' if take else '没有收下 · turned down'}"

    async def rule(self, number: int, ruling: str, source: str, who: str) -> str:
        files = [part.strip() for part in source.split(",") if part.strip()]
        ruled = _RULED[ruling]
        if ruled is Ruled.ANSWER and not files:
            raise UsageError("请写上答案在哪个文件里。 · Say which file holds the answer.")
        closed = await self.store.write(cases.close(number, ruled, files, by=who, at=self.clock.now()))
        if not closed:
            raise UsageError(f"没有第 {number} 号记录。 · There is no case {number}.")
        await self._record(who, "kb.case", {"case": number, "verdict": ruled.value, "source": files})
        return f"{number}: {ruled.value}"

    async def sync(self, number: int, *, end: bool) -> str:
        if number not in {each.id for each in await asyncio.to_thread(self.followed.all)}:
            raise UsageError(f"没有第 {number} 号来源。 · There is no source {number}.")
        await asyncio.to_thread(self.followed.cancel if end else self.followed.ask, number)
        return f"{number}: {'会中止 · it will end' if end else '马上更新 · it is next'}"

    async def _record(self, who: str, what: str, new: dict[str, object]) -> None:
        at = self.clock.now()
        await self.store.write(
            lambda connection: audit.record(connection, at=at, who=who, scope=GLOBAL, what=what, old=None, new=new)
        )


def _state(source: Source) -> str:
    if source.began_at is not None:
        return f"正在读 · at work: {source.done} / {source.total}"
    every = f"{say_duration(source.every_s, 'en')}" if source.every_s else "–"
    return f"{'没有成功 · failed' if source.failed else 'ok'} ({every})"
