"""Question–answer pairs to Markdown: each question a heading, its answer below. From CSV and JSON.

JSON: a list of ``{"question": …, "answer": …}``, or one object ``{"a question": "its answer", …}``. CSV: a line of
names, then a pair a line; without names, two columns. Folders are full of other CSV and JSON files, so there only
those count as documents whose name or beginning says that they hold pairs (:func:`promising`).
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rag.markdown import plain_markdown
from rag.plain import below, blocks, heading, one_line
from rag.refusal import Refusal, Refused

ENDINGS = frozenset({".csv", ".json"})

_QUESTION = frozenset({"question", "questions", "query", "q", "问题", "问", "提问", "key"})
_ANSWER = frozenset({"answer", "answers", "response", "reply", "a", "答案", "回答", "答", "回复", "value"})
_NAMED = re.compile(r"(?:^|[^a-z])(?:qa|q&a|faqs?|pairs?)(?:$|[^a-z])|question|问答|常见问题", re.IGNORECASE)
_SAID_QUESTION = re.compile(r"[\"']?\b(?:question|questions|query|问题|提问)\b[\"']?\s*[:,;\t]")
_SAID_ANSWER = re.compile(r"[\"']?\b(?:answer|answers|response|reply|答案|回答|回复)\b[\"']?\s*(?:[:,;\t\r\n]|$)")
_HEAD_BYTES = 4_096
MAX_QUESTION_CHARS = 100
"""Of a heading; a longer question also stands whole in the text."""


def promising(path: Path) -> bool:
    """Whether a file found in a folder says, by its name or in its beginning, that it holds pairs."""
    if _NAMED.search(path.stem):
        return True
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", "replace").casefold()
    except OSError:
        return False
    if path.suffix.lower() == ".csv":
        head = head.lstrip("\ufeff").split("\n", 1)[0]
    elif not head.lstrip("\ufeff \r\n\t").startswith("["):
        return False
    return bool(_SAID_QUESTION.search(head) and _SAID_ANSWER.search(head))


def json_to_markdown(text: str) -> str:
    """Raises :class:`Refused` (damaged, tangled, no_pairs)."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise Refused(Refusal.TANGLED) from None
    except ValueError:
        raise Refused(Refusal.DAMAGED) from None
    if isinstance(value, dict):
        named = _of_names(value)
        return _markdown([named] if named is not None else _of_mapping(value))
    if not isinstance(value, list):
        raise Refused(Refusal.NO_PAIRS)
    return _markdown(_of_list(value))


def _of_list(entries: list[Any]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if not isinstance(entry, dict):
            raise Refused(Refusal.NO_PAIRS)
        pair = _of_names(entry)
        if pair is not None:
            yield pair


def _of_names(entry: dict[str, Any]) -> tuple[str, str] | None:
    """The pair in an object that names its question and its answer."""
    folded = {key.strip().casefold(): value for key, value in entry.items()}
    question = next((value for name, value in folded.items() if name in _QUESTION), None)
    answer = next((value for name, value in folded.items() if name in _ANSWER), None)
    return (question, answer) if isinstance(question, str) and isinstance(answer, str) else None


def _of_mapping(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for question, answer in value.items():
        if not isinstance(answer, str):
            raise Refused(Refusal.NO_PAIRS)
        yield question, answer


def csv_to_markdown(text: str) -> str:
    """Raises :class:`Refused` (damaged, no_pairs)."""
    first = text.split("\n", 1)[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error:
        raise Refused(Refusal.DAMAGED) from None
    if not rows:
        raise Refused(Refusal.NO_PAIRS)
    names = [name.strip().casefold() for name in rows[0]]
    question = next((number for number, name in enumerate(names) if name in _QUESTION), None)
    answer = next((number for number, name in enumerate(names) if name in _ANSWER), None)
    if question is None or answer is None:
        if any(len(row) != 2 for row in rows):
            raise Refused(Refusal.NO_PAIRS)
        return _markdown((row[0], row[1]) for row in rows)
    last = max(question, answer)
    return _markdown((row[question], row[answer]) for row in rows[1:] if len(row) > last)


def _markdown(pairs: Iterable[tuple[str, str]]) -> str:
    parts: list[str] = []
    for question, answer in pairs:
        asked, said = one_line(plain_markdown(question)), plain_markdown(answer).strip()
        if asked and said:
            parts.append(heading(1, asked[:MAX_QUESTION_CHARS]))
            parts.append(below(asked) if len(asked) > MAX_QUESTION_CHARS else "")
            parts.append(below(said))
    if not parts:
        raise Refused(Refusal.NO_PAIRS)
    return blocks(parts)
