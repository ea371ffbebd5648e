"""``/kb``: what members can say to the knowledge bases. Members see those of their room and give documents, which
moderators approve (:mod:`rag.upload_commands`); the operator takes in folders of the machine."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from bot import audit
from bot.commands import OPEN_QUOTE, TOO_MANY, Argument, BadArguments, Call, Command, Done, both
from bot.errors import UsageError
from bot.event import Role
from bot.room_settings import KNOWLEDGE, one_line
from bot.scopes import GLOBAL
from bot.store import Operation
from bot.texts import Text
from bot.words import Words
from rag.git import is_repository
from rag.library import Base, Library, SyncReport
from rag.readers import REFUSALS, Refusal
from rag.sources import Source, Sources
from rag.upload_commands import UploadCommands

SHOWN_REFUSALS = 5

KB_ABOUT = Text(
    zh="知识库：看有哪些，提交文档",
    en="the knowledge bases: which there are, and a document of yours for them",
)
LIST_ABOUT = Text(zh="这里能读哪些知识库", en="the knowledge bases that are read here")
STATUS_ABOUT = Text(
    zh="一个知识库里有什么，哪些文件没有收下、为什么", en="what is in a base, and what was not taken in"
)
ADD_ABOUT = Text(
    zh="提交一份文档：附上文件、回复带文件的消息，或写上文字；协管员确认后生效",
    en="give a document: attach it, reply to a file, or write a text; a moderator approves it",
)
REMOVE_ABOUT = Text(zh="从知识库取出文档，或整个知识库", en="take documents out, or a whole base")
WHAT_ABOUT = Text(
    zh="要添加的文字；运营者也可以写机器上的路径和知识库的名字",
    en="a text; for the operator also a path on the machine, and a base",
)
BASE_ABOUT = Text(zh="知识库的名字", en="the base's name")
SOURCE_ABOUT = Text(zh="文件或文件夹；不写就是整个知识库", en="a file or folder; left out: the whole base")

NONE_HERE = Text(
    zh="这里还没有可以读的知识库。运营者可以收进一个文件夹：在这里用 `/kb add <路径>`，在控制台，"
    "或者在命令行用 `maodou kb add <路径>`。",
    en="There is no knowledge base to read here. The operator can take in a folder: with `/kb add <path>` here, in the "
    "console, or with `maodou kb add <path>` in a shell.",
)
BASE_LINE = Text(
    zh="- `{name}`：{documents} 份文档，{chunks} 段", en="- `{name}`: {documents} documents, {chunks} passages"
)
BASE_REFUSED = Text(zh="，{refused} 份没有收下", en=", {refused} not taken in")
NOT_READ_HERE = Text(zh="（这里不读）", en=" (not read here)")
REFUSED_LINE = Text(zh="  - `{source}`：{reason}", en="  - `{source}`: {reason}")
MORE_LINE = Text(zh="  - 还有 {count} 份", en="  - and {count} more")
ADDED = Text(
    zh="`{base}`：新增 {added}，更新 {changed}，移除 {removed}，未变 {unchanged}；现有 {chunks} 段。",
    en="`{base}`: {added} added, {changed} changed, {removed} removed, {unchanged} unchanged; {chunks} passages now.",
)
READ_IT = Text(
    zh="这个群现在不读 `{base}`，可以用 `/settings knowledge {names}` 打开。",
    en="This room does not read `{base}` yet: `/settings knowledge {names}`.",
)
NO_VECTORS = Text(zh="向量没有全部算好：{why}", en="Not all vectors could be made: {why}")
REMOVED = Text(zh="`{base}`：取出 {count} 份文档。", en="`{base}`: {count} documents taken out.")
FAILED = Text(zh="没有做成：{why}", en="That did not work: {why}")
WILL_COME = Text(
    zh="`{base}` 会跟着 `{address}` 更新，几分钟内开始；`/kb status` 看进度。",
    en="`{base}` follows `{address}` from now on, within minutes; `/kb status` tells how far it is.",
)
SOURCE_LINE = Text(zh="  - 来源 `{address}`：{told}", en="  - source `{address}`: {told}")
SOURCE_FAILED = Text(zh="  - 来源 `{address}` 没有成功：{told}", en="  - source `{address}` failed: {told}")
AT_WORK = Text(
    zh="  - 来源 `{address}`：正在读，{done} / {total}", en="  - source `{address}`: at work, {done} of {total}"
)
NO_BASE = Text(
    zh="这里没有叫 `{base}` 的知识库。`/kb list` 列出有哪些。", en="There is no base `{base}` here. See `/kb list`."
)


class KnowledgeCommands:
    """``command`` is the family ``/kb``, for the registry. ``also``: what other modules of this folder put under it."""

    def __init__(
        self, library: Library, uploads: UploadCommands, sources: Sources, also: Sequence[Command] = ()
    ) -> None:
        self._library = library
        self._sources = sources
        self._uploads = uploads
        base = Argument("base", BASE_ABOUT, required=False)
        self.command = Command(
            "kb",
            KB_ABOUT,
            subcommands=(
                Command("list", LIST_ABOUT, self.list_bases, aliases=("列表",)),
                Command("status", STATUS_ABOUT, self.status, role=Role.MODERATOR, arguments=(base,), aliases=("状态",)),
                Command(
                    "add",
                    ADD_ABOUT,
                    self.add,
                    arguments=(Argument("what", WHAT_ABOUT, required=False, rest=True),),
                    aliases=("添加",),
                ),
                Command(
                    "remove",
                    REMOVE_ABOUT,
                    self.remove,
                    role=Role.OPERATOR,
                    arguments=(Argument("base", BASE_ABOUT), Argument("source", SOURCE_ABOUT, required=False)),
                    aliases=("取出",),
                ),
                *uploads.family,
                *also,
            ),
            aliases=("知识库",),
        )

    async def list_bases(self, call: Call) -> Done:
        bases = await self._visible(call)
        if not bases:
            return Done(NONE_HERE.in_language(call.language))
        return Done("\n".join(_line(call, base) for base in bases))

    async def status(self, call: Call) -> Done:
        bases = await self._visible(call)
        wanted = call.arguments.get("base")
        chosen = [base for base in bases if wanted is None or base.name == wanted]
        if wanted is not None and not chosen:
            raise BadArguments(NO_BASE, base=one_line(wanted))
        if not chosen:
            return Done(NONE_HERE.in_language(call.language))
        lines: list[str] = []
        for base in chosen:
            lines.append(_line(call, base))
            documents = await asyncio.to_thread(self._library.list, base.name)
            refused = [(document.source, Refusal(document.reason)) for document in documents if document.reason]
            lines += _refusals(call, refused)
            lines += [_source(call, each) for each in await asyncio.to_thread(self._sources.all, base.name)]
        return Done("\n".join(lines))

    async def add(self, call: Call) -> Done:
        """A document from a member, or with one line of the operator's a path of the machine."""
        what = call.arguments.get("what", "")
        files = await self._uploads.files(call)
        if call.role >= Role.OPERATOR and not files and what and "\n" not in what:
            return await self._sync(call, what)
        return await self._uploads.offer(call, what, files)

    async def _sync(self, call: Call, what: str) -> Done:
        """The sync ends after the batch at hand when the work on the command is stopped."""
        reads = call.values[KNOWLEDGE]
        words = Words(what)
        try:
            path, base = words.next() or "", words.next() or (reads[0] if reads else "default")
        except ValueError:
            raise BadArguments(OPEN_QUOTE, usage="/kb add <path> [base]") from None
        if left := words.rest():
            raise BadArguments(both(TOO_MANY, word=one_line(left), usage="/kb add <path> [base]"))
        if is_repository(path):
            return await self._kept(call, path, base)
        stopped = threading.Event()
        try:
            report = await asyncio.to_thread(self._add, path, base, stopped)
        except UsageError as error:
            raise BadArguments(FAILED, why=str(error)) from error
        finally:
            stopped.set()
        return Done(_told(call, report, reads), write=_noted(call, "kb.add", {"base": base, "path": path}))

    async def _kept(self, call: Call, address: str, base: str) -> Done:
        """A repository may take minutes: it comes beside the rooms, and ``/kb status`` tells how far it is."""
        try:
            await asyncio.to_thread(self._sources.add, base, address)
        except UsageError as error:
            raise BadArguments(FAILED, why=str(error)) from error
        text = WILL_COME.in_language(call.language, address=one_line(address, 120), base=base)
        return Done(text, write=_noted(call, "kb.add", {"base": base, "path": address}))

    def _add(self, path: str, base: str, stopped: threading.Event) -> SyncReport:
        return self._library.add(Path(path).expanduser(), base, cancel=stopped)

    async def remove(self, call: Call) -> Done:
        base, source = call.arguments["base"], call.arguments.get("source")
        try:
            count = await asyncio.to_thread(self._library.remove, base, source)
        except UsageError as error:
            raise BadArguments(FAILED, why=str(error)) from error
        write = _noted(call, "kb.remove", {"base": base, "source": source})
        return Done(REMOVED.in_language(call.language, base=base, count=count), write=write)

    async def _visible(self, call: Call) -> list[Base]:
        """The bases that this room reads; the operator sees all of them."""
        bases = await asyncio.to_thread(self._library.bases)
        if call.role >= Role.OPERATOR:
            return bases
        return [base for base in bases if base.name in call.values[KNOWLEDGE]]


