"""citeulike-a's files as they lie on the disk, with or without the count that each line may begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

COUNTED_FROM = 0.9
"""Of the lines that are not empty; by chance hardly any first item is the number of those behind it."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The numbers of each line; ``counted``: the lines began with their count, which is gone."""

    lines: list[Ints]
    counted: bool


@dataclass(frozen=True, slots=True)
class Data:
    """``libraries``: the items of each user; ``tags``: the names of each item's tags."""

    libraries: list[Ints]
    tags: list[tuple[str, ...]]
    layout: str


def read(users: Path, item_tags: Path, tags: Path) -> Data:
    """Raises ``ValueError`` for what is no such file, with its name and line."""
    libraries, tagged = read_lists(users), read_lists(item_tags)
    names = tags.read_text(encoding="utf-8", errors="replace").split("\n")
    names = [name.strip() for name in (names[:-1] if names and not names[-1] else names)]
    for file, lines, most in ((users, libraries.lines, len(tagged.lines)), (item_tags, tagged.lines, len(names))):
        for number, line in enumerate(lines, start=1):
            if len(line) and line.max() >= most:
                raise ValueError(f"{file}:{number}: names number {line.max()}, and there are {most} of them")
    items = [tuple(names[tag] for tag in line) for line in tagged.lines]
    layout = ", ".join(
        f"{file.name} {'with' if lists.counted else 'without'} counts"
        for file, lists in ((users, libraries), (item_tags, tagged))
    )
    return Data([np.unique(line) for line in libraries.lines], items, layout)


def read_lists(file: Path) -> Lists:
    """A list of numbers a line, counted when nearly all of them begin with how many follow: a line that was cut short
    or joined must not turn every count of the file into an item."""
    lines: list[Ints] = []
    with file.open(encoding="utf-8") as text:
        for number, line in enumerate(text, start=1):
            try:
                lines.append(np.array(line.split(), np.int64))
            except ValueError as error:
                raise ValueError(f"{file}:{number}: not a list of numbers") from error
            if len(lines[-1]) and lines[-1].min() < 0:
                raise ValueError(f"{file}:{number}: a number below 0")
    filled = [line for line in lines if len(line)]
    fitting = sum(int(line[0]) == len(line) - 1 for line in filled)
    counted = bool(filled) and fitting >= COUNTED_FROM * len(filled)
    return Lists([line[1:] for line in lines] if counted else lines, counted)
