"""From material to a data set: without repetitions, without personal data, split so that nothing leaks.

What is held out is held out by phrasing: of the questions that have the same answer a share of the *groups* of
phrasings, never one of two that differ by a “please”. Two questions are one phrasing when their bare words are the
same, whatever stands around them and in whatever order.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.errors import MaodouError
from finetune_xtuner.conversation import Conversation
from finetune_xtuner.personal import findings
from search.normalise import folded

HELD_OUT_SHARE = 0.2
MIN_GROUPS = 3
"""Phrasings of one answer from which on one may be held out."""

_AROUND = re.compile(
    r"^(?:请问|你好|您好|那个|嗨|问一下|hi|hello|hey|please|well|and|so)\b|^(?:请问|你好|您好|那个|问一下)|[呢呀啊吧吗嘛哦]+$|\bplease$"
)


class Leak(MaodouError):
    """A question is in both parts of a split: the check would measure memory, not learning."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A row that is left out: ``why`` is ``repeated``, ``contradicts`` or ``personal``."""

    why: str
    origin: str
    shown: str


@dataclass(frozen=True, slots=True)
class DataSet:
    train: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]
    removed: tuple[Removed, ...]
    kept_personal: int = 0

    def counts(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """By topic and language: rows to train on, rows held out."""
        train = Counter((row.topic, row.language) for row in self.train)
        held_out = Counter((row.topic, row.language) for row in self.held_out)
        return {key: (train[key], held_out[key]) for key in sorted(train | held_out)}


def build(rows: Iterable[Conversation], *, keep_personal: bool = False, seed: int = 1) -> DataSet:
    """Clean and split. The same rows and seed give the same split. Raises :class:`Leak` when it is not clean."""
    kept, removed, personal = _clean(rows, keep_personal)
    kept = _grouped(kept)
    held = _held_out(kept, seed)
    train = tuple(row for row in kept if row.group not in held)
    held_out = tuple(row for row in kept if row.group in held)
    if found := leaks(train, held_out):
        raise Leak(f"{len(found)} questions are both learnt and held out, such as {found[0]!r}.")
    return DataSet(train, held_out, tuple(removed), personal)


def bare(question: str) -> str:
    """The words of a question alone: no marks, no politeness, in the order of the alphabet where blanks part them."""
    text = folded(question).casefold().strip()
    before = None
    while before != text:
        before = text
        text = _AROUND.sub("", re.sub(r"^\W+|\W+$", "", text)).strip()
    words = re.findall(r"\w+", text)
    return " ".join(sorted(words) if text.isascii() else words)


def leaks(train: Sequence[Conversation], held_out: Sequence[Conversation]) -> list[str]:
    """Questions of the held-out part that are, but for what stands around them, in the other part too."""
    learnt = {(row.system, bare(said)) for row in train for said, _ in row.exchanges[:1]}
    return [row.question for row in held_out if (row.system, bare(row.question)) in learnt]


def _clean(rows: Iterable[Conversation], keep_personal: bool) -> tuple[list[Conversation], list[Removed], int]:
    kept: list[Conversation] = []
    removed: list[Removed] = []
    seen: dict[tuple[str, ...], str] = {}
    personal = 0
    for row in rows:
        found = [finding for text in row.texts() for finding in findings(text)]
        if found and not keep_personal:
            shown = ", ".join(f"{each.kind} {each.shown}" for each in found)
            removed.append(Removed("personal", row.origin, shown))
            continue
        personal += bool(found)
        answers = folded("\n".join(answer for _, answer in row.exchanges))
        asked = (folded(row.system), *(folded(said) for said, _ in row.exchanges))
        if asked in seen:
            why = "repeated" if seen[asked] == answers else "contradicts"
            removed.append(Removed(why, row.origin, row.question))
            continue
        seen[asked] = answers
        kept.append(row)
    return kept, removed, personal


def _grouped(rows: Sequence[Conversation]) -> list[Conversation]:
    """Rows whose question is the same phrasing come into one group, whatever file they are from."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for row in rows:
        ends = root(f"group {row.group}"), root(f"words {row.system}\0{bare(row.question)}")
        parent[max(ends)] = min(ends)
    return [replace(row, group=root(f"group {row.group}")) for row in rows]


def _held_out(rows: Sequence[Conversation], seed: int) -> set[str]:
    """Groups to hold out: a share of those with one answer, drawn by a hash and so the same each time."""
    by_answer: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        answer = row.answer if row.topic not in ("script", "document") else ""
        by_answer[(row.topic, row.language, answer)].add(row.group)
    answers_of: Counter[str] = Counter(group for groups in by_answer.values() for group in groups)
    needed = {row.group for row in rows if row.always_learnt}
    chosen: set[str] = set()
    for groups in by_answer.values():
        free = (group for group in groups if answers_of[group] == 1 and group not in needed)
        own = sorted(free, key=lambda group: _draw(seed, group))
        if len(groups) >= MIN_GROUPS:
            chosen |= set(own[: max(round(len(groups) * HELD_OUT_SHARE), 1)])
    return chosen


def _draw(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
