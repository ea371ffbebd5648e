"""The console's desk for knowledge: what an operator does to the bases in the browser.

Uploaded files are kept in ``data_dir/documents/<base>`` and from there go the way of every folder.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.web.desks import Base, Document
from bot import audit
from bot.ports import Clock
from bot.scopes import GLOBAL
from bot.store import Store
from bot.texts import Text
from rag.library import Document as Shelved
from rag.library import Library, SyncReport, check_base_name
from rag.readers import REFUSALS, Refusal
from rag.writing import Status

MAX_NAME_CHARS = 40
"""Of a file's name, and of its ending: together far below the 255 bytes that file systems take."""

DONE = Text(
    zh="{base}：新增 {added}，更新 {changed}，没有收下 {refused}。",
    en="{base}: {added} added, {changed} changed, {refused} not taken in.",
)
REMOVED = Text(zh="{base}：取出 {count} 份文档。", en="{base}: {count} documents taken out.")


@dataclass(slots=True)
class LibraryDesk:
    """Implements :class:`adapters.web.desks.KnowledgeDesk`. What it says is in both languages: it does not know
    who reads."""

    library: Library
    store: Store
    clock: Clock
    folder: Path

    async def bases(self) -> Sequence[Base]:
        found = await asyncio.to_thread(self.library.bases)
        return [Base(base.name, base.documents, base.chunks) for base in found]

    async def documents(self, base: str) -> Sequence[Document]:
        found = await asyncio.to_thread(self.library.list, base)
        return [
            Document(
                each.source,
                "skipped" if each.status is Status.REFUSED else "indexed",
                _about(each),
                each.chunks,
                each.bytes,
            )
            for each in found
        ]

    async def add(self, base: str, files: Sequence[tuple[str, Path]], who: str) -> str:
        """Keep the files and bring the base in step with them; a file of the same name takes the older's place."""
        report = await asyncio.to_thread(self._add, base, files)
        names = [name for name, _ in files]
        await self._record(who, "kb.add", {"base": base, "files": names})
        counts = {"added": len(report.added), "changed": len(report.changed), "refused": len(report.refused)}
        said = _in_both(DONE, base=base, **counts)
        return "\n".join([said, *(f"{source}: {_reason(reason)}" for source, reason in report.refused)])

    async def remove(self, base: str, source: str | None, who: str) -> str:
        count = await asyncio.to_thread(self._remove, base, source)
        await self._record(who, "kb.remove", {"base": base, "source": source})
        return _in_both(REMOVED, base=base, count=count)

    def _add(self, base: str, files: Sequence[tuple[str, Path]]) -> SyncReport:
        check_base_name(base)
        folder = self.folder / base
        folder.mkdir(parents=True, exist_ok=True)
        for name, lies_at in files:
            shutil.move(lies_at, folder / _plain_name(name))
        return self.library.add(folder, base)

    def _remove(self, base: str, source: str | None) -> int:
        count = self.library.remove(base, source)
        folder = self.folder / base
        if source is None:
            shutil.rmtree(folder, ignore_errors=True)
        elif (kept := folder / _plain_name(source)).is_file():
            kept.unlink()
        return count

    async def _record(self, who: str, what: str, new: dict[str, object]) -> None:
        at = self.clock.now()
        await self.store.write(
            lambda connection: audit.record(connection, at=at, who=who, scope=GLOBAL, what=what, old=None, new=new)
        )


def _plain_name(name: str) -> str:
    """The last part of a name that a browser sent: never a path."""
    plain = Path(name.replace("\\", "/").replace("\0", "").strip())
    return f"{plain.stem[:MAX_NAME_CHARS]}{plain.suffix[:MAX_NAME_CHARS]}".lstrip(".") or "document.txt"


def _about(document: Shelved) -> str:
    """Why it is not read, and whose it is where a member gave it."""
    given = f"成员提交 · from a member: {document.added_by}" if document.added_by else ""
    return "; ".join(part for part in (_reason(document.reason), given) if part)


def _reason(reason: Refusal | str) -> str:
    if not reason:
        return ""
    text = REFUSALS[Refusal(reason)]
    return f"{text.zh} · {text.en}"


def _in_both(text: Text, **values: object) -> str:
    return f"{text.in_language('zh', **values)} · {text.in_language('en', **values)}"
