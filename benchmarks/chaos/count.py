"""What members saw, counted from the platform's own log alone.

- ``lost``: questions without a complete answer: no message at all, or one whose final texts, put together,
  lack a paragraph or mix two attempts. A question one of whose deliveries the bot itself calls ``uncertain``
  is not counted lost: the platform had forgotten the key and the room cannot be read back, so the bot
  rightly did not send blindly. Those are counted on their own and bounded to a tenth of the kills.
- ``duplicated``: messages beyond those an answer needs: one that shows a paragraph that an earlier message
  shows already, a begun stream left behind, or one that nobody asked for.
- ``out_of_order``: answers that first appeared in their room after the answer to a later question, and parts
  that appeared after a later part. Only questions that address the bot are counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.chaos.script import Stamp, question_in, stamps_in


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the platform's log. ``id`` names the message that was said, shown, edited or recalled."""

    at: float
    kind: Literal["said", "shown", "edited", "recalled"]
    room: str
    id: str
    text: str = ""
    reply_to: str | None = None
    addressed: bool = False


@dataclass(slots=True)
class _Shown:
    """A message of the bot as it stands now; ``order`` is its place in the log when it appeared."""

    order: int
    room: str
    text: str
    reply_to: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """The tuples name questions by their numbers (0: nobody's), so that a failure can be looked into."""

    messages: int
    answers_expected: int
    lost: tuple[int, ...]
    duplicated: tuple[int, ...]
    out_of_order: tuple[int, ...]


@dataclass(slots=True)
class _Rooms:
    """The log, folded: who asked what where, and which messages stand there."""

    messages: int = 0
    questions: dict[int, tuple[str, str]] = field(default_factory=dict)  # number → room, message id
    shown: dict[str, _Shown] = field(default_factory=dict)


def count(log: Iterable[Entry], uncertain: Collection[str] = (), arrived: Sequence[str] | None = None) -> Count:
    """``uncertain``: the ids of the members' messages that the bot holds an uncertain delivery for. ``arrived``: all
    their ids in the order in which the platform handed them over, where that is not the order of the log."""
    rooms = _fold(log)
    asked_as = {message_id: number for number, (_, message_id) in rooms.questions.items()}
    answers: dict[int, list[_Shown]] = defaultdict(list)
    duplicated: list[int] = []
    for shown in sorted(rooms.shown.values(), key=lambda shown: shown.order):
        number = _answers_to(shown, asked_as)
        if number in rooms.questions:
            answers[number].append(shown)
        else:
            duplicated.append(0)
    lost: list[int] = []
    out_of_order: list[int] = []
    for number, (_, message_id) in rooms.questions.items():
        if message_id not in uncertain and not _is_complete(answers[number]):
            lost.append(number)
        extra, inverted = _parts(answers[number])
        duplicated += [number] * extra
        out_of_order += [number] * inverted
    order = {number: number for number in rooms.questions}
    if arrived is not None:
        order |= {asked_as[id]: place for place, id in enumerate(arrived) if id in asked_as}
    out_of_order += _overtaken(rooms, answers, order)
    return Count(rooms.messages, len(rooms.questions), tuple(lost), tuple(duplicated), tuple(out_of_order))


def _fold(log: Iterable[Entry]) -> _Rooms:
    rooms = _Rooms()
    for order, entry in enumerate(log):
        if entry.kind == "said":
            rooms.messages += 1
            number = question_in(entry.text)
            if entry.addressed and number is not None:
                rooms.questions[number] = (entry.room, entry.id)
        elif entry.kind == "shown":
            rooms.shown[entry.id] = _Shown(order, entry.room, entry.text, entry.reply_to)
        elif entry.kind == "edited":
            rooms.shown[entry.id].text = entry.text
        else:
            rooms.shown.pop(entry.id, None)
    return rooms


def _answers_to(shown: _Shown, asked_as: dict[str, int]) -> int:
    stamps = stamps_in(shown.text)
    if stamps:
        return stamps[0].question
    return asked_as.get(shown.reply_to or "", 0)


def _is_complete(messages: list[_Shown]) -> bool:
    stamps = [stamp for message in messages for stamp in stamps_in(message.text)]
    if not stamps:
        return False
    return {stamp.paragraph for stamp in stamps} == set(range(1, stamps[0].of + 1)) and len(_lives(stamps)) == 1


def _lives(stamps: list[Stamp]) -> set[int]:
    return {stamp.life for stamp in stamps}


def _parts(messages: list[_Shown]) -> tuple[int, int]:
    """How many of a question's messages are beyond need, and how many came after a later part."""
    seen: set[int] = set()
    extra = inverted = 0
    for message in messages:
        here = [stamp.paragraph for stamp in stamps_in(message.text)]
        if not here or seen & set(here) or len(here) != len(set(here)):
            extra += 1
        elif here != sorted(here) or (seen and min(here) < max(seen)):
            inverted += 1
        seen |= set(here)
    return extra, inverted


def _overtaken(rooms: _Rooms, answers: dict[int, list[_Shown]], order: Mapping[int, int]) -> list[int]:
    """Questions whose answer appeared after that of a later question of the same room."""
    overtaken: list[int] = []
    earliest: dict[str, int] = {}
    for number, (room, _) in sorted(rooms.questions.items(), key=lambda item: order[item[0]], reverse=True):
        if not answers[number]:
            continue
        appeared = answers[number][0].order
        if appeared > earliest.get(room, appeared):
            overtaken.append(number)
        earliest[room] = min(earliest.get(room, appeared), appeared)
    return overtaken
