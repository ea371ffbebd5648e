"""Libraries, items and tags made up in citeulike-a's format: for tests, and where the data itself is not at hand.

What is like the data: 5,551 users, 16,980 items, about 37 items a library, popular items that carry more tags,
libraries of one to four narrow subjects, tags that are half a subject's words, half a field's, everybody's or one
person's own. What is not: the words mean nothing, and how much the tags tell was set by hand until plain methods came
near their published figures on the data itself. A figure on these files compares methods; it does not stand for the
data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_CONSONANTS = "bcdfgklmnprstvz"
_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is of what. ``mean_library``, ``mean_tags``: of a user and of an item, before what was drawn twice
    is taken once. ``told``: the share of an item's tags that are its subject's; ``stray``: the share of a library that
    is of no interest of its owner's."""

    users: int = 5_551
    items: int = 16_980
    fields: int = 24
    subjects: int = 360
    subject_words: int = 90
    field_words: int = 250
    common_words: int = 1_500
    own_words: int = 20_000
    mean_library: float = 48.0
    mean_tags: float = 14.0
    told: float = 0.55
    stray: float = 0.12


@dataclass(frozen=True, slots=True)
class Made:
    """``libraries``: the items of each user; ``item_tags``: the tags of each item; ``tags``: their names."""

    libraries: list[Ints]
    item_tags: list[Ints]
    tags: list[str]

    def write(self, folder: Path) -> None:
        """``users.dat``, ``item-tag.dat`` and ``tags.dat``, with a count before each line as the originals have."""
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "users.dat", map(_counted, self.libraries))
        _write(folder / "item-tag.dat", map(_counted, self.item_tags))
        _write(folder / "tags.dat", self.tags)


def make(seed: int = 0, shape: Shape | None = None) -> Made:
    """The same for the same seed."""
    shape = shape or Shape()
    random: Any = np.random.default_rng(seed)
    field_of = random.integers(shape.fields, size=shape.subjects)
    subject_of = random.choice(shape.subjects, size=shape.items, p=_zipf(shape.subjects, 0.6))
    second = random.choice(shape.subjects, size=shape.items)
    popularity = random.lognormal(0.0, 1.1, size=shape.items)
    libraries = _libraries(random, shape, field_of, subject_of, popularity)
    readers = np.bincount(np.concatenate(libraries), minlength=shape.items)
    tags = _names(random, _vocabulary(shape))
    item_tags = _tagged(random, shape, field_of, subject_of, second, readers)
    return Made(libraries, item_tags, tags)


def _libraries(random: Any, shape: Shape, field_of: Ints, subject_of: Ints, popularity: Any) -> list[Ints]:
    members = [np.flatnonzero(subject_of == subject) for subject in range(shape.subjects)]
    chances = [popularity[each] / popularity[each].sum() if len(each) else each for each in members]
    anywhere = popularity / popularity.sum()
    libraries = []
    for _ in range(shape.users):
        size = int(np.clip(random.lognormal(np.log(shape.mean_library) - 0.42, 0.92), 10, 400))
        interests = _interests(random, shape, field_of)
        weights = random.dirichlet(np.full(len(interests), 0.9))
        wanted = random.multinomial(round(size * (1 - shape.stray)), weights)
        found = [random.choice(shape.items, size=max(1, round(size * shape.stray)), p=anywhere)]
        for subject, count in zip(interests, wanted, strict=True):
            if len(members[subject]):
                found.append(random.choice(members[subject], size=count, p=chances[subject]))
        libraries.append(np.unique(np.concatenate(found)))
    return libraries


def _interests(random: Any, shape: Shape, field_of: Ints) -> Ints:
    count = int(random.integers(2, 9))
    first = random.integers(shape.subjects)
    near = np.flatnonzero(field_of == field_of[first])
    others = [random.choice(near) if random.random() < 0.7 else random.integers(shape.subjects) for _ in range(count)]
    return np.unique([first, *others])


def _vocabulary(shape: Shape) -> int:
    subjects, fields = shape.subjects * shape.subject_words, shape.fields * shape.field_words
    return subjects + fields + shape.common_words + shape.own_words


def _tagged(random: Any, shape: Shape, field_of: Ints, subject_of: Ints, second: Ints, readers: Ints) -> list[Ints]:
    fields_begin = shape.subjects * shape.subject_words
    common_begins = fields_begin + shape.fields * shape.field_words
    own_begins = common_begins + shape.common_words
    of_subject, of_field = _zipf(shape.subject_words, 1.0), _zipf(shape.field_words, 1.0)
    common = _zipf(shape.common_words, 1.05)
    tagged = []
    for item in range(shape.items):
        more = ((readers[item] + 1) / 13) ** 0.55
        count = 1 + random.poisson(shape.mean_tags * more * random.lognormal(-0.3, 0.75))
        kinds = random.random(count)
        told = shape.told * random.beta(3, 2) / 0.6
        found = []
        for kind in kinds:
            if kind < told:
                subject = subject_of[item] if random.random() < 0.85 else second[item]
                found.append(subject * shape.subject_words + random.choice(shape.subject_words, p=of_subject))
            elif kind < told + 0.25:
                field = field_of[subject_of[item]]
                found.append(fields_begin + field * shape.field_words + random.choice(shape.field_words, p=of_field))
            elif kind < told + 0.48:
                found.append(common_begins + random.choice(shape.common_words, p=common))
            else:
                found.append(own_begins + random.integers(shape.own_words))
        tagged.append(np.unique(found))
    return tagged


def _zipf(count: int, exponent: float) -> Any:
    weights = 1.0 / np.arange(1, count + 1) ** exponent
    return weights / weights.sum()


def _names(random: Any, count: int) -> list[str]:
    """Different words of two to four syllables."""
    names: dict[str, None] = {}
    while len(names) < count:
        syllables = int(random.integers(2, 5))
        word = "".join(random.choice(list(_CONSONANTS)) + random.choice(list(_VOWELS)) for _ in range(syllables))
        names[word] = None
    return list(names)


def _counted(numbers: Ints) -> str:
    return " ".join(map(str, (len(numbers), *numbers)))


def _write(file: Path, lines: Iterable[str]) -> None:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