def _line(call: Call, base: Base) -> str:
    said = BASE_LINE.in_language(call.language, name=base.name, documents=base.documents, chunks=base.chunks)
    if base.refused:
        said += BASE_REFUSED.in_language(call.language, refused=base.refused)
    if base.name not in call.values[KNOWLEDGE]:
        said += NOT_READ_HERE.in_language(call.language)
    return said


def _source(call: Call, source: Source) -> str:
    address = one_line(source.address, 120)
    if source.began_at is not None:
        return AT_WORK.in_language(call.language, address=address, done=source.done, total=source.total)
    text = SOURCE_FAILED if source.failed else SOURCE_LINE
    return text.in_language(call.language, address=address, told=source.told or "–")


def _refusals(call: Call, refused: list[tuple[str, Refusal]]) -> list[str]:
    """The first few by name, one of each reason before a second of any."""
    seen: Counter[Refusal] = Counter()
    order: list[tuple[int, str, Refusal]] = []
    for source, reason in refused:
        order.append((seen[reason], source, reason))
        seen[reason] += 1
    order.sort(key=lambda entry: entry[0])
    lines = [
        REFUSED_LINE.in_language(
            call.language, source=one_line(source), reason=REFUSALS[reason].in_language(call.language)
        )
        for _, source, reason in order[:SHOWN_REFUSALS]
    ]
    if len(order) > SHOWN_REFUSALS:
        lines.append(MORE_LINE.in_language(call.language, count=len(order) - SHOWN_REFUSALS))
    return lines


def _told(call: Call, report: SyncReport, reads: tuple[str, ...]) -> str:
    counts = {"added": len(report.added), "changed": len(report.changed), "removed": len(report.removed)}
    lines = [
        ADDED.in_language(call.language, base=report.base, unchanged=report.unchanged, chunks=report.chunks, **counts),
        *_refusals(call, report.refused),
    ]
    if report.not_embedded:
        lines.append(NO_VECTORS.in_language(call.language, why=report.not_embedded))
    if report.base not in reads:
        lines.append(READ_IT.in_language(call.language, base=report.base, names=", ".join((*reads, report.base))))
    return "\n".join(lines)


def _noted(call: Call, what: str, new: dict[str, str | None]) -> Operation[object]:
    """The audit's row, committed with the command's decision."""

    def write(connection: Connection) -> None:
        audit.record(
            connection,
            at=call.at,
            who=call.member.key,
            scope=GLOBAL,
            what=what,
            new=new,
            message_id=call.message_id,
        )

    return write
