"""Conversations as token ids, with labels on the assistant's words alone.

The chat template is applied to each beginning of a conversation; what a reply adds to the beginning before it is the
assistant's. That holds for any template whose beginnings agree, and it is checked for each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from finetune_xtuner.worker.telling import Refused

NOT_LEARNT = -100
"""What the loss of transformers leaves out."""

Message = dict[str, str]


def spans(tokenizer: Any, messages: Sequence[Message]) -> tuple[str, list[tuple[int, int]]]:
    """The whole text, and where in it (characters) the assistant's words stand, the end mark included."""
    whole = _rendered(tokenizer, messages, generate=False)
    found = []
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _rendered(tokenizer, messages[:number], generate=True)
        after = _rendered(tokenizer, messages[: number + 1], generate=False)
        if not (after.startswith(before) and whole.startswith(after)):
            raise Refused(
                "This model's chat template changes earlier messages when later ones come, so the assistant's words "
                "cannot be told apart: take rows of one exchange each."
            )
        found.append((len(before), len(after)))
    return whole, found


def encoded(tokenizer: Any, messages: Sequence[Message], max_tokens: int) -> dict[str, list[int]] | None:
    """``input_ids`` and ``labels``, cut at ``max_tokens``; None when nothing to learn is left of it."""
    text, learnt = spans(tokenizer, messages)
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = tokens["input_ids"][:max_tokens]
    labels = [
        token if any(start <= begin < end for start, end in learnt) else NOT_LEARNT
        for token, (begin, _) in zip(ids, tokens["offset_mapping"], strict=False)
    ]
    return {"input_ids": ids, "labels": labels} if any(label != NOT_LEARNT for label in labels) else None


def padded(rows: Sequence[dict[str, list[int]]], pad: int) -> Iterator[tuple[str, list[list[int]]]]:
    """A batch: shape (rows, longest)."""
    longest = max(len(row["input_ids"]) for row in rows)
    yield "input_ids", [row["input_ids"] + [pad] * (longest - len(row["input_ids"])) for row in rows]
    yield "labels", [row["labels"] + [NOT_LEARNT] * (longest - len(row["labels"])) for row in rows]
    yield "attention_mask", [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]


def _rendered(tokenizer: Any, messages: Sequence[Message], *, generate: bool) -> str:
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=generate))
