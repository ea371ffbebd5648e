"""Good and bad examples: messages that a base's documents can, and cannot, answer. What the gate learns from.

One message is one example of a base, whatever its spelling in width and case; who says otherwise later is believed.
Files: one message a line, or a JSON list of messages, as HuixiangDou keeps its ``good_questions.json`` and
``bad_questions.json``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from bot.errors import UsageError
from bot.retention import Eraser
from bot.store import Store
from bot.texts import Text
from rag.tables import bases, examples
from search.normalise import folded, visible

MAX_CHARS = 2_000
"""A longer message is cut: it is pasted output from there on."""
MAX_FILE_BYTES = 50_000_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Example:
    """``by``: who gave it; ``author``: whose message it was, by key; empty where that is not known. ``weight``: less
    than 1 for what reactions suggested."""

    text: str
    good: bool
    by: str = ""
    author: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Added:
    """How many were new, how many changed sides, how many were known."""

    new: int = 0
    changed: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    good: int
    bad: int


class Examples:
    """The examples of all bases. Its methods block: call them from a command or a worker thread."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, base: str, given: Iterable[Example]) -> Added:
        """Add examples to ``base``; all of them or, when this raises, none.

        Raises ``UsageError`` when there is no such base.
        """
        rows: dict[str, Example] = {}
        for example in given:
            text = visible(example.text).strip()[:MAX_CHARS]
            if text:
                rows[_digest(text)] = replace(example, text=text)

        def write(connection: Connection) -> Added:
            base_id = _base_id(connection, base)
            columns = (examples.c.digest, examples.c.good, examples.c.weight)
            query = select(*columns).where(examples.c.base_id == base_id)
            known = {row.digest: row for row in connection.execute(query)}
            fresh = {digest: row for digest, row in rows.items() if _says_more(row, known.get(digest))}
            # A changed example gets a new id, so that the newest id tells of every change.
            changed = [digest for digest in fresh if digest in known]
            for start in range(0, len(changed), _BATCH):
                part = changed[start : start + _BATCH]
                connection.execute(delete(examples).where(examples.c.base_id == base_id, examples.c.digest.in_(part)))
            now = time.time()
            values = [{"base_id": base_id, "digest": digest, "at": now, **asdict(row)} for digest, row in fresh.items()]
            if values:
                connection.execute(insert(examples), values)
            return Added(len(fresh) - len(changed), len(changed), len(rows) - len(fresh))

        return self.store.write_now(write)

    def remove(self, base: str, texts: Sequence[str] | None = None) -> int:
        """Take out the examples with these texts, or all of the base; how many there were."""
        digests = None if texts is None else [_digest(visible(text).strip()[:MAX_CHARS]) for text in texts]

        def write(connection: Connection) -> int:
            condition = examples.c.base_id == _base_id(connection, base)
            if digests is None:
                return connection.execute(delete(examples).where(condition)).rowcount
            return connection.execute(delete(examples).where(condition, examples.c.digest.in_(digests))).rowcount

        return self.store.write_now(write)

    def of(self, names: Sequence[str]) -> list[Example]:
        """The examples of these bases in the order they came; a message of several bases once, good if any says so."""
        query = select(examples).join(bases).where(bases.c.name.in_(list(names))).order_by(examples.c.id)
        rows = self.store.read_now(lambda connection: connection.execute(query).all())
        merged: dict[str, Example] = {}
        for row in rows:
            before = merged.get(row.digest)
            good = row.good or (before is not None and before.good)
            weight = row.weight if before is None else max(row.weight, before.weight)
            merged[row.digest] = Example(row.text, good, row.by, row.author, weight)
        return list(merged.values())

    def counts(self, base: str) -> Counts:
        """Raises ``UsageError`` when there is no such base."""

        def read(connection: Connection) -> Counts:
            of_base = examples.c.base_id == _base_id(connection, base)
            query = select(examples.c.good, func.count()).where(of_base).group_by(examples.c.good)
            found = {bool(good): int(count) for good, count in connection.execute(query).all()}
            return Counts(found.get(True, 0), found.get(False, 0))

        return self.store.read_now(read)


def _says_more(example: Example, known: Any) -> bool:
    """Whether it is not known, or known otherwise: a reaction changes nothing that somebody said in words."""
    if known is None or example.weight > known.weight:
        return True
    return bool(known.good is not example.good and example.weight >= known.weight)


def _forget_member(connection: Connection, member: str) -> int:
    return connection.execute(delete(examples).where(examples.c.author == member)).rowcount


EXAMPLES = Eraser(Text(zh="给闸门的例子", en="examples for the gate"), of_member=_forget_member)
"""For ``/forget me``: what was made of a member's own messages; what an operator imported has no author."""


def _base_id(connection: Connection, name: str) -> int:
    found = connection.scalar(select(bases.c.id).where(bases.c.name == name))
    if found is None:
        raise UsageError(f"There is no knowledge base named {name}: maodou kb list shows which there are.")
    return int(found)


def _digest(text: str) -> str:
    seen = " ".join(folded(text).casefold().split())
    return hashlib.blake2b(seen.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def read_messages(path: Path) -> list[str]:
    """The messages of a file: a JSON list of strings when it begins with ``[``, else one a line.

    Raises ``UsageError`` with what is wrong and where.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path} has more than {MAX_FILE_BYTES} bytes: these are no examples.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: byte {error.start} cannot be read.") from error
    if not text.lstrip().startswith("["):
        return _lines(text)
    try:
        content = json.loads(text)
    except ValueError as error:
        if "\n[" in text or not text.rstrip().endswith("]"):
            return _lines(text)  # messages may begin with a sticker: 「[图片] 这个怎么弄」
        raise UsageError(f"{path} is no JSON: {error}.") from error
    for number, entry in enumerate(content, start=1):
        if not isinstance(entry, str):
            raise UsageError(f"{path}: entry {number} is no string; a list of messages is wanted.")
    return [entry.strip() for entry in content if entry.strip()]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_examples(good: Path, bad: Path) -> tuple[list[Example], int]:
    """The two files as examples, and how many messages stand in both: those teach nothing and are left out."""
    goods = {_digest(text): Example(text, True) for text in read_messages(good)}
    bads = {_digest(text): Example(text, False) for text in read_messages(bad)}
    both = goods.keys() & bads.keys()
    kept = [example for found in (goods, bads) for digest, example in found.items() if digest not in both]
    return kept, len(both)
