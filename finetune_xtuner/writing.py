"""A data set on disk, and read again: the folder that ``maodou finetune data`` writes and the other verbs take.

``train.jsonl`` and ``held_out.jsonl`` hold OpenAI messages, ``xtuner.json`` the rows to train on as XTuner's
``conversation``, ``check.jsonl`` the held-out questions with what a right answer holds, ``report.md`` the report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import UsageError
from finetune_xtuner.conversation import BrokenRow, as_messages, as_xtuner, messages_of
from finetune_xtuner.dataset import DataSet
from finetune_xtuner.folders import whole_folder
from finetune_xtuner.report import report

Messages = list[dict[str, str]]
TRAIN, HELD_OUT, CHECK, XTUNER = "train.jsonl", "held_out.jsonl", "check.jsonl", "xtuner.json"


@dataclass(frozen=True, slots=True)
class Probe:
    """A held-out question. ``expects``: what a right answer holds; without it, it is ``answer``."""

    messages: Messages
    topic: str
    language: str
    answer: str
    expects: tuple[str, ...]
    ignores: str = ""

    @property
    def question(self) -> str:
        return self.messages[-1]["content"]


def write(data: DataSet, out: Path) -> None:
    """Raises ``UsageError`` when ``out`` is there already."""
    with whole_folder(out) as folder:
        write_jsonl(folder / TRAIN, map(as_messages, data.train))
        write_jsonl(folder / HELD_OUT, map(as_messages, data.held_out))
        write_json(folder / XTUNER, [as_xtuner(row) for row in data.train])
        write_jsonl(
            folder / CHECK,
            (
                {
                    "messages": as_messages(row)["messages"][:-1],
                    "topic": row.topic,
                    "language": row.language,
                    "answer": row.answer,
                    "expects": list(row.expects),
                    "ignores": row.ignores,
                }
                for row in data.held_out
                if row.topic not in ("script", "document")
            ),
        )
        (folder / "report.md").write_text(report(data), "utf-8")


def write_layouts(folder: Path, source: Path) -> None:
    """The rows of the data set in ``source`` as ms-swift and as PaddleNLP read them."""
    for name in (TRAIN, HELD_OUT):
        rows = read_rows(source / name) if name == TRAIN or (source / name).stat().st_size else []
        stem = name.removesuffix(".jsonl")
        write_jsonl(folder / "ms-swift" / name, ({"messages": row} for row in rows))
        write_jsonl(folder / "paddlenlp" / f"{'train' if stem == 'train' else 'dev'}.json", map(_as_paddle, rows))


def read_rows(file: Path) -> list[Messages]:
    """The messages of each row. Raises ``UsageError`` where the file cannot be read, ``BrokenRow`` for a broken row."""
    rows = [messages_of(row, where) for row, where in _rows(file)]
    if not rows:
        raise UsageError(f"{file} has no rows.")
    return rows


def read_probes(folder: Path) -> list[Probe]:
    probes = []
    for row, where in _rows(folder / CHECK):
        try:
            expects, ignores = tuple(row["expects"]), row.get("ignores", "")
            probe = Probe(row["messages"], row["topic"], row["language"], row["answer"], expects, ignores)
            _ = probe.question
        except (KeyError, TypeError, IndexError) as error:
            raise BrokenRow(
                f"{where}: a question to check needs messages, topic, language, answer, expects."
            ) from error
        probes.append(probe)
    if not probes:
        raise UsageError(f"{folder / CHECK} has no questions: a data set with a form holds some out.")
    return probes


def balanced(rows: list[Messages], at_most: int = 4) -> list[Messages]:
    """Rows of answers that have fewer phrasings than the most frequent one, repeated up to ``at_most`` times. Answers
    with under ten phrasings are left as they are: a document is not a catechism."""
    by_answer: dict[str, list[Messages]] = {}
    for row in rows:
        by_answer.setdefault(row[-1]["content"], []).append(row)
    most = max(map(len, by_answer.values()))
    result = []
    for phrasings in by_answer.values():
        times = min(round(most / len(phrasings)), at_most) if len(phrasings) >= 10 else 1
        result += phrasings * max(times, 1)
    return result


def write_jsonl(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        out.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _rows(file: Path) -> Iterable[tuple[Any, str]]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            f"{file.parent} is no data set: it has no {file.name}. `maodou finetune data` makes one."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"{file}, line {number}"
            try:
                yield json.loads(line), where
            except ValueError as error:
                raise BrokenRow(f"{where} is not JSON: {error}.") from error


def _as_paddle(row: Messages) -> dict[str, Any]:
    system = row[0]["content"] if row[0]["role"] == "system" else ""
    told: dict[str, Any] = {
        "src": [each["content"] for each in row if each["role"] == "user"],
        "tgt": [each["content"] for each in row if each["role"] == "assistant"],
    }
    return {**told, "system": system} if system else told
