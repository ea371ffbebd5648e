"""One piece of teaching material: what is said to the model, and what it shall say; and the layouts it is written in.

``group`` ties together what must not be torn apart by the split: the phrasings of one question, the pieces of one
document. ``topic`` is what a row teaches: an intent of the form (``who``, ``maker`` …), ``pair``, ``script``,
``document``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.errors import MaodouError

Exchange = tuple[str, str]
"""What is said to the model, and its answer; what is said may be empty in plain text."""


class BrokenRow(MaodouError):
    """A row of a data set that cannot be read; its text names file and row."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """``origin``: file and row, or the form's field. ``language``: zh or en."""

    exchanges: tuple[Exchange, ...]
    group: str
    topic: str
    language: str
    origin: str
    system: str = ""
    expects: tuple[str, ...] = field(default=())
    """What a right answer holds, for the check; empty: the answer itself."""
    ignores: str = ""
    """Words that are taken out of an answer before it is looked at: a maker's name may hold the bot's."""
    always_learnt: bool = False
    """Never held out: what nearly everybody asks."""

    @property
    def question(self) -> str:
        return self.exchanges[0][0]

    @property
    def answer(self) -> str:
        return self.exchanges[-1][1]

    def texts(self) -> list[str]:
        return [self.system, *(text for exchange in self.exchanges for text in exchange)]


def as_messages(conversation: Conversation) -> dict[str, Any]:
    """A row of OpenAI's fine-tuning format."""
    messages = [{"role": "system", "content": conversation.system}] if conversation.system else []
    for said, answered in conversation.exchanges:
        messages += [{"role": "user", "content": said}, {"role": "assistant", "content": answered}]
    return {"messages": messages}


def as_xtuner(conversation: Conversation) -> dict[str, Any]:
    """A row of XTuner's own format: the system prompt stands in the first exchange."""
    return {
        "conversation": [
            {"system": conversation.system if number == 0 else "", "input": said, "output": answered}
            for number, (said, answered) in enumerate(conversation.exchanges)
        ]
    }


def messages_of(row: object, where: str) -> list[dict[str, str]]:
    """The messages of a row in OpenAI's or in XTuner's format.

    Raises :class:`BrokenRow` with ``where`` and what is wrong.
    """
    if not isinstance(row, Mapping):
        raise BrokenRow(f"{where}: here must stand an object with `messages` or `conversation`.")
    if isinstance(turns := row.get("conversation"), Sequence) and not isinstance(turns, str):
        row = {"messages": list(_of_turns(turns, where))}
    messages = row.get("messages")
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BrokenRow(f"{where}: it has neither `messages` nor `conversation`, or the list is empty.")
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise BrokenRow(f"{where}: a message needs `role` and `content`, both text.")
        if message.get("role") not in ("system", "user", "assistant"):
            raise BrokenRow(f"{where}: the role {message.get('role')!r} is none of system, user, assistant.")
    if messages[-1]["role"] != "assistant" or not messages[-1]["content"].strip():
        raise BrokenRow(f"{where}: the last message must be the assistant's, with words in it.")
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _of_turns(turns: Sequence[object], where: str) -> list[dict[str, str]]:
    messages = []
    for turn in turns:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("output"), str):
            raise BrokenRow(f"{where}: each turn needs `input` and `output`, both text.")
        if turn.get("system"):
            messages.append({"role": "system", "content": turn["system"]})
        messages += [
            {"role": "user", "content": turn.get("input", "")},
            {"role": "assistant", "content": turn["output"]},
        ]
    return messages
