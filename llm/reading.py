"""A server's stream to pieces of text, believing nothing: any field may be missing, or of any type.

What is read is one chat completion in the form of OpenAI's API reference ("The chat completion chunk object"). What a
model thinks aloud is no answer: ``reasoning_content``, and a first ``<think>`` … ``</think>`` in the text itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm.meter import Usage

_OPEN, _CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk brought. ``alive``: the model has begun, be it to think. ``finish``: why it ended, if it did."""

    text: str = ""
    alive: bool = False
    finish: str | None = None
    has_choice: bool = False
    usage: Usage | None = None


def delta_of(chunk: object) -> Delta:
    """A chunk of a stream, or a whole completion from a server that does not stream."""
    usage = _usage(_get(chunk, "usage"))
    choices = _get(chunk, "choices")
    if not isinstance(choices, list) or not choices:
        return Delta(usage=usage)
    choice = choices[0]
    said = _get(choice, "delta")
    if said is None:
        said = _get(choice, "message")
    text, thought, finish = _get(said, "content"), _get(said, "reasoning_content"), _get(choice, "finish_reason")
    text = text if isinstance(text, str) else ""
    return Delta(
        text, bool(text or thought), finish if isinstance(finish, str) and finish else None, said is not None, usage
    )


def _get(node: object, name: str) -> Any:
    return node.get(name) if isinstance(node, dict) else getattr(node, name, None)


def _usage(node: object) -> Usage | None:
    counts = [_get(node, name) for name in ("prompt_tokens", "completion_tokens")]
    if all(isinstance(count, int) and count >= 0 for count in counts):
        return Usage(*counts)
    return None


class Thoughts:
    """Takes what stands in a first ``<think>`` … ``</think>`` out of a text that comes in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"

    def feed(self, piece: str) -> str:
        """What may be handed on of the text so far."""
        if self._state == "after":
            return piece
        self._held += piece
        if self._state == "start":
            begun = self._held.lstrip()
            if not begun.startswith(_OPEN):
                if _OPEN.startswith(begun):
                    return ""
                self._state = "after"
                return self._released(self._held)
            self._held, self._state = begun[len(_OPEN) :], "within"
        _, close, rest = self._held.partition(_CLOSE)
        if not close:
            self._held = self._held[-len(_CLOSE) :]  # enough to see a mark that comes in two pieces
            return ""
        self._state = "after"
        return self._released(rest.lstrip())

    def rest(self) -> str:
        """What was held back when the text ended; nothing of an unfinished thought."""
        return self._released(self._held) if self._state == "start" else ""

    def _released(self, text: str) -> str:
        self._held = ""
        return text
